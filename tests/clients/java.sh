#!/bin/bash
# Java's SunPKCS11 provider: keytool, jarsigner, and programs that use the standard classes.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/java.md

write_provider_configuration() {
  run_example '## Set up'
}

# What keytool and jarsigner need to use the token. They want a PIN, whatever the token wants.
readonly store=(-keystore NONE -storetype PKCS11 -storepass unused
  -providerClass sun.security.pkcs11.SunPKCS11 -providerArg mayfly.cfg)

# generate NAME ARGUMENTS...: makes a key pair and a certificate for it on the token.
generate() {
  local name=$1
  shift
  keytool -genkeypair "${store[@]}" -providerName SunPKCS11-mayfly -alias "$name" \
    -dname "CN=$name" -validity 1 "$@"
}

make_keys() {
  write_provider_configuration
  succeeds generate ec -keyalg EC -groupname secp256r1
  succeeds generate rsa -keyalg RSA -keysize 2048
}

test_keytool_makes_keys() {
  in_task demo make_and_list_keys
}

make_and_list_keys() {
  make_keys
  succeeds keytool -list "${store[@]}"
  says '^ec, PrivateKeyEntry'
  says '^rsa, PrivateKeyEntry'
  local name
  for name in ec rsa; do
    succeeds keytool -exportcert "${store[@]}" -alias "$name" -rfc -file certificate
    succeeds openssl verify -check_ss_sig -CAfile certificate certificate
    succeeds keytool -certreq "${store[@]}" -alias "$name" -file request
    succeeds openssl req -verify -noout -in request
  done
}

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  make_message message
  jar --create --file file.jar message
  run_example '## Set up'
  run_example '## Keys'
  expect_signed_jar agent
  succeeds openssl verify -check_ss_sig -CAfile agent.crt agent.crt
  start_tls_server agent.crt -accept 127.0.0.1:0
  run_example '## TLS'
  says 'Subject: CN=agent'
  expect_whole_page
  # The same with RSA.
  jar --create --file file.jar message
  succeeds generate rsa -keyalg RSA -keysize 2048
  succeeds jarsigner "${store[@]}" file.jar rsa
  expect_signed_jar rsa
}

# expect_signed_jar NAME: file.jar is signed with that key, and does not hold with other content.
expect_signed_jar() {
  succeeds jarsigner -verify -strict "${store[@]}" file.jar "$1"
  says '^jar verified\.$'
  make_message message
  jar --update --file file.jar message
  refused 'digest error' jarsigner -verify file.jar
}

test_is_refused_software_keys() {
  in_task demo try_to_store_software_key
}

# Without -providerName, keytool makes an RSA key in software and then wants to store it.
try_to_store_software_key() {
  write_provider_configuration
  refused 'CKR_ATTRIBUTE_VALUE_INVALID' keytool -genkeypair "${store[@]}" -alias soft \
    -dname CN=soft -keyalg RSA -keysize 2048
  succeeds keytool -list "${store[@]}"
  says 'contains 0 entries'
}

test_keeps_no_key_after_the_task() {
  in_task demo make_keys
  refused 'Initialization failed' \
    keytool -list "${store[@]}"
  in_task demo expect_no_key
}

expect_no_key() {
  write_provider_configuration
  succeeds keytool -list "${store[@]}"
  says 'contains 0 entries'
}

test_deletes_keys() {
  in_task demo delete_key
}

delete_key() {
  make_keys
  succeeds keytool -delete "${store[@]}" -alias ec
  succeeds keytool -list "${store[@]}"
  says 'contains 1 entry'
  succeeds pkcs11_tool --list-objects --type privkey
  says_times 1 'Private Key Object'
}

test_program_signs() {
  in_task demo run_program
}

test_program_signs_in_process() {
  in_process demo run_program
}

run_program() {
  write_provider_configuration
  succeeds java "$(dirname -- "$TEST_SCRIPT")/SignOnToken.java" mayfly.cfg
  says '^SHA256withECDSA ok$'
  says '^SHA256withRSA ok$'
}

test_keytool_works_in_process() {
  in_process demo make_keys_in_process
}

# Each keytool is a task of its own: it makes its key and certificate, and with it they end.
make_keys_in_process() {
  make_keys
  expect_no_key
}

run_test "$@"
