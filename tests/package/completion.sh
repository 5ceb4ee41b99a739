#!/bin/bash
# What bash completes, by its own machinery: the script is sourced, and its function is called with
# the words that bash would give it.
#
#   completion.sh FOLDER MAYFLY
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../clients/lib.sh
source "$(dirname -- "$0")/../clients/lib.sh"
scripts=$1 mayfly=$2

# complete_line WORD...: what is offered for the last word, one a line.
complete_line() {
  COMP_WORDS=(mayfly "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _mayfly
  OUTPUT=$(printf '%s\n' "${COMPREPLY[@]}" | sort)
}

# offers LINE...: exactly these, and nothing else.
offers() {
  [[ $OUTPUT == "$(printf '%s\n' "$@" | sort)" ]] ||
    fail "expected $*; seen after ${COMP_WORDS[*]}: $OUTPUT"
}

cmp <("$mayfly" completion bash) "$scripts/mayfly"
# shellcheck disable=SC1091
source "$scripts/mayfly"
[[ $(complete -p mayfly) == 'complete -F _mayfly mayfly' ]] || fail 'bash does not know the function'

work=$(mktemp --directory --tmpdir mayfly-completion.XXXXXX)
trap 'rm --recursive --force -- "$work"' EXIT
cd -- "$work"
mkdir folder
touch file.toml 'with space.toml'

complete_line ''
says '^run$'
says '^init$'
says_not '^(worker|manual|-)'
complete_line re
offers reap registry revoke
complete_line --v
offers --version
complete_line grant ''
offers approver issue show ticket verify
complete_line grant issue --ttl x --mec
offers --mechanism
complete_line run --tas
offers --task
# The value of an option is nobody's subcommand, and no option either.
complete_line run --task init --gra
offers --grant
complete_line run --task ''
offers ''
complete_line init --device ''
offers softhsm tpm
complete_line init --device = t
offers tpm
complete_line init --device =
offers softhsm tpm
complete_line init --folder f
offers folder
complete_line run --config ''
offers file.toml folder 'with space.toml'
complete_line grant show f
offers file.toml folder
complete_line completion ''
offers bash zsh
complete_line run --task x -- mktem
says '^mktemp$'
complete_line run --task x -- cat file
offers file.toml
complete_line init -- f
offers ''

# In a shell at a terminal, as a person meets it, who presses tab; what rings is not text.
printf 'source %q\nmayfly gra\tiss\t--outp\t\n' "$scripts/mayfly" > typed
OUTPUT=$(INPUTRC=/dev/null PATH=$(dirname -- "$mayfly"):$PATH TERM=dumb \
  script --quiet --command 'bash --norc --noprofile -i' /dev/null < typed 2>&1 | tr --delete '\a') || true
says 'mayfly grant issue --output'

if command -v zsh > /dev/null; then zsh --no-exec "$scripts/_mayfly"; fi
