#!/bin/bash
# Tasks below a task: a key for each tool call, by `mayfly run` inside `mayfly run`.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

# below ID COMMAND...: as in_task, in the task that this is called in.
below() {
  in_task "$@"
}

test_has_a_token_of_its_own() {
  in_task agent use_both_tokens
  expect_empty_device
}

use_both_tokens() {
  generate_ec agents 01
  make_message message
  openssl dgst -sha256 -binary message > digest
  succeeds below tool use_own_token
  succeeds openssl pkeyutl -verify -pubin -inkey tools.pem -in digest -sigfile tools.sig
  succeeds pkcs11_tool --list-objects
  says 'label: *agents'
  says_not 'label: *tools'
  succeeds pkcs11_tool --sign --mechanism ECDSA --id 01 --input-file digest --output-file again
}

use_own_token() {
  [[ $MAYFLY_TASK_ID == tool ]] || fail "the task is $MAYFLY_TASK_ID"
  succeeds pkcs11_tool --list-token-slots
  says_times 1 'token label'
  says 'token label *: tool'
  succeeds pkcs11_tool --list-objects
  says_not 'agents'
  generate_ec tools 01
  succeeds pkcs11_tool --sign --mechanism ECDSA --signature-format openssl --id 01 \
    --input-file digest --output-file tools.sig
}

test_ends_with_the_one_above() {
  succeeds in_task agent leave_a_tool_behind
  [[ -s tool-is-ready ]] || fail 'the tool did not begin'
  expect_empty_device
  if pgrep --full "sleep 7654321" > /dev/null; then fail 'the tool still runs'; fi
}

leave_a_tool_behind() {
  below tool generate_and_stay &
  while [[ ! -s tool-is-ready ]]; do sleep 0.02; done
}

generate_and_stay() {
  generate_ec tools 01
  echo yes > tool-is-ready
  exec sleep 7654321
}

test_ends_with_its_killed_command() {
  in_task agent kill_the_tool
}

kill_the_tool() {
  below tool generate_and_stay &
  local tool=$!
  while [[ ! -s tool-is-ready ]]; do sleep 0.02; done
  # The guardian and the supervisor of the inner run.
  pkill --signal KILL --full --parent "$tool" . || true
  kill -KILL "$tool" 2> /dev/null || true  # it may have gone with the guardian
  wait "$tool" || true
  # The ID is free again once the worker has noticed.
  local tries
  for ((tries = 0; tries < 500; ++tries)); do
    if in_task tool true 2> /dev/null; then break; fi
    sleep 0.02
  done
  generate_ec agents 02
}

test_is_never_wider() {
  cat >> "$DEVICE/mayfly.toml" << END
[policy.ci]
max-signatures = 2
max-keys = 3
children = 1
[policy.alone]
children = 0
END
  RUN_POLICY=ci in_task agent stay_within
  RUN_POLICY=alone in_task loner have_no_tools
}

stay_within() {
  make_message message
  openssl dgst -sha256 -binary message > digest
  unset RUN_POLICY
  refused 'longer than task agent' "$MAYFLY_COMMAND" run --task tool --ttl 1h -- true
  succeeds below tool sign_once_and_nest
  succeeds below tool sign_once_and_nest
  # The second signature was the last of all.
  refused '[Nn]o slot|C_Initialize failed' pkcs11_tool --list-objects --slot-index 0
}

sign_once_and_nest() {
  refused 'no tasks may be opened below' "$MAYFLY_COMMAND" run --task deeper -- true
  generate_ec tools 01
  pkcs11_tool --sign --mechanism ECDSA --id 01 --input-file digest --output-file signature || true
  [[ -s signature ]] || fail 'there is no signature'
  rm signature
}

have_no_tools() {
  refused 'no tasks may be opened below' "$MAYFLY_COMMAND" run --task tool -- true
}

test_is_its_own_where_a_configuration_is_named() {
  in_task agent start_another
}

start_another() {
  succeeds "$MAYFLY_COMMAND" run --config "$MAYFLY_CONF" --ttl 1h --task another -- true
}

run_test "$@"
