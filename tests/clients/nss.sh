#!/bin/bash
# NSS: modutil and certutil.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

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

test_modutil_adds_the_module() {
  in_task demo add_module
}

add_module() {
  make_database
  succeeds modutil -dbdir sql:database -list mayfly
  says 'Library file: .*/(p11-kit-client|libmayfly)\.so'
  says 'Token Name: demo *$'
  says 'Token Manufacturer: mayfly *$'
}

test_certutil_makes_certificates() {
  in_task demo make_certificates
}

make_certificates() {
  make_database
  make_certificate ec 1 -k ec -q nistp256
  make_certificate rsa 2 -k rsa -g 2048
  succeeds certutil -L -d sql:database -h demo
  says '^demo:ec +u,u,u'
  says '^demo:rsa +u,u,u'
  succeeds certutil -K -d sql:database -h demo
  says '^< ?[0-9]+> ec +[0-9a-f]{40} +demo:ec$'
  says '^< ?[0-9]+> rsa +[0-9a-f]{40} +demo:rsa$'
  local name
  for name in ec rsa; do
    succeeds certutil -L -d sql:database -n "demo:$name" -a -o "$name.pem"
    succeeds openssl verify -check_ss_sig -CAfile "$name.pem" "$name.pem"
  done
  # The keys are on the token and nowhere else.
  succeeds pkcs11_tool --list-objects
  says_times 2 'Private Key Object'
  refused 'no keys found' certutil -K -d sql:database -h 'NSS Certificate DB'
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
