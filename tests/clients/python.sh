#!/bin/bash
# Python's PyKCS11.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/python.md

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  make_message file
  run_example '# Python'
  says '^value of the private key: \[None\]$'
  expect_whole_page
  expect_raw_signature
}

run_test "$@"
