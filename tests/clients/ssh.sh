#!/bin/bash
# OpenSSH: ssh-keygen, ssh-add and ssh-agent.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/openssh.md

# Starts an agent that may load the module. It prints nothing.
start_agent() {
  eval "$(ssh-agent -a "$WORK/agent" -P "$(realpath -- "$MAYFLY_PKCS11_MODULE")")" > agent.log
}

# ssh-add asks for a PIN even where the token needs none; it gets an empty one.
add_token() {
  ssh-add -s "$MAYFLY_PKCS11_MODULE" < /dev/null
}

test_keygen_lists_keys() {
  in_task demo list_keys
}

list_keys() {
  generate_ec ec 01
  generate_rsa rsa 02
  succeeds ssh-keygen -D "$MAYFLY_PKCS11_MODULE"
  says '^ecdsa-sha2-nistp256 .* ec$'
  says '^ssh-rsa .* rsa$'
  ssh-keygen -i -m PKCS8 -f ec.pem > ec.pub
  says "^$(cut -d' ' -f2 ec.pub | sed 's/^/ecdsa-sha2-nistp256 /' | sed 's/[+/]/[&]/g') "
}

test_agent_signs() {
  in_task demo agent_signs
}

agent_signs() {
  make_message message
  generate_ec ec 01
  generate_ec p384 02 secp384r1
  generate_rsa rsa 03
  start_agent
  succeeds add_token
  succeeds ssh-add -L
  says_times 3 '^(ecdsa-sha2|ssh-rsa)'
  ssh-add -L > keys
  local line
  while IFS= read -r line; do
    printf '%s\n' "$line" > key.pub
    printf 'demo %s\n' "$line" > allowed
    rm --force message.sig
    succeeds ssh-keygen -Y sign -n file -f key.pub message
    succeeds verify message
    refused 'verification failed|incorrect signature' verify allowed
  done < keys
  ssh-agent -k > agent.log
}

# verify FILE: whether message.sig is its signature
verify() {
  ssh-keygen -Y verify -n file -f allowed -I demo -s message.sig < "$1"
}

test_page_examples() {
  in_task demo follow_page
}

follow_page() {
  make_message file
  run_example '## A key'
  write_server
  cp agent.pub authorized
  run_example '## Logging in'
  says '^inside$'
  openssl ecparam -name prime256v1 -genkey | openssl pkey -pubout -out other.pem
  ssh-keygen -i -m PKCS8 -f other.pem > authorized
  refused 'Permission denied' log_in
  run_example '## An agent'
  says_times 1 '^ecdsa-sha2-nistp256 '
  printf 'demo %s\n' "$(< agent.pub)" > allowed
  cp file.sig message.sig
  succeeds verify file
  expect_whole_page
}

test_can_not_log_in_after_the_task() {
  in_task demo enroll
  MAYFLY_PKCS11_MODULE=$(< module) write_server
  refused 'Permission denied' log_in
}

enroll() {
  generate_ec ec 01
  ssh-keygen -i -m PKCS8 -f ec.pem > authorized
  printf '%s' "$MAYFLY_PKCS11_MODULE" > module
}

test_agent_ends_with_the_task() {
  in_task demo leave_agent_running
  refused 'Error connecting to agent|Connection refused|No such file' \
    env SSH_AUTH_SOCK="$WORK/agent" ssh-add -L
}

leave_agent_running() {
  generate_ec ec 01
  start_agent
  succeeds add_token
  succeeds ssh-add -L
  says '^ecdsa-sha2-nistp256'
}

test_finds_nothing_outside_the_task() {
  in_task demo look_from_outside
}

look_from_outside() {
  generate_ec ec 01
  refused 'no slots|cannot read public key|failed' \
    outside ssh-keygen -D "$MAYFLY_PKCS11_MODULE"
}

run_test "$@"
