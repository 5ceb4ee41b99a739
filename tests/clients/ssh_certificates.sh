#!/bin/bash
# OpenSSH user certificates of tasks, with a server that knows the issuer only.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

export TRUST_DOMAIN=agents.example

test_ssh_keygen_reads_them() {
  in_task demo read_certificates
}

read_certificates() {
  generate_ec ec 01
  generate_ec p384 02 secp384r1
  generate_rsa rsa 03
  local label
  for label in ec p384 rsa; do
    issue ssh "$label" "$label-cert.pub" --principal deploy --principal backup \
      --extension permit-pty --force-command 'uptime -p' --source-address 10.0.0.0/8
    succeeds ssh-keygen -L -f "$label-cert.pub"
    says "Type: (ecdsa-sha2-nistp(256|384)|ssh-rsa)-cert-v01@openssh.com user certificate"
    says 'Key ID: "demo \([0-9a-f]{16}\)"'
    says_times 1 '^ +deploy$'
    says_times 1 '^ +backup$'
    says 'force-command uptime -p$'
    says 'source-address 10.0.0.0/8$'
    says_times 1 '^ +permit-'
    # The key is the task's, and the serial number its token's.
    says "Public key: .*$(ssh-keygen -l -f <(ssh-keygen -i -m PKCS8 -f "$label.pem") |
      cut --delimiter ' ' --fields 2 | sed 's/[+/]/[&]/g')"
    local serial
    serial=$(sed --quiet 's/.*Key ID: "demo (\([0-9a-f]*\))"/\1/p' <<< "$OUTPUT")
    says "Serial: $(printf '%u' "0x$serial")$"
  done
  refused 'which user' mayfly credential issue --type ssh --key ec
  refused 'no extension' mayfly credential issue --type ssh --key ec --principal a --extension x
}

test_end_with_the_deadline() {
  succeeds mayfly run --task demo --ttl 2m -- "$BASH" "$TEST_SCRIPT" --inside issue_until_deadline
}

issue_until_deadline() {
  generate_ec ec 01
  issue ssh ec certificate --principal deploy
  local end
  end=$(date --date "$(ssh-keygen -L -f certificate | sed --quiet 's/.*Valid: from .* to //p')" +%s)
  ((end <= $(date +%s) + 120)) || fail "valid until $end, after the deadline"
  ((end >= $(date +%s) + 100)) || fail "valid until $end, long before the deadline"
}

test_log_in() {
  in_task demo log_in_with_certificates
}

log_in_with_certificates() {
  generate_ec ec 01
  write_server
  trust_issuer
  issue ssh ec ec-cert.pub --principal "$(id -un)"
  succeeds log_in
  says '^inside$'
  grep --quiet 'Accepted certificate ID "demo (' sshd.log || fail 'the log does not name the task'
  # Another user's, or one that runs another command.
  rm ec-cert.pub
  issue ssh ec ec-cert.pub --principal nobody-else
  refused 'Permission denied' log_in
  rm ec-cert.pub
  issue ssh ec ec-cert.pub --principal "$(id -un)" --force-command 'echo forced'
  succeeds log_in
  says '^forced$'
}

test_of_another_issuer_are_refused() {
  in_task demo log_in_at_a_stranger
}

log_in_at_a_stranger() {
  generate_ec ec 01
  write_server
  ssh-keygen -q -t ed25519 -N '' -f other_issuer
  cp other_issuer.pub issuer.pub
  trust_issuer_file
  issue ssh ec ec-cert.pub --principal "$(id -un)"
  refused 'Permission denied' log_in
}

test_can_not_log_in_after_the_task() {
  in_task demo log_in_and_leave_the_certificate
  succeeds ssh-keygen -L -f ec-cert.pub
  # All that there was: certificate, configuration, the path of the module.
  refused 'Permission denied' log_in
}

log_in_and_leave_the_certificate() {
  generate_ec ec 01
  write_server
  trust_issuer
  issue ssh ec ec-cert.pub --principal "$(id -un)"
  succeeds log_in
}

run_test "$@"
