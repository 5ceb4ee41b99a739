#!/bin/bash
# X.509 certificates of tasks: openssl, TLS servers and clients, curl and nginx.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

export TRUST_DOMAIN=agents.example

# The private key, or the certificate, of that label on the task's token.
uri() {
  printf 'pkcs11:token=%s;object=%s;type=%s' "$MAYFLY_TASK_ID" "$1" "$2"
}

# Asks the web server for a page with the task's key: get CERTIFICATE OPTIONS...
get() {
  local certificate=$1
  shift
  curl --silent --show-error --fail --unix-socket "$WORK/web" --cacert server.pem \
    --engine pkcs11 --key-type ENG --key "$(uri ec private)" --cert "$certificate" "$@" \
    https://localhost/
}

test_issuer_is_shown() {
  succeeds mayfly issuer show --certificate
  printf '%s\n' "$OUTPUT" > issuer.pem
  succeeds openssl verify -x509_strict -check_ss_sig -CAfile issuer.pem issuer.pem
  succeeds openssl x509 -in issuer.pem -noout -ext basicConstraints,keyUsage,subjectAltName
  says 'CA:TRUE, pathlen:0'
  says 'URI:spiffe://agents.example$'
  succeeds mayfly issuer show --ssh
  says '^ecdsa-sha2-nistp256 [A-Za-z0-9+/=]+ agents.example$'
  succeeds mayfly issuer show --json
  says '"trust_domain": "agents.example"'
  refused 'is there already' mayfly issuer init
}

test_issuer_is_made_on_a_token_that_is_there() {
  # As an enterprise has it: its own token, made with the vendor's tool.
  export SOFTHSM2_CONF=$DEVICE/softhsm2.conf
  succeeds softhsm2-util --init-token --free --label ca --pin 123456 --so-pin 12345678
  (umask 077 && printf 123456 > "$DEVICE/ca-pin")
  sed --in-place '/^\[issuer\]/,/^\[limits\]/{/^trust-domain\|^token\|^pin-source\|^certificate/d}' \
    "$MAYFLY_CONF"
  sed --in-place 's/^\[issuer\]$/[issuer]\ntrust-domain = "ops.example"\ntoken = "pkcs11:token=ca"\
pin-source = "file:ca-pin"\nkey = "my ca, 50%"\ncertificate = "ca.pem"/' "$MAYFLY_CONF"
  refused 'run: mayfly issuer init' mayfly issuer show
  succeeds mayfly issuer init --kind 'EC P-384' --valid-for 90d
  says '^Made a key'
  says 'ops.example'
  succeeds openssl verify -x509_strict -check_ss_sig -CAfile "$DEVICE/ca.pem" "$DEVICE/ca.pem"
  # The key stays; a new certificate can be made for it.
  mv "$DEVICE/ca.pem" old.pem
  succeeds mayfly issuer init
  says '^Took the key that was there'
  cmp <(openssl x509 -in old.pem -noout -pubkey) <(openssl x509 -in "$DEVICE/ca.pem" -noout -pubkey)
  succeeds pkcs11-tool --module "$(device_module)" --token-label ca --login --pin 123456 \
    --list-objects --type privkey
  says 'my ca, 50%'
  says 'Access: +sensitive, always sensitive, never extractable, local$'
}

test_issuer_on_the_device_is_refused() {
  sed --in-place 's/^token = "pkcs11:token=issuer"/token = "pkcs11:model=SoftHSM%20v2;token=mayfly"/;
    s/^pin-source = .*issuer-pin"/pin-source = "file:pin"/' "$MAYFLY_CONF"
  rm "$DEVICE/issuer.pem"
  refused 'where the broker itself could sign' mayfly issuer init
}

# Lists what is on the issuer's token, for who has its PIN.
list_issuer() {
  ISSUER_PIN=$(< "$DEVICE/issuer-pin") SOFTHSM2_CONF=$DEVICE/softhsm2.conf \
    pkcs11-tool --module "$(device_module)" --token-label issuer --login --pin env:ISSUER_PIN \
    --list-objects --type privkey
}

test_task_can_not_reach_the_issuer() {
  succeeds list_issuer
  sed --quiet 's/^ *ID: *//p' <<< "$OUTPUT" > issuer-id
  [[ -s issuer-id ]] || fail "there is no issuer: $OUTPUT"
  in_task demo look_for_the_issuer
}

# Every way that a task has to find, name, read or use the issuer's key.
look_for_the_issuer() {
  generate_ec ec 01
  succeeds pkcs11_tool --list-objects
  says_not 'issuer'
  says_times 1 'Private Key Object'
  succeeds pkcs11_tool --list-token-slots
  says_times 1 'token label'
  says_not 'issuer'
  make_message message
  refused 'Private key not found' pkcs11_tool --sign --mechanism ECDSA --id "$(< issuer-id)" \
    --input-file message --output-file x
  refused 'object not found' pkcs11_tool --read-object --type pubkey --id "$(< issuer-id)"
  use_engine
  refused 'not found|Could not read|unable to load' \
    openssl dgst -engine pkcs11 -keyform engine -sha256 -out x \
    -sign 'pkcs11:token=issuer;object=issuer;type=private' message
  # The device's own PIN, which the broker has, opens another token.
  succeeds list_device
  says_not 'issuer'
}

