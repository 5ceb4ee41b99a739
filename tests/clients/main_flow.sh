#!/bin/bash
# main_flow.c, a client in plain C that loads libmayfly.so itself. Built with the sanitizers of the
# build, where it looks for leaks too.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

test_works_in_process() {
  MAYFLY_TASK=demo SOFTHSM2_CONF=$DEVICE/softhsm2.conf succeeds "$MAIN_FLOW" "$MAYFLY_LIBRARY"
}

run_test "$@"
