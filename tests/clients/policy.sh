#!/bin/bash
# A task under a policy, as pkcs11-tool meets it: what is left out is refused, and the last signature
# ends the task.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

write_policy() {
  cat >> "$DEVICE/mayfly.toml" << END
[policy.ci]
mechanisms = ["CKM_ECDSA"]
keys = ["EC P-256", "RSA 2048"]
max-keys = 1
max-signatures = 2
END
}

test_is_kept() {
  write_policy
  RUN_POLICY=ci in_task demo use_all_there_is
  says_nothing_is_left
}

says_nothing_is_left() {
  succeeds list_device
  says_not 'Private Key'
}

use_all_there_is() {
  succeeds pkcs11_tool --list-mechanisms
  says '^  ECDSA,'
  says_not 'RSA|ECDSA-SHA'
  refused 'CKR_CURVE_NOT_SUPPORTED|0x140' \
    pkcs11_tool --keypairgen --key-type EC:secp384r1 --label other --id 02
  succeeds pkcs11_tool --keypairgen --key-type EC:prime256v1 --label agent --id 01
  refused 'CKR_DEVICE_MEMORY' \
    pkcs11_tool --keypairgen --key-type EC:prime256v1 --label second --id 02
  succeeds pkcs11_tool --read-object --type pubkey --id 01 --output-file agent.pem
  make_message message
  openssl dgst -sha256 -binary message > digest
  refused 'CKR_MECHANISM_INVALID' \
    pkcs11_tool --sign --mechanism ECDSA-SHA256 --id 01 --input-file message --output-file none
  sign_digest first
  succeeds verify_digest first
  # The token is gone when it comes back, so pkcs11-tool has no session to close and says so.
  refused 'C_CloseSession.*CKR_SESSION_HANDLE_INVALID' sign_digest last
  succeeds verify_digest last
  refused 'o slot|CKR_' \
    pkcs11_tool --sign --mechanism ECDSA --id 01 --input-file digest --output-file none
  [[ ! -s none ]] || fail "a signature was made beyond the last"
}

sign_digest() {
  pkcs11_tool --sign --mechanism ECDSA --signature-format openssl --id 01 --input-file digest \
    --output-file "$1"
}

verify_digest() {
  openssl pkeyutl -verify -pubin -inkey agent.pem -in digest -sigfile "$1"
}

test_is_explained() {
  write_policy
  succeeds "$MAYFLY_COMMAND" policy explain --config "$DEVICE/mayfly.toml" --policy ci
  says '^mechanisms +CKM_ECDSA  \(\[policy\.ci\]\)$'
  says '^keys +EC P-256, RSA 2048  \(\[policy\.ci\]\)$'
  says '^max-keys +1  \(\[policy\.ci\]\)$'
  says '^max-rate +no limit  \(default\)$'
  says '^max-ttl .*\(task\.max-ttl\)$'
  says '^openers +anybody  \(default\)$'
  succeeds "$MAYFLY_COMMAND" policy explain --config "$DEVICE/mayfly.toml" --json
  says '"policy": null'
  says '"name": "max-signatures"'
}

test_names_must_be_known() {
  write_policy
  refused 'there are: ci' "$MAYFLY_COMMAND" run --task demo --policy cd -- true
  refused 'there are: ci' "$MAYFLY_COMMAND" policy explain --policy cd
}

test_keeps_others_out() {
  printf '[policy.others]\nusers = [%s]\n[policy.mine]\nusers = [%s]\n' "$((UID + 1))" "$UID" \
    >> "$DEVICE/mayfly.toml"
  refused 'may not open tasks' "$MAYFLY_COMMAND" run --task demo --policy others -- true
  succeeds "$MAYFLY_COMMAND" run --task demo --policy mine -- true
}

run_test "$@"
