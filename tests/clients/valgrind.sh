#!/bin/bash
# valgrind's memcheck over a client that loads libmayfly.so itself. No suppressions: neither mayfly
# nor what it calls does anything that memcheck reports.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

test_main_flow() {
  succeeds in_process demo valgrind --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite "$MAIN_FLOW" "$MAYFLY_LIBRARY"
  says 'ERROR SUMMARY: 0 errors'
  says 'definitely lost: 0 bytes'
}

run_test "$@"
