#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

follow_page() {
  (
    # Nobody has set anything up yet.
    unset MAYFLY_CONF
    run_example '## Set up'
    says '^ok +test key'
    [[ -s $HOME/.config/mayfly/mayfly.toml ]] || fail 'there is no configuration'
    take_hsm agents
    run_example '`init` writes'
    says '"ok": true'
    says_not '"ok": false'
  )
  printf 'echo "$MAYFLY_TASK_ID: $*"\n' | program bin/COMMAND
  run_example '## Run a command'
  says '^invoice-4711: ARGUMENTS…$'
  run_example 'device. Programs that take'
  says '^Private Key Object; EC'
  says '^  label: +agent$'
  work_below_a_task
  reap_a_broker
}

work_below_a_task() {
  printf '#!/bin/sh\nexec bash %q --inside call_a_tool\n' "$TEST_SCRIPT" | program agent
  printf '#!/bin/sh\necho "tool in $MAYFLY_TASK_ID"\n' | program tool
  run_example '## Tasks below a task'
  says '^tool in tool-call-1$'
}

call_a_tool() {
  run_example 'The agent itself'
  printf '%s\n' "$OUTPUT"
}

reap_a_broker() {
  example_of toml '## Devices that only store keys' |
    sed "s|/var/lib/mayfly/registry.db|$WORK/registry.db|" | configure
  succeeds in_task stored generate_ec agent 01
  succeeds mayfly list --all --json
  # shellcheck disable=SC2034  # the page uses it
  BROKER=$(sed -n 's/.*"broker": "\([^"]*\)".*/\1/p' <<< "$OUTPUT")
  [[ $BROKER ]] || fail "no broker: $OUTPUT"
  run_example 'mayfly itself. What a killed'
  says_times 3 '^destroyed +0 '
}

follow "$@"
