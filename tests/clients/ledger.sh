#!/bin/bash
# The commands of docs/ledger.md, as they stand there, on the ledger of a task that a client used.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/ledger.md

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

test_answers_questions() {
  keep_a_ledger
  run_example '<!-- test: verify -->'
  says '^verdict +sealed$'
  run_example '<!-- test: show -->'
  says '^task +invoice-4711$'
  says 'signed with [0-9a-f]{16}, CKM_ECDSA'
  says '"cause": "closed"'
  grep --quiet '<svg ' audit.html || fail 'the page has no timeline'
  run_example '<!-- test: find -->'
  says 'signed with'
  run_example '<!-- test: key -->'
  says '^verdict +sealed$'
  says_not 'against nothing but itself'
  run_example '<!-- test: chain -->'
  says '^whole$'
}

test_is_covered_and_exported() {
  keep_a_ledger
  run_example '<!-- test: checkpoint -->'
  says '^covers +1 records of example.org/mayfly/host1$'
  run_example '<!-- test: export -->'
  [[ $(wc -l < messages) == $(cat "$LEDGER"/*.jsonl | wc -l) ]] || fail "messages: $(cat messages)"
  grep --quiet '^<110>1 .* mayfly [0-9]* signature \[mayfly@32473 task="invoice-4711" ' messages ||
    fail "messages: $(cat messages)"
  rm "$LEDGER"/*.jsonl
  refused 'was taken away' mayfly audit verify --folder "$LEDGER" --checkpoint kept \
    --checkpoint-key checkpoints.pem
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
