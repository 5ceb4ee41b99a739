#!/bin/bash
# curl with keys and certificates of a task's token.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/curl.md

test_page_examples() {
  in_task demo follow_page
  in_task demo follow_page_with_provider
  expect_whole_page
}

follow_page() {
  use_engine
  run_example '## By the engine'
  start_tls_server agent.crt -accept 127.0.0.1:0
  run_example 'The certificate from a file'
  says 'Subject: CN=agent'
  run_example 'Both from the token'
  says 'Subject: CN=agent'
  expect_refusal_without_certificate
}

# The server does insist on it.
expect_refusal_without_certificate() {
  refused 'alert|SSL|TLS' \
    curl --silent --show-error --fail --cacert server.pem "https://localhost:$PORT/"
}

follow_page_with_provider() {
  local example
  for example in '## Set up' '## Keys' '## Certificates'; do
    PAGE=docs/clients/openssl-provider.md run_example "$example"
  done
  start_tls_server agent.crt -accept 127.0.0.1:0
  run_example '## By the provider'
  says 'Subject: CN=agent'
  expect_refusal_without_certificate
}

run_test "$@"
