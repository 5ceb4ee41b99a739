# shellcheck shell=bash
# What the tests with real clients share. Sourced by one script for each client.
#
# Such a script has one function for each test and ends with `run_test "$@"`; its first argument is
# the name of the test. ctest gives the environment:
#
#   MAYFLY_COMMAND  the mayfly command
#   MAYFLY_LIBRARY  libmayfly.so
#   MAYFLY_TEST_DEVICE  softhsm (the default), or tpm for a swtpm of the test's own
#   CLIENT_PRELOAD  what a client has to preload to be able to load MAYFLY_LIBRARY: the runtime of
#                   AddressSanitizer, or nothing
#   CLIENT_DOOR     how clients come into a task: p11kit for p11-kit-client.so, own for MAYFLY_LIBRARY
#
# Each test has a folder of its own, $WORK, which is where it runs, with a new device in it. A script
# that sets TRUST_DOMAIN gets an issuer of that trust domain as well.

set -euo pipefail
shopt -s inherit_errexit

TEST_SCRIPT=$(realpath -- "$0")
# Where the test itself prints its errors, whatever the command that fails is redirected to.
exec {test_errors}>&2
# What the last command printed that `succeeds` or `refused` ran.
OUTPUT=

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# succeeds COMMAND...: the command must succeed.
succeeds() {
  local status=0
  OUTPUT=$("$@" 2>&1) || status=$?
  if ((status != 0)); then
    fail "expected success, got status $status of: $*"$'\n'"$OUTPUT"
  fi
}

# refused PATTERN COMMAND...: the command must fail by itself, not of a signal, and say something
# that matches the extended regular expression.
refused() {
  local pattern=$1 status=0
  shift
  OUTPUT=$("$@" 2>&1) || status=$?
  if ((status == 0)); then
    fail "expected a refusal ($pattern), but this succeeded: $*"$'\n'"$OUTPUT"
  fi
  # 126 and 127: not run at all; from 129 on: ended by a signal. NSS's tools refuse with 255.
  if ((status == 126 || status == 127 || (status > 128 && status <= 192))); then
    fail "expected a refusal ($pattern), got status $status of: $*"$'\n'"$OUTPUT"
  fi
  says "$pattern"
}

# says PATTERN: what the last command printed must match the extended regular expression.
says() {
  grep --extended-regexp --quiet -- "$1" <<< "$OUTPUT" ||
    fail "expected something that matches: $1"$'\n'"seen: $OUTPUT"
}

# says_not PATTERN: nothing that the last command printed may match.
says_not() {
  if grep --extended-regexp --quiet -- "$1" <<< "$OUTPUT"; then
    fail "expected nothing that matches: $1"$'\n'"seen: $OUTPUT"
  fi
}

# says_times COUNT PATTERN: so many lines that the last command printed must match.
says_times() {
  local seen
  seen=$(grep --extended-regexp --count -- "$2" <<< "$OUTPUT") || true
  ((seen == $1)) || fail "expected $1 lines that match: $2; seen $seen"$'\n'"in: $OUTPUT"
}

# in_task ID COMMAND...: runs a command, or a function of this script, inside a task, through the
# broker, under the policy $RUN_POLICY if that is set.
in_task() {
  local id=$1
  local -a options=(--task "$id" ${RUN_POLICY:+--policy "$RUN_POLICY"})
  shift
  if declare -F "$1" > /dev/null; then set -- "$BASH" "$TEST_SCRIPT" --inside "$@"; fi
  if [[ ${CLIENT_DOOR-} == own ]]; then
    options+=(--module-only)
    set -- env LD_PRELOAD="${CLIENT_PRELOAD-}" \
      ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" "$@"
  fi
  "$MAYFLY_COMMAND" run "${options[@]}" -- "$@"
}

# in_process ID COMMAND...: the same without a broker: each process that the command makes is a task
# of its own, and loads libmayfly.so itself. What clients leak themselves is not looked at.
in_process() {
  local id=$1
  shift
  if declare -F "$1" > /dev/null; then set -- "$BASH" "$TEST_SCRIPT" --inside "$@"; fi
  env MAYFLY_TASK="$id" MAYFLY_PKCS11_MODULE="$MAYFLY_LIBRARY" \
    SOFTHSM2_CONF="$DEVICE/softhsm2.conf" LD_PRELOAD="${CLIENT_PRELOAD-}" \
    ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" "$@"
}

