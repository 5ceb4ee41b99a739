#!/bin/bash
# Botan, which verifies what a task's key and its issuer sign.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

export TRUST_DOMAIN=agents.example
PAGE=docs/clients/botan.md

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  use_engine
  make_message file
  run_example '# Botan'
  says '^Signature is valid$'
  says '^Certificate passes validation checks$'
  expect_whole_page
  printf x >> file
  # Its exit status is 0 all the same.
  succeeds botan verify --der-format agent.pem file file.base64
  says '^Signature is invalid$'
  # As good a certificate, of somebody else.
  make_server_certificate
  succeeds botan cert_verify agent.crt server.pem
  says 'did not validate'
}

run_test "$@"
