#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

export TRUST_DOMAIN=example.org

follow_page() {
  # Somebody issues and keeps a list; a web server carries it, at the address that the page has.
  export CONTROL=$WORK/control
  mkdir --mode=0700 status
  configure << END
[serve]
socket = "$CONTROL"
[registry]
file = "$WORK/registry.db"
[status]
folder = "$WORK/status"
uri = "https://status.example/1"
END
  start_broker
  serve_web status.example "location = /1 { alias $WORK/status/status.jwt; }"
  printf 'unix-socket = "%s"\ncacert = "%s"\n' "$WORK/web" "$WORK/server.pem" > "$HOME/.curlrc"
  mayfly issuer show --jwks > keys.json
  eval "$(mayfly open --task demo)"
  generate_ec agent 01
  mayfly credential issue --type wit --out wit
  mayfly proof dpop --method GET --url https://api.example.org/orders > dpop

  run_example 'You need the issuer'
  run_example '## With mayfly'
  says '^subject +spiffe://example.org/task/demo/'
  compile_program
  run_example '## With other tools'
  says '"sub":"spiffe://example.org/task/demo/'

  succeeds mayfly close --task demo
  run_example 'You need the issuer'
  mayfly token verify wit --keys keys.json --status status.jwt --no-proof > answer 2>&1 &&
    fail 'the token of a task that has ended is good'
  grep --quiet 'credential, revoked' answer || fail "another reason: $(< answer)"
  stop_broker
}

# The page's lines in a program; tests/clients/relying_party.c, which is nearly the same, is run.
compile_program() {
  {
    printf '#include <stddef.h>\n#include <mayfly/verify.h>\nvoid serve(const char* subject);\n'
    printf 'int verify(const char* jwk_set, const char* wit, const char* dpop);\n'
    printf 'int verify(const char* jwk_set, const char* wit, const char* dpop) {\n'
    example_of c '## In C'
    printf 'return status;\n}\n'
  } > program.c
  succeeds cc -std=c11 -Wall -Wextra -Werror -I "$HEADERS" -c program.c
}

follow "$@"
