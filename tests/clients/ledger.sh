#!/bin/bash
# The ledger of a task that a client used.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

sign_a_document() {
  make_message document
  make_message other
  generate_ec agent 01
  openssl dgst -sha256 -binary document > digest
  succeeds pkcs11_tool --sign --mechanism ECDSA --id 01 --input-file digest --output-file signature
}

configure_a_ledger() {
  export LEDGER=$WORK/ledger
  install -d -m 700 "$LEDGER"
  sed -i "s|^\[ledger\]$|&\nfolder = \"$LEDGER\"|" "$DEVICE/mayfly.toml"
}

keep_a_ledger() {
  configure_a_ledger
  in_task invoice-4711 sign_a_document
  mkdir bin
  ln -s "$MAYFLY_COMMAND" bin/mayfly
  PATH=$PWD/bin:$PATH
}

test_catches_a_forger() {
  keep_a_ledger
  local chain
  chain=$(echo "$LEDGER"/*.jsonl)
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.key
  openssl pkey -in other.key -pubout -out other.pem
  refused 'was not made in this chain' mayfly audit verify --key other.pem "$chain"
  chmod u+w "$chain"
  sed -i 's/CKM_ECDSA/CKM_EDDSA/' "$chain"
  refused '^verdict +tampered$' mayfly audit verify "$chain"
}

test_is_left_unsealed_by_a_killed_worker() {
  configure_a_ledger
  in_task killed kill_the_worker || true
  refused '^verdict +unsealed$' "$MAYFLY_COMMAND" audit verify "$LEDGER"/*.jsonl
  succeeds in_task next true
  says 'the ledger of task killed is not sealed, since its process died'
  succeeds in_task after true
  says_not 'the ledger of task killed'
}

kill_the_worker() {
  sign_a_document
  local owner
  owner=$(grep -o '"owner":"[0-9a-f:]*"' "$LEDGER"/*.jsonl | cut -d : -f 5)
  kill -9 "$((16#$owner))"
  sleep 0.2
}

run_test "$@"
