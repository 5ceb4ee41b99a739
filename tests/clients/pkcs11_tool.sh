#!/bin/bash
# OpenSC's pkcs11-tool. Each call is a process of its own, so that keys pass from one client to the
# next within a task.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/pkcs11-tool.md

test_shows_the_task_as_a_token() {
  in_task 'invoice 4711' expect_token 'invoice 4711'
  # The label has room for 32 bytes and is cut at a whole character.
  in_task 'aaaaaaaaaabbbbbbbbbbccccccccccdé' expect_token 'aaaaaaaaaabbbbbbbbbbccccccccccd'
}

expect_token() {
  succeeds pkcs11_tool --list-slots
  says "token label +: $1\$"
  says 'token flags +: .*token initialized'
  says_not 'login required'
  says_times 1 'token label'
}

test_lists_only_mechanisms_that_work() {
  in_task demo list_mechanisms
}

list_mechanisms() {
  succeeds pkcs11_tool --list-mechanisms
  local mechanism
  for mechanism in ECDSA-KEY-PAIR-GEN RSA-PKCS-KEY-PAIR-GEN ECDSA RSA-PKCS SHA256-RSA-PKCS \
    RSA-PKCS-PSS SHA256; do
    says "^ +$mechanism,"
  done
  says_not 'decrypt|wrap|derive'
}

test_generates_and_lists_keys() {
  in_task demo generate_and_list
}

generate_and_list() {
  generate_ec p256 01 prime256v1
  generate_ec p384 02 secp384r1
  generate_ec p521 03 secp521r1
  generate_rsa rsa2048 04 2048
  generate_rsa rsa3072 05 3072
  succeeds pkcs11_tool --list-objects
  says_times 5 'Private Key Object'
  says_times 5 'Public Key Object'
  says_times 5 'Usage: +sign$'
  says_times 5 'Access: +sensitive, always sensitive, never extractable, local$'
}

test_signs_with_ecdsa() {
  in_task demo sign_with_ecdsa
}

sign_with_ecdsa() {
  make_message message
  local curve hash
  for curve in prime256v1:sha256 secp384r1:sha384 secp521r1:sha512; do
    hash=${curve#*:}
    curve=${curve%:*}
    generate_ec "$curve" 01 "$curve"
    openssl dgst "-$hash" -binary -out digest message
    succeeds pkcs11_tool --sign --mechanism ECDSA --id 01 --signature-format openssl \
      --input-file digest --output-file signature
    succeeds openssl dgst "-$hash" -verify "$curve.pem" -signature signature message
    delete_pair 01
  done
}

delete_pair() {
  succeeds pkcs11_tool --delete-object --type privkey --id "$1"
  succeeds pkcs11_tool --delete-object --type pubkey --id "$1"
}

test_signs_with_rsa() {
  in_task demo sign_with_rsa
}

sign_with_rsa() {
  make_message message
  generate_rsa key 01
  local hash
  for hash in sha256 sha384 sha512; do
    succeeds pkcs11_tool --sign --mechanism "${hash^^}-RSA-PKCS" --id 01 --input-file message \
      --output-file signature
    succeeds openssl dgst "-$hash" -verify key.pem -signature signature message
    openssl dgst "-$hash" -binary -out digest message
    succeeds pkcs11_tool --sign --mechanism RSA-PKCS-PSS --hash-algorithm "${hash^^}" --id 01 \
      --input-file digest --output-file signature
    succeeds openssl dgst "-$hash" -verify key.pem -signature signature \
      -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest message
  done
}

test_verifies() {
  in_task demo verify_both
}

verify_both() {
  make_message message
  make_message other
  openssl dgst -sha256 -binary -out digest message
  openssl dgst -sha256 -binary -out other_digest other
  generate_ec ec 01
  generate_rsa rsa 02
  succeeds pkcs11_tool --sign --mechanism ECDSA --id 01 --input-file digest --output-file ec.sig
  succeeds verify ECDSA 01 digest ec.sig
  says 'Signature is valid'
  succeeds verify ECDSA 01 other_digest ec.sig
  says 'Invalid signature'
  succeeds pkcs11_tool --sign --mechanism SHA256-RSA-PKCS --id 02 --input-file message \
    --output-file rsa.sig
  succeeds verify SHA256-RSA-PKCS 02 message rsa.sig
  says 'Signature is valid'
  succeeds verify SHA256-RSA-PKCS 02 other rsa.sig
  says 'Invalid signature'
}

# verify MECHANISM ID INPUT SIGNATURE
verify() {
  pkcs11_tool --verify --mechanism "$1" --id "$2" --input-file "$3" --signature-file "$4"
}

test_passes_its_own_test() {
  in_task demo run_own_test
}

test_passes_its_own_test_in_process() {
  in_process demo make_key_and_run_own_test
}

make_key_and_run_own_test() {
  succeeds pkcs11_tool --keypairgen --key-type rsa:2048 --id 01 --test --allow-sw
  says ' SHA256-RSA-PKCS: OK'
  says ' RSA-PKCS: OK'
  says '^No errors'
}

run_own_test() {
  generate_rsa key 01
  succeeds pkcs11_tool --test --allow-sw
  says ' SHA256-RSA-PKCS: OK'
  says ' RSA-PKCS: OK'
  if [[ $CLIENT_DOOR == own ]]; then
    says '^No errors'
    return
  fi
  # p11-kit can't carry zero random bytes, whatever the module behind it.
  says_times 1 'ERR: C_GenerateRandom\(buf1,0\) failed'
  says '^1 errors'
}

test_gives_keys_to_the_task_only() {
  in_task first share_keys
}

share_keys() {
  generate_ec mine 01
  printf 'a digest of thirty-two bytes....' > digest
  succeeds sign_digest
  refused 'No slots|not found|not recognized' outside pkcs11-tool --module "$MAYFLY_PKCS11_MODULE" \
    --sign --mechanism ECDSA --id 01 --input-file digest --output-file stolen
  expect_empty_device
  # Another task on the same device, while this one is open.
  in_task second expect_no_key_of_first
  succeeds sign_digest
}

sign_digest() {
  pkcs11_tool --sign --mechanism ECDSA --id 01 --input-file digest --output-file signature
}

expect_no_key_of_first() {
  refused 'Private key not found' sign_digest
  succeeds pkcs11_tool --list-objects
  says_not 'Key Object'
  generate_ec other 01
  cmp --silent mine.pem other.pem && fail 'two tasks have one key'
  succeeds sign_digest
}

test_keeps_no_key_after_the_task() {
  in_task demo generate_ec key 01
  printf 'a digest of thirty-two bytes....' > digest
  expect_empty_device
  # The same task ID again is a new task.
  in_task demo expect_no_key
}

expect_no_key() {
  refused 'Private key not found' sign_digest
}

test_is_refused_imports() {
  in_task demo try_imports
}

try_imports() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER -out key.der
  refused 'C_CreateObject failed: rv = CKR_ATTRIBUTE_VALUE_INVALID' \
    pkcs11_tool --write-object key.der --type privkey --id 01
  openssl genpkey -algorithm RSA -outform DER -out rsa.der 2> /dev/null
  refused 'C_CreateObject failed: rv = CKR_ATTRIBUTE_VALUE_INVALID' \
    pkcs11_tool --write-object rsa.der --type privkey --id 01
  openssl rand -out secret 32
  refused 'C_CreateObject failed: rv = CKR_ATTRIBUTE_VALUE_INVALID' \
    pkcs11_tool --write-object secret --type secrkey --key-type AES:32 --id 01
  succeeds pkcs11_tool --list-objects
  says_not 'Key Object'
}

