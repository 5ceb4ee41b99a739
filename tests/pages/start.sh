#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

follow_page() {
  # What somebody who owns an HSM has.
  take_hsm agents
  run_example '<!-- test: hsm -->'
  says '^ok +device login'
  says '^sign +device alone'
  says '^task +broker, libmayfly.so'
  run_example '<!-- test: task -->'
  (($(stat --format=%s signature) == 64)) || fail 'there is no signature'
  run_example '<!-- test: drill -->'
  says '2 attacks: 2 failed'
  start_tpm
  # shellcheck disable=SC2034  # the page uses it
  TCTI=$TPM
  run_example '<!-- test: tpm -->'
  says '^ok +test key'
  run_example '<!-- test: task -->'
  (($(stat --format=%s signature) == 64)) || fail 'there is no signature'
}

follow "$@"