test_openssl_verifies() {
  in_task 'demo 1' verify_with_openssl
}

verify_with_openssl() {
  use_engine
  mayfly issuer show --certificate > issuer.pem
  generate_ec ec 01
  generate_ec p384 02 secp384r1
  generate_rsa rsa 03
  local label
  for label in ec p384 rsa; do
    issue x509 "$label" "$label.crt"
    succeeds openssl verify -x509_strict -purpose sslclient -CAfile issuer.pem "$label.crt"
    refused 'unsupported|unsuitable|purpose' \
      openssl verify -purpose sslserver -CAfile issuer.pem "$label.crt"
    openssl x509 -in "$label.crt" -noout -pubkey > public
    cmp "$label.pem" public || fail "the certificate is not for the key $label"
  done
  succeeds openssl x509 -in ec.crt -noout -text
  says 'CN = demo 1, serialNumber = [0-9a-f]{16}$'
  says 'URI:spiffe://agents.example/task/demo_201/[0-9a-f]{16}$'
  says 'CA:FALSE'
  says 'X509v3 Key Usage: critical'
  issue x509 ec both.crt --server
  succeeds openssl verify -purpose sslserver -CAfile issuer.pem both.crt
  refused 'is there already' mayfly credential issue --type x509 --key ec --out both.crt
  refused 'say which key is meant' mayfly credential issue --type x509
  refused 'no key of the task' mayfly credential issue --type x509 --key other
}

# end_of FILE: until when a certificate is valid, in seconds since 1970.
end_of() {
  date --date "$(openssl x509 -in "$1" -noout -enddate | cut --delimiter = --fields 2)" +%s
}

test_ends_with_the_deadline() {
  date +%s > opened
  succeeds mayfly run --task demo --ttl 2m -- "$BASH" "$TEST_SCRIPT" --inside issue_until_deadline
  says '^[0-9]+$'
}

issue_until_deadline() {
  generate_ec ec 01
  issue x509 ec certificate
  local opened end
  opened=$(< opened)
  end=$(end_of certificate)
  # The deadline is 120 s after some moment since `opened`; the last second counts as a whole.
  ((end + 1 <= $(date +%s) + 120)) || fail "valid until $end, after the deadline"
  ((end >= opened + 115)) || fail "valid until $end, long before the deadline"
  issue x509 ec short --valid-for 10s
  (($(end_of short) <= $(date +%s) + 10)) || fail 'valid for longer than was asked for'
  printf '%s\n' "$end"
}

test_is_cut_at_max_life() {
  sed --in-place 's/^#max-life = "1h"$/max-life = "20s"/' "$MAYFLY_CONF"
  in_task demo issue_for_max_life
}

issue_for_max_life() {
  generate_ec ec 01
  issue x509 ec certificate --valid-for 1h
  (($(end_of certificate) <= $(date +%s) + 20)) || fail 'valid for longer than issuer.max-life'
}

test_tls_clients_find_it_on_the_token() {
  in_task demo find_on_the_token
}

find_on_the_token() {
  use_engine
  generate_ec ec 01
  issue x509 ec certificate
  succeeds pkcs11_tool --list-objects --type cert
  says_times 1 'Certificate Object'
  says 'ID: *01$'
  succeeds pkcs11_tool --read-object --type cert --id 01 --output-file read.der
  cmp read.der <(openssl x509 -in certificate -outform DER) || fail 'another certificate'
  # A newer one takes its place.
  issue x509 ec newer
  succeeds pkcs11_tool --list-objects --type cert
  says_times 1 'Certificate Object'
  succeeds pkcs11_tool --read-object --type cert --id 01 --output-file read.der
  cmp read.der <(openssl x509 -in newer -outform DER) || fail 'the older certificate is still there'
}

test_openssl_shakes_hands() {
  in_task demo shake_hands
}

shake_hands() {
  use_engine
  generate_ec ec 01
  issue x509 ec certificate
  mayfly issuer show --certificate > issuer.pem
  start_tls_server issuer.pem
  succeeds get_by_s_client -engine pkcs11 -keyform engine -key "$(uri ec private)" -cert certificate
  says 'Verified: *YES|Verify return code: 0 .ok.'
  says 'serialNumber=[0-9a-f]{16}|serialNumber = [0-9a-f]{16}'
  # The server does insist on it.
  get_by_s_client > answer 2>&1 || true
  if grep --quiet 'HTTP/1.0 200' answer; then fail 'the server takes clients without a certificate'; fi
}

get_by_s_client() {
  printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -unix "$WORK/tls" -CAfile server.pem \
    -verify_return_error -ign_eof -quiet "$@"
}

test_curl_logs_in_to_nginx() {
  start_web_server
  in_task demo log_in_to_nginx
}

log_in_to_nginx() {
  use_engine
  generate_ec ec 01
  issue x509 ec certificate
  succeeds get certificate
  says '^hello .*CN=demo'
  # Both from the token.
  succeeds get "$(uri ec cert)" --cert-type ENG
  says '^hello .*CN=demo'
  # The server does insist on it.
  refused '400' curl --silent --show-error --fail --unix-socket "$WORK/web" --cacert server.pem \
    https://localhost/
}