test_is_refused_exports() {
  in_task demo try_exports
}

try_exports() {
  generate_ec ec 01
  generate_rsa rsa 02
  local id
  for id in 01 02; do
    # pkcs11-tool itself knows no way to read a private key, and ends with status 0.
    succeeds pkcs11_tool --read-object --type privkey --id "$id" --output-file leaked
    says 'reading private keys not \(yet\) supported'
    [[ ! -s leaked ]] || fail 'a private key was read'
  done
  refused 'CKR_ATTRIBUTE_VALUE_INVALID' \
    pkcs11_tool --keypairgen --key-type EC:prime256v1 --id 03 --extractable
  refused 'CKR_MECHANISM_INVALID|CKR_FUNCTION_NOT_SUPPORTED' \
    pkcs11_tool --derive --mechanism ECDH1-DERIVE --id 01 --input-file ec.der --output-file leaked
  refused 'CKR_FUNCTION_NOT_SUPPORTED' \
    pkcs11_tool --decrypt --mechanism RSA-PKCS --id 02 --input-file ec.der --output-file leaked
  [[ ! -s leaked ]] || fail 'a secret was derived or decrypted'
  succeeds pkcs11_tool --list-objects
  says_times 2 'Private Key Object'
}

test_is_refused_administration() {
  in_task demo try_administration
}

try_administration() {
  refused 'CKR_FUNCTION_NOT_SUPPORTED' pkcs11_tool --init-token --label new --so-pin 12345678
  refused 'CKR_USER_TYPE_INVALID' pkcs11_tool --login --login-type so --so-pin 12345678 \
    --init-pin --new-pin 12345678
  refused 'CKR_FUNCTION_NOT_SUPPORTED' \
    pkcs11_tool --login --pin 12345678 --change-pin --new-pin 12345679
}

test_changes_names() {
  in_task demo change_names
}

change_names() {
  generate_ec key 01
  succeeds pkcs11_tool --set-id 77 --id 01 --type privkey
  succeeds pkcs11_tool --list-objects --type privkey
  says 'ID: +77$'
  printf 'a digest of thirty-two bytes....' > digest
  refused 'Private key not found' sign_digest
}

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  make_message file
  run_example '# pkcs11-tool'
  says 'token label +: demo$'
  run_example '## Keys'
  succeeds pkcs11_tool --list-objects
  says_times 2 '^Private Key Object'
  local name
  for name in agent rsa; do
    succeeds openssl pkey -pubin -inform DER -in "$name.der" -out "$name.pem"
  done
  run_example '## Signatures'
  says 'Signature is valid'
  succeeds openssl dgst -sha256 -verify agent.pem -signature file.ecdsa file
  succeeds openssl dgst -sha256 -verify rsa.pem -signature file.rsa file
  run_example '## The end'
  succeeds pkcs11_tool --list-objects
  says_times 2 'label: +agent$'
  says_not 'rsa'
  delete_pair 01
  succeeds pkcs11_tool --list-objects
  says_not 'Key Object'
  local only='## What only the task'
  if [[ $CLIENT_DOOR == own ]]; then
    run_example "$only"
    succeeds openssl pkeyutl -verify -rawin -pubin -inkey ed25519.pem -in file \
      -sigfile file.ed25519
    expect_whole_page
  else
    extract_example "$only"
    refused 'CKR_MECHANISM_INVALID|mechanism' "$BASH" -e "$WORK/example.$$"
  fi
}

run_test "$@"
