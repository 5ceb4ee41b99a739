#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

export TRUST_DOMAIN=example.org

follow_page() {
  mayfly issuer show --jwks > keys.json
  in_task demo follow_inside
  run_example 'Lists that somebody keeps'
  succeeds jose jws ver -i status.jwt -k keys.json -O -
  says '"sub":"https://status.example/1"'
}

follow_inside() {
  generate_ec agent 01
  printf 'the.access-token\n' > token
  printf '{"order": 7}' > body
  run_example 'URIs are compared'
  says '^Authorization: Bearer the.access-token$'
  says '^Content-Digest: sha-256='
  local input signature digest
  input=$(sed -n 's/^Signature-Input: //p' <<< "$OUTPUT")
  signature=$(sed -n 's/^Signature: //p' <<< "$OUTPUT")
  digest=$(sed -n '/^Content-Digest: /p' <<< "$OUTPUT")
  verify --method GET --dpop dpop --access-token token
  verify --wpt wpt
  verify --method POST --signature-input "$input" --signature "$signature" --field "$digest" \
    --body body --access-token token
}

verify() {
  succeeds mayfly token verify wit --keys keys.json --no-status --issuer spiffe://example.org \
    --subject 'spiffe://example.org/task/demo/*' --url https://api.example.org/orders --seen seen "$@"
}

follow "$@"