# outside COMMAND...: runs a command as a process meets it that is in no task, even one that could
# open the device.
outside() {
  env --unset=P11_KIT_SERVER_ADDRESS --unset=MAYFLY_SOCKET \
    SOFTHSM2_CONF="$DEVICE/softhsm2.conf" "$@"
}

# The client's pkcs11-tool, on the token of the task that it is called in.
pkcs11_tool() {
  pkcs11-tool --module "$MAYFLY_PKCS11_MODULE" "$@"
}

# Lists all that the device itself holds, logged in with its own PIN.
list_device() {
  DEVICE_PIN=$(< "$DEVICE/pin") SOFTHSM2_CONF=$DEVICE/softhsm2.conf \
    pkcs11-tool --module "$(device_module)" --token-label mayfly --login --pin env:DEVICE_PIN \
    --list-objects
}

device_module() {
  sed -n 's/^module = "\(.*\)"$/\1/p' "$DEVICE/mayfly.toml"
}

# list_tpm KIND: the handles of a kind that are in use in the TPM.
list_tpm() {
  tpm2_getcap --tcti "$TPM" "handles-$1"
}

# The device must be reachable and store no key.
expect_empty_device() {
  if [[ -n $TPM ]]; then
    succeeds list_tpm persistent
    [[ -z $OUTPUT ]] || fail "expected no key stored in the TPM, seen: $OUTPUT"
    return
  fi
  succeeds list_device
  says_not 'Key Object'
}

# generate_ec LABEL ID [CURVE]: makes a key pair and writes its public key to LABEL.pem.
generate_ec() {
  succeeds pkcs11_tool --keypairgen --key-type "EC:${3:-prime256v1}" --label "$1" --id "$2"
  export_public_key "$1" "$2" "${3:-prime256v1}"
}

# generate_rsa LABEL ID [BITS]
generate_rsa() {
  succeeds pkcs11_tool --keypairgen --key-type "rsa:${3:-2048}" --label "$1" --id "$2"
  export_public_key "$1" "$2" rsa
}

# export_public_key LABEL ID CURVE
export_public_key() {
  if [[ $3 == secp384r1 ]]; then
    write_p384_public_key "$1" "$2"
  else
    succeeds pkcs11_tool --read-object --type pubkey --id "$2" --output-file "$1.der"
  fi
  succeeds openssl pkey -pubin -inform DER -in "$1.der" -out "$1.pem"
}

# pkcs11-tool 0.23 can't read a P-384 public key, of whatever token, but it lists the point.
write_p384_public_key() {
  succeeds pkcs11_tool --list-objects --type pubkey --id "$2"
  local point header=3076301006072a8648ce3d020106052b81040022036200
  point=$(sed -n 's/^ *EC_POINT: *0461\(04[0-9a-f]*\)$/\1/p' <<< "$OUTPUT")
  # shellcheck disable=SC2001,SC2059
  printf "$(sed 's/../\\x&/g' <<< "$header$point")" > "$1.der"
}

