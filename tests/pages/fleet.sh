#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

PROGRAMS=$(printf '%s\n' /usr/lib/postgresql/*/bin | tail --lines=1)

# PostgreSQL does not run as root. It ends with the test, also where that is killed.
unprivileged() {
  local -a user=()
  if ((EUID == 0)); then user=(--reuid=postgres --regid=postgres --init-groups); fi
  cd -- "$FOLDER" && exec setpriv "${user[@]}" --pdeathsig QUIT "$@"
}

# A database of the test's own, at the socket in the folder $FOLDER.
start_postgres() {
  FOLDER=$(mktemp --directory --tmpdir mayfly-postgres.XXXXXX)
  trap 'stop_postgres; remove_work_folder' EXIT
  if ((EUID == 0)); then chown postgres "$FOLDER"; fi
  succeeds unprivileged "$PROGRAMS/initdb" -D data -U mayfly --auth=trust --encoding=UTF8 --locale=C --no-sync
  unprivileged "$PROGRAMS/postgres" -D data -k "$FOLDER" -c listen_addresses= -c fsync=off \
    -c shared_buffers=16MB < /dev/null > "$WORK/postgres.log" 2>&1 &
  POSTGRES=$!
  until "$PROGRAMS/pg_isready" --quiet --host "$FOLDER"; do
    kill -0 "$POSTGRES" 2> /dev/null || fail "PostgreSQL does not start: $(< "$WORK/postgres.log")"
    sleep 0.02
  done
  succeeds "$PROGRAMS/createdb" --host "$FOLDER" --username mayfly mayfly
}

stop_postgres() {
  if [[ -n ${POSTGRES-} ]]; then
    kill -QUIT "$POSTGRES" 2> /dev/null || true
    wait "$POSTGRES" || true
  fi
  rm -rf --one-file-system -- "$FOLDER"
}

follow_page() {
  start_postgres
  DATABASE="postgresql://mayfly@/mayfly?host=$FOLDER"
  example_of toml '# Operating a fleet' |
    sed "s|^url = .*|url = \"$DATABASE\"|; /^password-source/d; /^module\|^token\|^pin-source/d" | configure
  in_task invoice-4711 generate_ec agent 01
  succeeds mayfly list --all
  says '^[0-9a-f]{16}  closed .* invoice-4711$'
  run_example '`mayfly serve` looks'
  # shellcheck disable=SC2034  # the page uses it
  HOST=0123456789abcdef
  run_example 'Of a machine that is gone'
  run_example 'The database, as any other'
  succeeds pg_restore --list mayfly.dump
  says 'TABLE DATA mayfly task mayfly'
}

follow "$@"
