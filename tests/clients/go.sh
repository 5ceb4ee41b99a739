#!/bin/bash
# Go's github.com/miekg/pkcs11.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/go.md

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  make_message file
  run_example '# Go'
  says 'value of the private key: .*CKR_ATTRIBUTE_SENSITIVE'
  expect_whole_page
  expect_raw_signature
}

run_test "$@"
