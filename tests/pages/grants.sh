#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

follow_page() {
  ask_a_person
  example_of toml '## What a broker is told' |
    sed "s|/var/lib/mayfly|$WORK|; s|approvers.json|$WORK/approvers.json|" | configure
  printf '#!/bin/sh\necho "agent in $MAYFLY_TASK_ID"\n' | program agent
  umask 077
  run_example 'EC P-256, EC P-384'
  run_example 'A grant is a signed'
  says '^agent in invoice-4711$'
  says 'CKM_ECDSA'
  refused 'has opened its one task' mayfly run --task invoice-4711 --grant grant -- ./agent
  openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out new.pub
  run_example 'To add an approver'
  (($(grep --only-matching '"kty"' approvers.json | wc -l) == 2)) || fail 'there are not two approvers'
  issue_by_hsm
  use_a_ticket
}

issue_by_hsm() {
  (
    take_hsm approvers
    export PIN=123456
    run_example 'A PEM file that others'
    tail --lines=1 <<< "$OUTPUT" > by-hsm
  )
  succeeds mayfly grant verify by-hsm --task invoice-4711
  succeeds mayfly run --task invoice-4711 --grant by-hsm -- ./agent
}

use_a_ticket() {
  openssl pkey -in approver.pem -pubout -out approver.pub
  mayfly grant approver approver.pub > approvers.json
  mayfly grant issue --key approver.pem --audience broker.example --task invoice-4711 --agent a > grant
  run_example '## Tickets, and a login'
  says '^[A-Za-z0-9-]{26}$'
  printf '%s\n' "$OUTPUT" > ticket
  succeeds mayfly run --task invoice-4711 --grant ticket -- ./agent
  refused '.' mayfly run --task invoice-4711 --grant ticket -- ./agent
}

# The page's program, as the checkout has it.
ask_a_person() {
  cp "$MAYFLY_CONF" before
  example_of toml '## Asking a person' |
    sed "s|/usr/share/mayfly/approval|$(realpath -- "$(dirname -- "$TEST_SCRIPT")/../../hsm-config/approval")|" |
    configure
  refused 'there is no terminal|approv' setsid "$MAYFLY_COMMAND" run --task asked -- true
  # What is no ASCII is not shown as it is.
  export TASK=$'asked \u00e9'
  succeeds answer yes
  says '"task": "asked \\u00e9"'
  says 'ran$'
  refused '' answer no
  says_not 'ran$'
  cp before "$MAYFLY_CONF"
}

# answer WORD: what somebody at a terminal sees, who types that.
answer() {
  script --quiet --return --command 'mayfly run --task "$TASK" -- echo ran' /dev/null <<< "$1" | tr --delete '\r'
}

follow "$@"
