#!/bin/bash
# Replay: somebody outside of a task has all that it ever gave out (certificates, configurations, the
# address of its door) and tries it before, at and after the task's end.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

export TRUST_DOMAIN=agents.example

ATTEMPTS=5
API=https://api.example/invoices

# What was captured: the environment of the task and each credential. The functions that use them
# run outside of the task, as the same user.
capture() {
  use_engine
  generate_ec ec 01
  issue x509 ec certificate
  issue ssh ec ec-cert.pub --principal "$(id -un)"
  issue wit ec wit
  mayfly issuer show --jwks > issuer.json
  mayfly proof wpt --wit wit --url "$API" > proof
  write_server
  trust_issuer
  export -p > environment
  printf 'captured\n' > captured
  # Until whoever tries them has seen enough.
  local line
  read -r line < end
}

replay_to_nginx() {
  curl --silent --show-error --fail --unix-socket "$WORK/web" --cacert server.pem \
    --engine pkcs11 --key-type ENG --cert certificate \
    --key "pkcs11:token=$MAYFLY_TASK_ID;object=ec;type=private" https://localhost/
}

replay_to_sshd() {
  log_in
}

# With a proof that is made for this request.
replay_to_verifier() {
  mayfly proof wpt --wit wit --url "$API" > "new.$BASHPID"
  verify "new.$BASHPID" --no-replay-check
}

# verify PROOF OPTIONS...: as a server does that knows the issuer's key and looks at no status.
verify() {
  local proof=$1
  shift
  mayfly token verify wit --keys issuer.json --wpt "$proof" --url "$API" --no-status "$@"
}

# The same certificate with a key of the thief's own.
replay_with_another_key() {
  [[ -s thief.key ]] || openssl ecparam -name prime256v1 -genkey -noout -out thief.key
  curl --silent --show-error --fail --unix-socket "$WORK/web" --cacert server.pem \
    --cert certificate --key thief.key https://localhost/
}

# replay WHAT: one attempt, with the captured environment; prints when it began and ended, in
# nanoseconds since 1970.
replay() (
  source ./environment
  begin=$(date +%s%N)
  "replay_to_$1" > "last.$1" 2>&1 || exit 1
  printf '%s %s\n' "$begin" "$(date +%s%N)"
)

# Runs the task and, outside, replays to $1 until it was accepted $ATTEMPTS times; then ends the
# task. Sets CLOSED to when `mayfly run` had returned, and LAST to the end of the last attempt that
# was accepted.
replay_until_the_end() {
  local accepted=0 times
  mkfifo end
  in_task demo capture &
  local run=$!
  while [[ ! -s captured ]]; do
    kill -0 "$run" 2> /dev/null || fail 'the task did not start'
    sleep 0.05
  done
  # With the task open, the very same attempts succeed: else they would prove nothing after it.
  while ((accepted < ATTEMPTS)); do
    times=$(replay "$1") || fail "refused while the task is open: $(< "last.$1")"
    ((++accepted))
  done
  # One goes on without a pause while the task ends.
  : > accepted
  (while times=$(replay "$1"); do printf '%s\n' "$times" >> accepted; done) &
  local replayer=$!
  while [[ ! -s accepted ]]; do sleep 0.01; done
  printf 'end\n' > end
  wait "$run"
  CLOSED=$(date +%s%N)
  wait "$replayer"
  read -r BEGUN LAST < <(tail --lines 1 accepted)
}

# No attempt that was begun after the end was accepted, and none is now.
expect_refusal_from_the_end_on() {
  printf '%s: from the end of mayfly run to the last acceptance: %d ms\n' "$1" \
    $(((LAST - CLOSED) / 1000000))
  ((BEGUN < CLOSED)) || fail "$1: an attempt that was begun after the end was accepted"
  local i
  for ((i = 0; i < ATTEMPTS; ++i)); do
    if replay "$1"; then fail "$1: accepted after the end"; fi
  done
}

test_nginx() {
  start_web_server
  replay_until_the_end nginx
  expect_refusal_from_the_end_on nginx
  # It is the key that is missing: the certificate itself has not expired.
  succeeds openssl verify -purpose sslclient -CAfile issuer.pem certificate
  refused 'key|SSL' replay_with_another_key
}

test_sshd() {
  replay_until_the_end sshd
  expect_refusal_from_the_end_on sshd
  succeeds ssh-keygen -L -f ec-cert.pub
}

test_tokens() {
  replay_until_the_end verifier
  expect_refusal_from_the_end_on verifier
  # A proof that was made in time holds for as long as it says, 60 s at most, where a server looks
  # at no status, and once where it remembers what it has seen.
  succeeds verify proof --no-replay-check
  succeeds verify proof --seen seen
  refused '\(proof, replayed\)' verify proof --seen seen
  refused '\(proof, expired\)' verify proof --no-replay-check --at "$(($(date +%s) + 61))"
}