# file.signature must be a signature of `file`, its two numbers without ASN.1, by the only key of the
# token: agent, a P-256 key that can't leave it.
expect_raw_signature() {
  export_public_key agent 01 prime256v1
  succeeds pkcs11_tool --list-objects --type privkey
  says_times 1 'Access: +sensitive, always sensitive, never extractable, local$'
  local hex
  hex=$(od --address-radix=n --format=x1 file.signature | tr --delete ' \n')
  ((${#hex} == 128)) || fail "the signature has ${#hex} digits"
  printf 'asn1=SEQUENCE:s\n[s]\nr=INTEGER:0x%s\ns=INTEGER:0x%s\n' "${hex:0:64}" "${hex:64}" > asn1
  succeeds openssl asn1parse -genconf asn1 -noout -out signature
  succeeds openssl dgst -sha256 -verify agent.pem -signature signature file
  printf x | cat file - > other
  refused 'Verification failure' openssl dgst -sha256 -verify agent.pem -signature signature other
}

# Makes OpenSSL use an engine configuration that names $MAYFLY_PKCS11_MODULE, the task's token, as the
# module: the one that the page of the engine shows.
use_engine() {
  local PAGE=docs/clients/openssl-engine.md
  run_example '## Set up'
}

# Writes a file of a few random lines, so that no signature can stem from somewhere else.
make_message() {
  openssl rand -base64 200 > "$1"
}

make_work_folder() {
  WORK=$(mktemp --directory --tmpdir mayfly-client.XXXXXX)
  trap remove_work_folder EXIT
  DEVICE=$WORK/device
  # Nothing of the person who runs this may reach a client.
  local name
  for name in $(compgen -e); do
    case $name in
      MAYFLY_COMMAND | MAYFLY_LIBRARY | MAYFLY_TEST_DEVICE) ;;
      MAYFLY_* | P11_KIT_* | SOFTHSM2_CONF | OPENSSL_CONF | GNUTLS_* | SSH_* | JAVA_* | JDK_* | XDG_*)
        unset "$name"
        ;;
    esac
  done
  mkdir --mode=0700 "$WORK/home" "$WORK/runtime" "$WORK/reports"
  # So that a sanitizer's report fails the test, whoever hears the process and whatever its status.
  export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$WORK/reports/report
  export TSAN_OPTIONS=${TSAN_OPTIONS:+$TSAN_OPTIONS:}log_path=$WORK/reports/report
  export WORK DEVICE HOME=$WORK/home XDG_RUNTIME_DIR=$WORK/runtime LC_ALL=C.UTF-8
  export MAYFLY_CONF=$DEVICE/mayfly.toml
  cd -- "$WORK"
  export TPM=
  if [[ ${MAYFLY_TEST_DEVICE-} == tpm ]]; then
    start_tpm
    succeeds "$MAYFLY_COMMAND" init --folder "$DEVICE" --device tpm --tcti "$TPM" \
      ${TRUST_DOMAIN:+--issuer "$TRUST_DOMAIN"}
  else
    succeeds "$MAYFLY_COMMAND" init --folder "$DEVICE" ${TRUST_DOMAIN:+--issuer "$TRUST_DOMAIN"}
  fi
}

# Starts a TPM in software, and returns when it can be reached.
start_tpm() {
  mkdir --mode=0700 "$WORK/tpm"
  swtpm socket --tpm2 --tpmstate "dir=$WORK/tpm" --server "type=unixio,path=$WORK/tpm/s" \
    --ctrl "type=unixio,path=$WORK/tpm/s.ctrl" --flags not-need-init,startup-clear \
    --daemon --pid "file=$WORK/tpm/pid" > /dev/null 2>&1 || fail 'swtpm does not start'
  TPM=swtpm:path=$WORK/tpm/s
  while [[ ! -s $WORK/tpm/pid ]] || ! tpm2_getcap --tcti "$TPM" properties-fixed > /dev/null 2>&1; do
    sleep 0.05
  done
}

# make_server_certificate [NAME]: a key and a certificate for localhost, or for that name, server.key and
# server.pem.
make_server_certificate() {
  succeeds env --unset=OPENSSL_CONF openssl req -new -x509 -newkey ec \
    -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=${1:-localhost}" \
    -addext "subjectAltName=DNS:${1:-localhost}" -days 1 -keyout server.key -out server.pem
}

# start_tls_server CA [OPTIONS OF OPENSSL S_SERVER]: a TLS server on the socket $WORK/tls, or with
# `-accept 127.0.0.1:0` on the free port $PORT, that takes only clients with a certificate of CA, and
# answers with a page that tells of the handshake. It ends with the task.
start_tls_server() {
  local ca=$1 line
  shift
  make_server_certificate
  (($# > 0)) || set -- -unix "$WORK/tls"
  exec {tls_server}< <(exec env --unset=OPENSSL_CONF openssl s_server "$@" -www \
    -cert server.pem -key server.key -Verify 1 -verify_return_error -CAfile "$ca" 2>&1)
  while IFS= read -r line <&"$tls_server"; do
    if [[ $line == ACCEPT* ]]; then
      export PORT=${line##*:}
      return
    fi
  done
  fail 'the TLS server did not start'
}

# Starts a web server on the socket $WORK/web that takes only clients with a certificate of the
# issuer. It ends with the test.
#   start_web_server [LINES OF ITS CONFIGURATION]
start_web_server() {
  mayfly issuer show --certificate > issuer.pem
  serve_web localhost "ssl_client_certificate $WORK/issuer.pem; ssl_verify_client on;
    ${1:-ssl_session_tickets off; ssl_session_cache off;}
    location / { return 200 \"hello \$ssl_client_s_dn\\n\"; }"
}

# serve_web NAME LINES: a web server of that name on the socket $WORK/web, with these lines of
# configuration. It ends with the test.
serve_web() {
  make_server_certificate "$1"
  mkdir "$WORK/nginx"
  cat > nginx.conf << END
pid $WORK/nginx/pid;
error_log $WORK/nginx/log info;
$( ((EUID != 0)) || printf 'user root root;')
events { }
http {
  access_log off;
  client_body_temp_path $WORK/nginx/a; proxy_temp_path $WORK/nginx/b;
  fastcgi_temp_path $WORK/nginx/c; uwsgi_temp_path $WORK/nginx/d; scgi_temp_path $WORK/nginx/e;
  server {
    listen unix:$WORK/web ssl;
    ssl_certificate $WORK/server.pem;
    ssl_certificate_key $WORK/server.key;
    $2
  }
}
END
  succeeds env --unset=OPENSSL_CONF nginx -c "$WORK/nginx.conf" -e "$WORK/nginx/log"
}

# Returns when it has ended.
stop_web_server() {
  [[ -s $WORK/nginx/pid ]] || return 0
  kill "$(< "$WORK/nginx/pid")"
  while [[ -e $WORK/nginx/pid ]]; do sleep 0.02; done
  rm -rf -- "$WORK/nginx" "$WORK/web"
}

# Ends a `mayfly serve` whose number is in broker.pid, and returns when it has ended.
stop_broker() {
  [[ -s $WORK/broker.pid ]] || return 0
  kill "$(< "$WORK/broker.pid")" 2> /dev/null || true
  while kill -0 "$(< "$WORK/broker.pid")" 2> /dev/null; do sleep 0.02; done
  rm -- "$WORK/broker.pid"
}

remove_work_folder() {
  say_which_example_failed
  stop_web_server
  stop_broker
  if [[ -s $WORK/tpm/pid ]]; then kill "$(< "$WORK/tpm/pid")"; fi
  local reports
  reports=$(find "$WORK/reports" -type f -exec cat {} + 2> /dev/null) || true
  rm -rf -- "$WORK"
  if [[ -n $reports ]]; then
    printf 'FAILED: a process of this test reports:\n%s\n' "$reports" >&"$test_errors"
    exit 1
  fi
}

# An SSH server for one connection: it runs as the client's own child, so no port is opened.
write_server() {
  # Where a server that root runs wants to be able to lock itself in.
  if ((EUID == 0)); then mkdir --parents /run/sshd; fi
  succeeds ssh-keygen -q -t ed25519 -N '' -f host_key
  printf 'server %s\n' "$(< host_key.pub)" > known_hosts
  cat > sshd_config << END
HostKey $PWD/host_key
AuthorizedKeysFile $PWD/authorized
AuthenticationMethods publickey
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile none
LogLevel VERBOSE
END
  cat > ssh_config << END
Host server
  ProxyCommand $(command -v sshd || printf /usr/sbin/sshd) -i -f $PWD/sshd_config -E $PWD/sshd.log
  PKCS11Provider $MAYFLY_PKCS11_MODULE
  IdentityFile none
  BatchMode yes
  UserKnownHostsFile $PWD/known_hosts
END
}

log_in() {
  ssh -F ssh_config server echo inside
}

# Makes the server of write_server take certificates of the issuer, and the client bring ec-cert.pub.
trust_issuer() {
  mayfly issuer show --ssh > issuer.pub
  trust_issuer_file
}

trust_issuer_file() {
  printf 'TrustedUserCAKeys %s\n' "$PWD/issuer.pub" >> sshd_config
  printf '  CertificateFile %s\n' "$PWD/ec-cert.pub" >> ssh_config
}

# mayfly ARGUMENTS...: the command.
mayfly() {
  "$MAYFLY_COMMAND" "$@"
}

# issue TYPE KEY FILE OPTIONS...: a credential for a key of the task that it is called in.
issue() {
  local type=$1 key=$2 file=$3
  shift 3
  succeeds mayfly credential issue --type "$type" --key "$key" --out "$file" "$@"
}

# Writes the first block of shell commands of the page $PAGE after the line that begins with a text.
extract_example() {
  awk -v start="$1" -v page="$PAGE" -v run="$WORK/examples" '
    index($0, start) == 1 { found = 1 }
    found && /^```$/ { exit }
    inside { print }
    found && /^```sh$/ { inside = 1; print page ":" NR >> run }' "$(page_file)" > "$WORK/example.$$"
  [[ -s $WORK/example.$$ ]] || fail "$PAGE has no example after: $1"
}

# example_of LANGUAGE TEXT: the first block in that language of the page $PAGE after the line that
# begins with a text.
example_of() {
  local text
  text=$(awk -v start="$2" -v fence="\`\`\`$1" '
    index($0, start) == 1 { found = 1 }
    found && inside && /^```$/ { exit }
    inside { print }
    found && $0 == fence { inside = 1 }' "$(page_file)")
  [[ -n $text ]] || fail "$PAGE has nothing in $1 after: $2"
  printf '%s\n' "$text"
}

page_file() {
  printf '%s/../../%s' "$(dirname -- "$TEST_SCRIPT")" "$PAGE"
}

# Runs an example in this shell, so that the next one finds its variables and its folder. It must
# succeed, each command of it; what it printed is in $OUTPUT.
run_example() {
  extract_example "$1"
  EXAMPLE=$1
  # Not before `||`: there, the shell would go on after a command that failed.
  # shellcheck disable=SC1090
  source "$WORK/example.$$" < /dev/null > "$WORK/output.$$" 2>&1
  EXAMPLE=
  OUTPUT=$(< "$WORK/output.$$")
}

# Every block of shell commands of the page $PAGE must have been run by now, or be marked by a line
# right before it: <!-- not run: REASON -->
expect_whole_page() {
  local missing
  missing=$(comm -13 <(sort -u "$WORK/examples") \
    <(awk -v page="$PAGE" '
        /^```sh$/ && before !~ /^<!-- not run: .* -->$/ { print page ":" NR }
        { before = $0 }' "$(page_file)" | sort))
  [[ -z $missing ]] || fail "no test runs these examples: $missing"
}

# What the shell says when it ends in the middle of an example, whose redirection is then still there.
say_which_example_failed() {
  if [[ -n ${EXAMPLE-} ]]; then
    printf 'FAILED: the example of %s after: %s\n%s\n' "$PAGE" "$EXAMPLE" "$(< "$WORK/output.$$")" \
      >&"$test_errors"
  fi
}

# No test may leave anything behind: no key on the device, no socket, no folder of a run.
expect_nothing_left() {
  expect_empty_device
  if [[ -n $TPM ]]; then
    local kind
    for kind in transient loaded-session saved-session; do
      succeeds list_tpm "$kind"
      [[ -z $OUTPUT ]] || fail "expected nothing of kind $kind in the TPM, seen: $OUTPUT"
    done
  fi
  OUTPUT=$(find "$XDG_RUNTIME_DIR" -mindepth 1 -not -path "$XDG_RUNTIME_DIR/mayfly")
  [[ -z $OUTPUT ]] || fail "expected no file of a run, seen: $OUTPUT"
}

# Runs the test of that name; or, called by in_task, a function of the script inside the task.
run_test() {
  if [[ $1 == --inside ]]; then
    shift
    trap say_which_example_failed EXIT
    "$@"
    return
  fi
  declare -F "test_$1" > /dev/null || fail "there is no test $1"
  make_work_folder
  "test_$1"
  expect_nothing_left
}
