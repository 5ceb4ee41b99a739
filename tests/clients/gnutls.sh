#!/bin/bash
# GnuTLS: p11tool, certtool and gnutls-cli.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/gnutls.md

p11() {
  p11tool --provider="$MAYFLY_PKCS11_MODULE" --batch "$@" < /dev/null
}

token() {
  printf 'pkcs11:token=%s' "$MAYFLY_TASK_ID"
}

# key LABEL TYPE
key() {
  printf 'pkcs11:token=%s;object=%s;type=%s' "$MAYFLY_TASK_ID" "$1" "$2"
}

make_keys() {
  succeeds p11 --generate-privkey=ecdsa --curve=secp256r1 --label=p256 --id=01 --outfile=p256.pem \
    "$(token)"
  succeeds p11 --generate-privkey=rsa --bits=2048 --label=rsa --id=02 --outfile=rsa.pem "$(token)"
  # --login is what people give by habit.
  succeeds p11 --login --generate-privkey=ecdsa --curve=secp384r1 --label=p384 --id=03 \
    --outfile=p384.pem "$(token)"
}

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  run_example '# GnuTLS'
  says 'URL: pkcs11:model=task%20token;manufacturer=mayfly;serial=[0-9a-f]{16};token=demo$'
  says_not 'Requires login'
  says 'CKM_ECDSA keysize range \(256, 521\) sign verify'
  run_example '## Keys'
  says 'Type: Private key \(EC/ECDSA-SECP256R1\)'
  says 'Type: Private key \(RSA-2048\)'
  says 'Verifying against public key in the token\.\.\. ok'
  run_example '## A certificate'
  expect_certificate agent
  start_tls_server agent.crt -accept 127.0.0.1:0
  run_example '## TLS'
  says 'HTTP/1.0 200'
  says 'Subject: CN=agent'
  # The server does insist on it.
  refused 'Certificate is required' ask_without_certificate
  expect_whole_page
  # The same with RSA.
  succeeds certtool --provider="$MAYFLY_PKCS11_MODULE" --generate-self-signed \
    --load-privkey "$(key rsa private)" --load-pubkey "$(key rsa public)" \
    --template template --outfile rsa.crt
  succeeds p11 --write --load-certificate rsa.crt --label=rsa "$(token)"
  expect_certificate rsa
}

ask_without_certificate() {
  printf 'GET / HTTP/1.0\r\n\r\n' |
    gnutls-cli --x509cafile server.pem --port "$PORT" localhost
}

# expect_certificate LABEL: the certificate is good and lies on the token.
expect_certificate() {
  succeeds openssl verify -check_ss_sig -CAfile "$1.crt" "$1.crt"
  openssl x509 -in "$1.crt" -noout -pubkey > public
  cmp "$1.pem" public || fail "the certificate is not for the key $1"
  succeeds p11 --export "$(key "$1" cert)"
  says 'BEGIN CERTIFICATE'
}

test_generates_and_lists_keys() {
  in_task demo list_keys
}

list_keys() {
  make_keys
  succeeds p11 --list-all "$(token)"
  says 'Type: Private key \(EC/ECDSA-SECP256R1\)'
  says 'Type: Private key \(EC/ECDSA-SECP384R1\)'
  says 'Type: Private key \(RSA-2048\)'
  says_times 3 'Flags: CKA_PRIVATE; CKA_NEVER_EXTRACTABLE; CKA_SENSITIVE;'
  says_times 3 'Type: Public key'
}

test_signs() {
  in_task demo sign
}

sign() {
  make_keys
  local label
  for label in p256 p384 rsa; do
    succeeds p11 --test-sign "$(key "$label" private)"
    says 'Verifying against public key in the token\.\.\. ok'
  done
  succeeds p11 --test-sign --sign-params=rsa-pss "$(key rsa private)"
  says 'RSA-PSS-SHA256\.\.\. ok'
}

test_gives_no_private_key() {
  in_task demo try_to_move_keys
}

try_to_move_keys() {
  make_keys
  refused 'Error in pkcs11_export' p11 --export "$(key p256 private)"
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out own.pem
  refused 'PKCS #11 error' p11 --write --load-privkey own.pem --label=own "$(token)"
  succeeds p11 --list-privkeys "$(token)"
  says_times 3 'Type: Private key'
}

test_deletes_keys() {
  in_task demo delete_key
}

delete_key() {
  make_keys
  succeeds p11 --delete "$(key p256 private)"
  says '1 objects? deleted'
  refused 'Cannot import private key' p11 --test-sign "$(key p256 private)"
}

test_finds_nothing_outside_the_task() {
  in_task demo look_from_outside
}

look_from_outside() {
  make_keys
  succeeds outside p11tool --provider="$MAYFLY_PKCS11_MODULE" --batch --list-tokens
  says_not 'demo'
  refused 'Cannot import private key' \
    outside p11tool --provider="$MAYFLY_PKCS11_MODULE" --batch --test-sign "$(key p256 private)"
  in_task other look_from_other "$(key p256 private)"
}

look_from_other() {
  refused 'Cannot import private key' p11 --test-sign "$1"
  succeeds p11 --list-all "$(token)"
  says_not 'key'
}

test_works_in_process() {
  in_process demo make_key_in_process
}

# Each call is a task of its own: a key ends with the process that made it.
make_key_in_process() {
  MAYFLY_TASK_ID=$MAYFLY_TASK
  make_keys
  local label
  for label in p256 p384 rsa; do
    succeeds openssl pkey -pubin -in "$label.pem" -noout
  done
  succeeds p11 --list-all "$(token)"
  says_not 'key'
}

run_test "$@"
