#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

follow_page() {
  export CONTROL=$WORK/control
  example_of toml '## Configuration' |
    sed "s|/run/mayfly|$WORK|; s|/var/lib/mayfly|$WORK|; s/\"agents\"/4001/; s/\"security\"/4002/" |
    configure
  start_broker '`mayfly run` is a broker'
  run_example 'From another terminal'
  says '^[0-9a-f]{16}  open .* invoice-4711$'
  says '^ +state +open$'
  says '^[0-9a-f]{16}  closed  keys destroyed 0, pending 0  invoice-4711$'
  # shellcheck disable=SC2034  # the page uses it
  REGISTRY=$WORK/registry.db
  run_example 'A copy of the registry'
  [[ $(sqlite3 registry.copy 'SELECT id FROM task') == invoice-4711 ]] || fail 'the copy lacks the task'
  stop_broker
}

follow "$@"
