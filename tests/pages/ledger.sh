#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

follow_page() {
  export LEDGER=$WORK/ledger
  install -d -m 700 "$LEDGER"
  example_of toml '# The ledger' | sed "s|\"/var/lib/mayfly/ledger\"|\"$LEDGER\"|" | configure
  in_task invoice-4711 sign_a_document
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

sign_a_document() {
  make_message document
  generate_ec agent 01
  openssl dgst -sha256 -binary document > digest
  succeeds pkcs11_tool --sign --mechanism ECDSA --id 01 --input-file digest --output-file signature
}

follow "$@"
