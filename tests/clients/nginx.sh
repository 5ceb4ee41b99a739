#!/bin/bash
# nginx as a server whose key is a task's.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/nginx.md

test_page_examples() {
  in_task demo follow_page
  # nginx ended with the task, and can't be started again without its key.
  [[ ! -e /proc/$(< pid) ]] || fail 'nginx is still there'
  refused 'cannot load certificate key' env OPENSSL_CONF="$WORK/openssl.cnf" \
    nginx -c "$WORK/nginx.conf" -e "$WORK/server/log"
}

follow_page() {
  use_engine
  run_example '# nginx'
  says '^hello$'
  expect_whole_page
  cp server/pid pid
  # Each of both workers has its own way to the token, and one handshake is not all.
  unset OPENSSL_CONF
  local round
  for round in {1..8}; do
    succeeds curl --silent --show-error --fail --unix-socket web --cacert server.pem \
      --max-time 30 https://localhost/
  done
  # What the server shows is the key of the task.
  succeeds pkcs11_tool --read-object --type pubkey --id 01 --output-file key.der
  cmp key.der <(openssl x509 -in server.pem -noout -pubkey | openssl pkey -pubin -outform DER) ||
    fail 'the certificate is not for the key of the task'
}

run_test "$@"
