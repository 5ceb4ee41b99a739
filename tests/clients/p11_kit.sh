#!/bin/bash
# p11-kit's list of modules, and its proxy, with mayfly's module file.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/p11-kit.md

test_page_examples() {
  ln --symbolic "$(realpath -- "$(dirname -- "$TEST_SCRIPT")/../../hsm-config")" hsm-config
  # p11-kit has no folder of its own for root, who is somebody else in a namespace of its own.
  local -a as_user=()
  if ((EUID == 0)); then as_user=(unshare --user --map-user=1000); fi
  in_task demo "${as_user[@]}" "$BASH" "$TEST_SCRIPT" --inside follow_page
  refused 'No slot|not found|No token' "${as_user[@]}" \
    pkcs11-tool --module "$(< proxy)" --token-label demo --list-objects
  succeeds "${as_user[@]}" p11tool --list-tokens
  says_not 'manufacturer=mayfly'
}

follow_page() {
  make_message file
  run_example '# p11-kit'
  run_example 'Inside of a task'
  says '^mayfly: p11-kit-client\.so$'
  says 'token: demo$'
  says 'URL: .*token=demo;object=mayfly%20task;type=data$'
  run_example 'and by the proxy'
  succeeds openssl pkey -pubin -inform DER -in agent.der -out agent.pem
  succeeds openssl dgst -sha256 -verify agent.pem -signature file.signature file
  expect_whole_page
  printf '%s' "$proxy" > proxy
  printf x >> file
  refused 'Verification failure' \
    openssl dgst -sha256 -verify agent.pem -signature file.signature file
  succeeds ssh-keygen -D "$proxy"
  says '^ecdsa-sha2-nistp256 .* agent$'
}

run_test "$@"
