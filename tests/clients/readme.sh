#!/bin/bash
# The examples of README.md, as they stand there.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

test_examples() {
  in_task invoice-4711 run_examples
}

run_examples() {
  PAGE=README.md
  make_message file
  run_example 'pkcs11-tool:'
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