test_nginx_refuses_after_the_task() {
  start_web_server
  in_task demo log_in_and_keep_the_command
  succeeds openssl verify -purpose sslclient -CAfile issuer.pem certificate
  refused 'unable to set private key|crypto engine|failed' bash ./as_before
}

log_in_and_keep_the_command() {
  use_engine
  generate_ec ec 01
  issue x509 ec certificate
  {
    export -p
    declare -f uri get
    printf 'get certificate\n'
  } > as_before
  succeeds bash ./as_before
  says '^hello'
}

test_request_is_signed_by_the_task() {
  in_task demo request_a_certificate
}

request_a_certificate() {
  use_engine
  generate_ec ec 01
  succeeds mayfly credential request --key ec
  printf '%s\n' "$OUTPUT" > request
  succeeds openssl req -verify -noout -text -in request
  says 'URI:spiffe://agents.example/task/demo/[0-9a-f]{16}$'
  openssl req -in request -noout -pubkey > public
  cmp ec.pem public || fail 'the request is of another key'
}

test_is_refused_outside_and_after_the_task() {
  refused 'say which task' mayfly credential issue --type x509
  refused 'no task "demo"' mayfly credential issue --type x509 --task demo
  in_task demo keep_the_door
  refused 'can.t be reached|no task|hung up|socket' \
    env MAYFLY_SOCKET="$(< door)" "$MAYFLY_COMMAND" credential issue --type x509
}

keep_the_door() {
  generate_ec ec 01
  # By the task's name, as from outside.
  succeeds env --unset=MAYFLY_SOCKET "$MAYFLY_COMMAND" credential issue --type x509 --task demo
  says 'BEGIN CERTIFICATE'
  printf '%s' "$MAYFLY_SOCKET" > door
}

test_leaves_a_trace() {
  sed --in-place "s|^\[log\]\$|[log]\nfile = \"$WORK/log\"|" "$MAYFLY_CONF"
  in_task demo leave_traces
  grep --extended-regexp --quiet \
    'issued X.509 certificate [0-9a-f]{40} to task "demo" \(serial [0-9a-f]{16}\), key [0-9a-f]{64}, until' \
    log || fail 'the log lacks the certificate'
  grep --quiet 'no x509 credential for task .*no key of the task has that label' log ||
    fail 'the log lacks the refusal'
}

leave_traces() {
  generate_ec ec 01
  issue x509 ec certificate
  refused 'no key of the task' mayfly credential issue --type x509 --key other
}

# The task ends while the issuer signs: the command that brings the issuer's PIN ends it.
test_task_that_ends_meanwhile_gets_nothing() {
  cat > pin << END
#!/bin/sh
echo end > $WORK/end
while [ ! -e $WORK/over ]; do sleep 0.02; done
cat $DEVICE/issuer-pin
END
  chmod 0700 pin
  sed --in-place "s|^pin-source = \"file:.*issuer-pin\"|pin-source = \"command:$WORK/pin\"|" \
    "$MAYFLY_CONF"
  mkfifo end
  (in_task demo wait_for_the_end && : > over) &
  while [[ ! -e begun ]]; do sleep 0.05; done
  # Of SSH, since one of X.509 could not be put on the token either.
  refused 'the task is over' mayfly credential issue --type ssh --principal deploy --task demo \
    --out certificate
  wait
  [[ ! -e certificate ]] || fail 'a certificate was given out after the end'
}

wait_for_the_end() {
  generate_ec ec 01
  : > begun
  local line
  read -r line < end
}

test_last_signature_is_no_certificate() {
  sed --in-place 's/^#max-signatures = .*/max-signatures = 1/' "$MAYFLY_CONF"
  in_task demo ask_with_the_last_signature
}

ask_with_the_last_signature() {
  generate_ec ec 01
  refused 'the task is over' mayfly credential issue --type x509 --out certificate
  [[ ! -e certificate ]] || fail 'a task that is over got a certificate'
}

test_evidence_is_asked_for() {
  if [[ -z $TPM ]]; then
    sed --in-place "s|^#attestation-key = .*|attestation-key = \"key.json\"|" "$MAYFLY_CONF"
    in_task demo be_refused 'gives no evidence'
    return
  fi
  in_task demo issue_on_evidence
  # Another key than the TPM's own.
  openssl ecparam -name prime256v1 -genkey -noout | openssl pkey -pubout \
    -out "$DEVICE/attestation-key.json"
  in_task demo be_refused 'evidence does not hold: trust'
}

issue_on_evidence() {
  generate_ec ec 01
  issue x509 ec certificate
  mayfly issuer show --certificate > issuer.pem
  succeeds openssl verify -purpose sslclient -CAfile issuer.pem certificate
}

be_refused() {
  generate_ec ec 01
  refused "$1" mayfly credential issue --type x509 --out refused.crt
  [[ ! -e refused.crt ]] || fail 'a certificate was given out'
}

run_test "$@"
