#!/bin/bash
# The examples of README.md, as they stand there.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

readme=$(dirname -- "$TEST_SCRIPT")/../../README.md

# Writes the first block of shell commands after the line that begins with a text.
extract_example() {
  awk -v start="$1" '
    index($0, start) == 1 { found = 1 }
    found && /^```$/ { exit }
    inside { print }
    found && /^```sh$/ { inside = 1 }' "$readme" > example
  [[ -s example ]] || fail "README.md has no example after: $1"
}

# Runs an example in this shell, so that the next one finds its variables.
run_example() {
  extract_example "$1"
  # shellcheck disable=SC1091
  source ./example < /dev/null > output 2>&1 || fail "the example failed: $(< output)"
}

test_examples() {
  in_task invoice-4711 run_examples
}

run_examples() {
  make_message file
  run_example 'pkcs11-tool:'
  succeeds cat output
  says 'Private Key Object; EC'

  run_example 'OpenSSL, by'
  unset OPENSSL_CONF
  export_public_key agent 01 prime256v1
  succeeds openssl dgst -sha256 -verify agent.pem -signature file.signature file

  run_example 'OpenSSH '
  printf 'agent %s\n' "$(< agent.pub)" > allowed
  # shellcheck disable=SC2094  # nothing is written
  succeeds ssh-keygen -Y verify -n file -s file.sig -f allowed -I agent < file

  jar --create --file file.jar file
  run_example 'Java:'
  succeeds jarsigner -verify file.jar
  says '^jar verified\.$'
}

run_test "$@"
