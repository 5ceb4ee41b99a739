#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

export MAYFLY_TEST_DEVICE=tpm

follow_page() {
  NONCE=$(openssl rand -hex 16)
  export NONCE
  run_example 'On the TPM'
  in_task invoice-4711 follow_inside
  run_example 'The verifier, who has'
  says '^task +invoice-4711'
  refused 'nonce' mayfly attest verify evidence.json --nonce "${NONCE//[0-7]/8}" --key attestation-key.json
}

follow_inside() {
  generate_ec agent 01
  run_example 'Whenever evidence'
  succeeds mayfly attest verify evidence.json --nonce "$NONCE" --key attestation-key.json
  run_example 'Inside of the task'
}

follow "$@"
