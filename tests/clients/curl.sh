#!/bin/bash
# curl with keys and certificates of a task's token.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/curl.md

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  use_engine
  run_example '# curl'
  start_tls_server agent.crt -accept 127.0.0.1:0
  run_example '## The certificate from a file'
  says 'Subject: CN=agent'
  run_example '## Both from the token'
  says 'Subject: CN=agent'
  # The server does insist on it.
  refused 'alert|SSL|TLS' \
    curl --silent --show-error --fail --cacert server.pem "https://localhost:$PORT/"
  expect_whole_page
}

run_test "$@"
