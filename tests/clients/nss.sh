#!/bin/bash
# NSS: modutil, certutil and tstclnt.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/nss.md

# Makes a database without a password, with the module added to it.
make_database() {
  mkdir database
  head --bytes=64 /dev/urandom > noise
  succeeds certutil -N -d sql:database --empty-password
  succeeds modutil -force -dbdir sql:database -add mayfly -libfile "$MAYFLY_PKCS11_MODULE"
}

# make_certificate NAME SERIAL KEY…: a key on the task's token, and a certificate signed by itself.
make_certificate() {
  local name=$1 serial=$2
  shift 2
  succeeds certutil -S -d sql:database -h "$MAYFLY_TASK_ID" -n "$name" -s "CN=$name" -x -t u,u,u \
    -m "$serial" -z noise "$@"
}

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  run_example '## Set up'
  says 'Library file: .*/(p11-kit-client|libmayfly)\.so'
  says 'Token Name: demo *$'
  says 'Token Manufacturer: mayfly *$'
  run_example '## Keys'
  says '^< ?[0-9]+> ec +[0-9a-f]{40} +demo:agent$'
  says '^< ?[0-9]+> rsa +[0-9a-f]{40} +demo:rsa$'
  succeeds certutil -L -d sql:database -h demo
  says '^demo:agent +u,u,u'
  says '^demo:rsa +u,u,u'
  succeeds certutil -L -d sql:database -n demo:rsa -a -o rsa.crt
  local name
  for name in agent rsa; do
    succeeds openssl verify -check_ss_sig -CAfile "$name.crt" "$name.crt"
  done
  # The keys are on the token and nowhere else.
  succeeds pkcs11_tool --list-objects
  says_times 2 'Private Key Object'
  refused 'no keys found' certutil -K -d sql:database -h 'NSS Certificate DB'
  start_tls_server agent.crt -accept 127.0.0.1:0
  run_example '## TLS'
  says 'HTTP/1.0 200'
  says 'Subject: CN=agent'
  expect_whole_page
  # The server does insist on it. This database knows no token.
  mkdir other
  succeeds certutil -N -d sql:other --empty-password
  succeeds certutil -A -d sql:other -n server -t P,, -a -i server.pem
  refused 'SSL_ERROR_[A-Z_]+' \
    tstclnt -d sql:other -4 -h localhost -p "$PORT" -V tls1.2:tls1.2 -A request
}

test_certutil_makes_requests() {
  in_task demo make_request
}

make_request() {
  make_database
  succeeds certutil -R -d sql:database -h "${MAYFLY_TASK_ID-$MAYFLY_TASK}" -s CN=demo -k ec -q nistp256 -z noise -a -o request
  succeeds openssl req -verify -noout -in request
}

test_gives_no_private_key() {
  in_task demo try_to_export
}

try_to_export() {
  make_database
  make_certificate ec 1 -k ec -q nistp256
  printf 'password' > password
  refused 'PKCS12 EXPORT FAILED|Unable to' \
    pk12util -o leaked -n demo:ec -d sql:database -w password
  succeeds openssl req -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=own \
    -days 1 -keyout own.key -out own.crt
  succeeds openssl pkcs12 -export -inkey own.key -in own.crt -name own -passout file:password \
    -out own.p12
  refused 'PKCS12 IMPORT FAILED|PKCS12 Import|Unable to' \
    pk12util -i own.p12 -d sql:database -h demo -w password
  succeeds pkcs11_tool --list-objects --type privkey
  says_times 1 'Private Key Object'
}

test_finds_nothing_after_the_task() {
  in_task demo leave_certificate
  in_task demo expect_no_key
}

leave_certificate() {
  make_database
  make_certificate ec 1 -k ec -q nistp256
}

expect_no_key() {
  refused 'no keys found' certutil -K -d sql:database -h demo
}

test_works_in_process() {
  in_process demo make_request
}

run_test "$@"
