# shellcheck shell=bash
# What the tests of the pages of docs share. Sourced by one script for each page that has commands,
# NAME.sh for docs/NAME.md, which has a function follow_page, that runs the page's commands as they
# stand there, and ends with `follow "$@"`. ../clients/lib.sh has the functions and the environment.
#
# The commands run in a folder of their own, with a SoftHSM2 token, and find `mayfly` and what the
# script puts into the folder bin by $PATH.
# shellcheck source=../clients/lib.sh
source "$(dirname -- "$0")/../clients/lib.sh"

# shellcheck disable=SC2034
HEADERS=$(dirname -- "$TEST_SCRIPT")/../../include
PAGE=docs/$(basename -- "$TEST_SCRIPT" .sh).md

# program NAME: makes a program of what is on standard input.
program() {
  cat > "$1"
  chmod +x "$1"
}

# configure: puts the tables on standard input, TOML, into the configuration, whose own are without
# what they have.
configure() {
  cat > "$WORK/tables"
  awk '
    /^\[/ { table = $0; sub(/\].*/, "]", table); $0 = table }
    FILENAME == ARGV[1] { if (!/^\[/) lines[table] = lines[table] $0 "\n"; else order[++count] = $0; next }
    { print }
    /^\[/ && $0 in lines { printf "%s", lines[$0]; delete lines[$0] }
    END { for (i = 1; i <= count; i++) if (order[i] in lines) printf "\n%s\n%s", order[i], lines[order[i]] }
    ' "$WORK/tables" "$MAYFLY_CONF" > "$WORK/configured"
  cp -- "$WORK/configured" "$MAYFLY_CONF"
}

# take_hsm NAME: what somebody has who owns an HSM: a library, a token of that name, a file with its PIN.
take_hsm() {
  # shellcheck disable=SC2034  # what the pages use
  LIBRARY=$(device_module)
  export SOFTHSM2_CONF=$PWD/softhsm2.conf
  mkdir tokens
  printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$PWD/tokens" > softhsm2.conf
  succeeds softhsm2-util --init-token --free --label "$1" --pin 123456 --so-pin 12345678
  # shellcheck disable=SC2034
  PIN_FILE=$PWD/pin
  (umask 077 && printf '123456\n' > pin)
}

# start_broker [EXAMPLE]: runs `mayfly serve`, or the example that does, with the control socket
# $CONTROL, and returns when it can be reached.
start_broker() {
  if (($# > 0)); then extract_example "$1"; else printf 'mayfly serve\n' > "$WORK/example.$$"; fi
  (
    # The broker takes this process's place, so that its number is known.
    mayfly() { exec "$MAYFLY_COMMAND" "$@"; }
    # shellcheck disable=SC1091
    source "$WORK/example.$$"
  ) < /dev/null > "$WORK/broker.log" 2>&1 &
  printf '%s' $! > "$WORK/broker.pid"
  until [[ -S $CONTROL ]]; do
    kill -0 "$(< "$WORK/broker.pid")" 2> /dev/null || fail "the broker ended: $(< "$WORK/broker.log")"
    sleep 0.02
  done
}

# Makes the page's test: runs what the page shows, or, called by in_task, a function inside of the task.
follow() {
  if [[ ${1-} == --inside ]]; then
    run_test "$@"
    return
  fi
  make_work_folder
  mkdir bin
  ln -s "$MAYFLY_COMMAND" bin/mayfly
  export PATH=$WORK/bin:$PATH
  follow_page
  expect_whole_page
  PATH=${PATH#"$WORK/bin:"}
  expect_nothing_left
}