# A verifier that fetches the status for each request accepts nothing from the moment on at which
# `mayfly close` returns, not even with a proof that was made before.
test_live_status() {
  serve_with_status
  eval "$(mayfly open --task demo)"
  generate_ec ec 01
  issue wit ec wit
  mayfly issuer show --jwks > issuer.json
  mayfly proof wpt --wit wit --url "$API" > proof
  STATUS=http://$(sed -n 's/.*serving HTTP at //p' broker.log)/status.jwt
  export STATUS
  export -p > environment
  succeeds replay live_verifier
  : > accepted
  (while times=$(replay live_verifier); do printf '%s\n' "$times" >> accepted; done) &
  local replayer=$!
  while [[ ! -s accepted ]]; do sleep 0.01; done
  succeeds mayfly close --task demo
  CLOSED=$(date +%s%N)
  wait "$replayer"
  read -r BEGUN LAST < <(tail --lines 1 accepted)
  grep --quiet '(credential, revoked)' last.live_verifier ||
    fail "refused for another reason: $(< last.live_verifier)"
  expect_refusal_from_the_end_on live_verifier
  # Without the look at the status, the same proof would still be accepted.
  succeeds verify proof --no-replay-check
  stop_broker
}

replay_to_live_verifier() {
  curl --silent --show-error --fail --output "status.$BASHPID" "$STATUS"
  mayfly token verify wit --keys issuer.json --wpt proof --url "$API" --no-replay-check \
    --status "status.$BASHPID"
}

# `mayfly serve` with a status list, which ends with the test. The issuer's key is on its own token.
serve_with_status() {
  mkdir --mode=0755 status
  sed --in-place \
    -e "/^\[registry\]\$/a file = \"$WORK/registry.db\"" \
    -e "/^\[serve\]\$/a socket = \"$WORK/control\"" \
    -e "/^\[log\]\$/a level = \"info\"\\nfile = \"$WORK/broker.log\"" \
    -e "/^\[status\]\$/a folder = \"$WORK/status\"\\nuri = \"https://status.example/1\"\\nlisten = \"127.0.0.1:0\"" \
    "$MAYFLY_CONF"
  "$MAYFLY_COMMAND" serve &
  printf '%s\n' "$!" > broker.pid
  while ! grep --quiet --no-messages 'serving tasks' broker.log; do
    kill -0 "$(< broker.pid)" 2> /dev/null || fail 'the broker does not start'
    sleep 0.05
  done
}

# After the deadline, which nobody waits out here, the certificates are refused for their dates as
# well, with whatever key.
test_dates() {
  in_task demo issue_for_a_moment
  local end
  end=$(date --date "$(openssl x509 -in certificate -noout -enddate | cut -d = -f 2)" +%s)
  refused 'expired' openssl verify -attime "$((end + 1))" -CAfile issuer.pem certificate
  succeeds openssl verify -attime "$((end - 1))" -CAfile issuer.pem certificate
}

issue_for_a_moment() {
  generate_ec ec 01
  issue x509 ec certificate
  mayfly issuer show --certificate > issuer.pem
}

# Without the safeguard: a certificate of the same issuer for a key that can be copied. The same
# attempt after the task succeeds, so the refusals above are the hardware key's.
test_software_key_is_accepted() {
  start_web_server
  openssl ecparam -name prime256v1 -genkey -noout -out stolen.key
  openssl req -new -key stolen.key -subj /CN=demo -out request
  MAYFLY_PKCS11_MODULE=$(device_module) use_engine
  succeeds env SOFTHSM2_CONF="$DEVICE/softhsm2.conf" openssl x509 \
    -req -in request -days 1 -CA issuer.pem -engine pkcs11 -CAkeyform engine -CAcreateserial \
    -CAkey "pkcs11:token=issuer;object=issuer;type=private;pin-source=$DEVICE/issuer-pin" \
    -out stolen.crt
  unset OPENSSL_CONF
  succeeds curl --silent --show-error --fail --unix-socket "$WORK/web" --cacert server.pem \
    --cert stolen.crt --key stolen.key https://localhost/
  says '^hello .*CN=demo'
}

# What a server must not do: a session that was begun with the task's key and is resumed later asks
# for no key.
test_resumed_sessions() {
  local kind
  for kind in 'ssl_session_tickets on;' 'ssl_session_tickets off; ssl_session_cache off;'; do
    start_web_server "$kind"
    in_task demo keep_a_session
    if [[ $kind == *'tickets on'* ]]; then
      succeeds resume
      says '^hello'
    else
      refused . resume
    fi
    stop_web_server
  done
}

keep_a_session() {
  use_engine
  rm --force certificate session
  generate_ec ec 01
  issue x509 ec certificate
  printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -unix "$WORK/web" -CAfile server.pem \
    -ign_eof -engine pkcs11 -keyform engine -tls1_2 -sess_out session -cert certificate \
    -key "pkcs11:token=$MAYFLY_TASK_ID;object=ec;type=private" > answer 2> session.log
  grep --quiet '^hello' answer || fail "no session: $(< answer)"
}

resume() {
  if [[ ! -s session ]]; then
    printf 'there is no session\n'
    return 1
  fi
  printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -unix "$WORK/web" -CAfile server.pem -quiet \
    -ign_eof -tls1_2 -sess_in session > answer 2> resume.log
  cat answer resume.log
  grep --quiet '^hello' answer
}

run_test "$@"
