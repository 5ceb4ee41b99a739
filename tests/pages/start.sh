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
  run_program
  start_tpm
  # shellcheck disable=SC2034  # the page uses it
  TCTI=$TPM
  run_example '<!-- test: tpm -->'
  says '^ok +test key'
  run_example '<!-- test: task -->'
  (($(stat --format=%s signature) == 64)) || fail 'there is no signature'
}

# A program around the page's lines, which the last of the page's configurations serves.
run_program() {
  {
    printf '#include <%s>\n' dlfcn.h stdio.h stdlib.h nss/pkcs11.h mayfly/mayfly.h
    printf 'static void alarm_somebody(void) { exit(1); }\nint main(void) {\n'
    example_of c '## In a program of your own'
    printf 'printf("slot %%lu\\n", slot);\nreturn pkcs11->C_Finalize(NULL) != CKR_OK;\n}\n'
  } > program.c
  # shellcheck disable=SC2046
  succeeds cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I "$HEADERS" \
    $(pkg-config --cflags nss | sed 's/-I/-isystem /g') -o program program.c -ldl
  # A program that was built without a sanitizer can't load what was built with one.
  if [[ -z ${SANITIZE-} ]]; then
    succeeds env LD_LIBRARY_PATH="$(dirname -- "$MAYFLY_LIBRARY")" ./program
    says '^slot [1-9]'
  fi
}

follow "$@"
