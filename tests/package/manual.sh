#!/bin/bash
# Each subcommand has its page, and the pages say what the command and the docs say.
#
#   manual.sh FOLDER MAYFLY
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../clients/lib.sh
source "$(dirname -- "$0")/../clients/lib.sh"
pages=$1 mayfly=$2

# The text of a page without what roff makes of it.
plain() {
  sed -E 's/\\f[BIR]//g; s/\\-/-/g; s/\\\(aq/'\''/g; s/\\\(dq/"/g; s/^\\&//; s/\\e/\\/g' "$pages/$1"
}

# help WORD...: what a subcommand prints of itself.
help() {
  "$mayfly" "$@" --help
}

# The names of the subcommands that a help text lists.
commands_in() {
  sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' <<< "$1"
}

# check_options PAGE WORD...: each option that a subcommand's help lists is on the page.
check_options() {
  local page=$1 option text options
  shift
  text=$(plain "$page")
  options=$(help "$@" | grep --extended-regexp --only-matching '^ +(-[a-z],)?--[a-z-]+' |
    grep --extended-regexp --only-matching -- '--[a-z-]+')
  [[ -n $options ]] || fail "no option is found in the help of $*"
  for option in $options; do
    grep --quiet --fixed-strings -- "$option" <<< "$text" || fail "$page does not know $* $option"
  done
}

names=$(commands_in "$(help)")
(($(wc --words <<< "$names") > 15)) || fail "these are too few subcommands: $names"
for name in $names; do
  [[ -s $pages/mayfly-$name.1 ]] || fail "there is no page mayfly-$name.1"
  grep --quiet "^mayfly-$name(1)\$" <<< "$(plain mayfly.1)" || fail "mayfly(1) does not name $name"
  check_options "mayfly-$name.1" "$name"
  for below in $(commands_in "$(help "$name")"); do
    grep --quiet "^.SS \"mayfly $name $below\"\$" <<< "$(plain "mayfly-$name.1")" ||
      fail "mayfly-$name.1 does not name $below"
    check_options "mayfly-$name.1" "$name" "$below"
  done
done

# The table in docs/running.md, with the links' words only and without the marks of code.
statuses_in_docs() {
  sed -n '/^## Exit statuses/,/^## In process/s/^| \([0-9, ]*\) | \(.*\) |$/\1: \2/p' \
    "$(dirname -- "$0")/../../docs/running.md" | sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g; s/`//g'
}

statuses_on_page() {
  plain mayfly.1 | sed -n '/^.SH "EXIT STATUS"/,/^.SH "SEE ALSO"/p' |
    sed -n '/^.TP$/{n;s/ *$//;h;n;H;x;s/\n/: /;p}'
}

diff <(statuses_in_docs) <(statuses_on_page) || fail 'docs/running.md and mayfly(1) differ'
(($(statuses_in_docs | wc --lines) > 15)) || fail 'the table of exit statuses is not found'

# Every key of the configuration: as many as the reference has.
keys=$(grep --count '^| `' "$(dirname -- "$0")/../../docs/configuration.md")
on_page=$(grep --count '^\\fB[^ ]* =\\fR ' "$pages/mayfly.toml.5")
((keys == on_page)) || fail "docs/configuration.md has $keys keys, mayfly.toml(5) $on_page"
