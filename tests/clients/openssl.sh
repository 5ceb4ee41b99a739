#!/bin/bash
# OpenSSL 3 with the pkcs11 engine (libp11).
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/openssl-engine.md

private_key() {
  printf 'pkcs11:token=%s;object=%s;type=private' "$MAYFLY_TASK_ID" "$1"
}

# OpenSSL with the private key of that label: with_key COMMAND OPTION LABEL ARGUMENTS...
with_key() {
  local command=$1 option=$2 label=$3
  shift 3
  openssl "$command" -engine pkcs11 -keyform engine "$option" "$(private_key "$label")" "$@"
}

# sign LABEL ARGUMENTS...: writes the signature of `message`.
sign() {
  local label=$1
  shift
  with_key dgst -sign "$label" -sha256 -out signature "$@" message
}

# make_keys: one EC key, one RSA key, and a message.
make_keys() {
  use_engine
  make_message message
  generate_ec ec 01
  generate_rsa rsa 02
}

test_dgst_signs() {
  in_task demo dgst_sign
}

dgst_sign() {
  make_keys
  local label
  for label in ec rsa; do
    succeeds sign "$label"
    succeeds openssl dgst -sha256 -verify "$label.pem" -signature signature message
    make_message other
    refused 'Verification failure' \
      openssl dgst -sha256 -verify "$label.pem" -signature signature other
  done
}

test_dgst_signs_with_pss() {
  in_task demo dgst_sign_pss
}

dgst_sign_pss() {
  make_keys
  local pss=(-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest)
  succeeds sign rsa "${pss[@]}"
  succeeds openssl dgst -sha256 -verify rsa.pem "${pss[@]}" -signature signature message
  # It must not have fallen back to PKCS#1 v1.5.
  refused 'Verification failure' openssl dgst -sha256 -verify rsa.pem -signature signature message
}

test_pkeyutl_signs() {
  in_task demo pkeyutl_sign
}

pkeyutl_sign() {
  make_keys
  openssl dgst -sha256 -binary -out digest message
  local label
  for label in ec rsa; do
    succeeds with_key pkeyutl -inkey "$label" -sign -in digest -out signature \
      -pkeyopt digest:sha256
    succeeds openssl pkeyutl -verify -pubin -inkey "$label.pem" -in digest -sigfile signature \
      -pkeyopt digest:sha256
  done
}

test_reads_public_keys() {
  in_task demo read_public_keys
}

read_public_keys() {
  make_keys
  local label
  for label in ec rsa; do
    succeeds openssl pkey -engine pkcs11 -inform engine -pubin -pubout -out "$label.read" \
      -in "pkcs11:token=$MAYFLY_TASK_ID;object=$label;type=public"
    cmp "$label.pem" "$label.read" || fail "two clients read different public keys of $label"
  done
}

test_req_makes_certificates() {
  in_task demo make_certificates
}

make_certificates() {
  make_keys
  local label
  for label in ec rsa; do
    succeeds with_key req -key "$label" -new -subj /CN=demo -out request
    succeeds openssl req -verify -noout -in request
    succeeds with_key req -key "$label" -new -x509 -subj /CN=demo -days 1 -out certificate
    succeeds openssl verify -check_ss_sig -CAfile certificate certificate
    openssl x509 -in certificate -noout -pubkey > public
    cmp "$label.pem" public || fail "the certificate is not for the key $label"
  done
}

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  make_message file
  run_example '## Set up'
  run_example '## A key'
  run_example '## Signatures'
  export_public_key rsa 02 rsa
  succeeds openssl dgst -sha256 -verify agent.pem -signature file.signature file
  succeeds openssl dgst -sha256 -verify rsa.pem -sigopt rsa_padding_mode:pss \
    -sigopt rsa_pss_saltlen:digest -signature file.rsa-pss file
  run_example '## Certificates,'
  succeeds openssl req -verify -noout -in agent.csr
  succeeds openssl verify -check_ss_sig -CAfile agent.crt agent.crt
  succeeds openssl cms -verify -CAfile agent.crt -purpose any -in file.signed -out verified
  cmp <(tr --delete '\r' < verified) file || fail 'the signed message is another one'
  start_tls_server agent.crt -accept 127.0.0.1:0
  run_example '## TLS'
  says 'HTTP/1.0 200'
  says 'Subject: CN=agent'
  expect_whole_page
}

test_is_refused_after_the_task() {
  in_task demo sign_and_keep_the_command
  # The same command, with all that it had: the same configuration, address and key URI.
  refused 'Failed to enumerate slots|No matching|Unable to load module' bash ./as_before
  # The same task ID anew has not got the key.
  in_task demo expect_no_key
}

sign_and_keep_the_command() {
  make_keys
  succeeds sign ec
  # What `sign` ran, written down with its whole environment.
  {
    export -p
    declare -f private_key with_key sign
    printf 'sign ec\n'
  } > as_before
  succeeds bash ./as_before
}

expect_no_key() {
  use_engine
  refused 'private key was not found' sign ec
}

test_leaks_no_private_key() {
  in_task demo try_to_export
}

try_to_export() {
  make_keys
  succeeds sign ec
  local label
  for label in ec rsa; do
    # libp11 writes an EC key whose private value is none, and fails for RSA.
    openssl pkey -engine pkcs11 -inform engine -in "$(private_key "$label")" -out leaked \
      > export.log 2>&1 || true
    [[ -s leaked ]] || continue
    if openssl dgst -sha256 -sign leaked -out forged message > forge.log 2>&1; then
      refused 'Verification failure|Error' \
        openssl dgst -sha256 -verify "$label.pem" -signature forged message
    fi
  done
}

run_test "$@"
