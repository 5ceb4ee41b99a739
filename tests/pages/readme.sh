#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

PAGE=README.md

follow_page() {
  (
    # Nobody has set anything up yet.
    unset MAYFLY_CONF
    printf '#!/bin/sh\necho "the task is $MAYFLY_TASK_ID"\n' | program bin/COMMAND
    run_example 'After that'
    says '^the task is invoice-4711$'
  )
  in_task invoice-4711 follow_inside
}

follow_inside() {
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

follow "$@"
