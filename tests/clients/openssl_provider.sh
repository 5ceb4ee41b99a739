#!/bin/bash
# OpenSSL 3 with pkcs11-provider.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/openssl-provider.md

test_page_examples() {
  in_task demo follow_page
  # The same with all that the page's commands had left.
  refused 'Could not (read|find|open)' env OPENSSL_CONF="$WORK/openssl.cnf" \
    openssl dgst -sha256 -sign agent.key -out forged file
}

# verify KEY SIGNATURE OPTIONS...: with an OpenSSL that knows no token.
verify() {
  local key=$1 signature=$2
  shift 2
  succeeds env --unset=OPENSSL_CONF openssl dgst -sha256 -verify "$key" -signature "$signature" "$@" file
  printf x | cat file - > other
  refused 'Verification failure' env --unset=OPENSSL_CONF \
    openssl dgst -sha256 -verify "$key" -signature "$signature" "$@" other
}

follow_page() {
  make_message file
  run_example '## Set up'
  run_example '## Keys'
  grep --quiet 'BEGIN PKCS#11 PROVIDER URI' agent.key || fail "agent.key is: $(< agent.key)"
  run_example '## Signatures'
  verify agent.pem file.signature
  verify agent.pem file.by-name
  verify rsa.pem file.rsa
  run_example '## Certificates'
  succeeds openssl verify -check_ss_sig -CAfile agent.crt agent.crt
  start_tls_server agent.crt -accept 127.0.0.1:0
  run_example '## TLS'
  says 'HTTP/1.0 200'
  says 'Subject: CN=agent'
  local only='## What only the task'
  if [[ $CLIENT_DOOR == own ]]; then
    run_example "$only"
    verify rsa.pem file.pss -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest
    succeeds env --unset=OPENSSL_CONF openssl pkeyutl -verify -rawin -pubin -inkey ed25519.pem \
      -in file -sigfile file.ed25519
    expect_whole_page
  else
    extract_example "$only"
    refused 'Error generating ED25519' "$BASH" -e "$WORK/example.$$"
    refused 'Failure in sigver fallback' openssl dgst -sha256 -sigopt rsa_padding_mode:pss \
      -sigopt rsa_pss_saltlen:digest -sign rsa.key -out file.pss file
  fi
}

test_gives_no_private_key() {
  in_task demo try_to_export
}

try_to_export() {
  run_example '## Set up'
  run_example '## Keys'
  local name
  for name in agent rsa; do
    openssl pkey -in "pkcs11:token=$MAYFLY_TASK_ID;object=$name;type=private" -out leaked \
      > export.log 2>&1 || true
    if [[ -s leaked ]] && grep --quiet --invert-match 'PROVIDER URI' <(grep BEGIN leaked); then
      fail "the provider wrote: $(< leaked)"
    fi
    refused 'Could not|unable|error|Error' \
      env --unset=OPENSSL_CONF openssl pkey -in "$name.key" -noout
  done
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -propquery provider=default \
    -out own.key
  succeeds pkcs11_tool --list-objects --type privkey
  says_times 2 'Access: +sensitive, always sensitive, never extractable, local$'
}

run_test "$@"
