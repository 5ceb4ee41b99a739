#!/bin/bash
# What makes attacks harder is in what was built.
#
#   hardening.sh PROGRAM LIBRARY...
#
# Of each file is looked at: how it is laid out in memory, what it was linked with, and the options
# with which the compiler says that it made each part of it. So it must not be stripped.
set -euo pipefail
shopt -s inherit_errexit

failures=0

# must CONDITION-TEXT COMMAND...: says what is missing.
must() {
  local what=$1
  shift
  if ! "$@"; then
    printf '%s: %s\n' "$file" "$what" >&2
    failures=$((failures + 1))
  fi
}

has() {
  grep --extended-regexp --quiet -- "$2" <<< "$1"
}

has_not() {
  ! has "$@"
}

# Each part that a compiler of GCC made says by which options.
all_made_with() {
  local made
  made=$(grep --extended-regexp 'GNU (C|C\+\+)[0-9]+ ' <<< "$producers") || return
  ! grep --invert-match --quiet -- "$1" <<< "$made"
}

first_instruction() {
  objdump --disassemble="$function" --no-show-raw-insn "$file" | sed -n "/<$function>:\$/{n;p}"
}

first_export() {
  readelf --wide --dyn-syms "$file" |
    sed -n 's/.* FUNC *GLOBAL *DEFAULT *[0-9]\+ \([A-Za-z_]*\).*/\1/p' | sed -n 1p
}

check_layout() {
  local header segments dynamic
  header=$(readelf --wide --file-header "$file")
  segments=$(readelf --wide --program-headers "$file")
  dynamic=$(readelf --wide --dynamic "$file")
  must 'is not position-independent' has "$header" 'Type: +DYN'
  if [[ $file == "$program" ]]; then
    must 'is not linked as a position-independent program' has "$dynamic" 'FLAGS_1.*PIE'
  fi
  must 'has a stack that can be executed, or does not say' has "$segments" 'GNU_STACK.* RW  '
  must 'has memory that is both writable and executable' has_not "$segments" ' RWE '
  must 'has code in one segment with data' has "$segments" '^ +LOAD +0x0+ .* R  +0x'
  must 'leaves relocated data writable' has "$segments" 'GNU_RELRO'
  must 'resolves functions late, from a table that stays writable' has "$dynamic" 'BIND_NOW|FLAGS_1.*NOW'
  must 'looks for libraries in folders of its own' has_not "$dynamic" 'RPATH|RUNPATH'
  must 'has relocations in its code' has_not "$dynamic" 'TEXTREL'
}

check_code() {
  local symbols producers
  symbols=$(readelf --wide --dyn-syms "$file")
  must 'has no stack protector' has "$symbols" ' __stack_chk_fail'
  must 'has no fortified functions' has "$symbols" ' __(memcpy|memset|snprintf|vsnprintf|read|fprintf)_chk'
  producers=$(readelf --wide --string-dump=.debug_str "$file")
  for option in -fstack-protector-strong -fstack-clash-protection; do
    must "is not made with $option as a whole" all_made_with "$option"
  done
  if [[ $(uname --machine) == x86_64 ]]; then
    must 'is not made with -fcf-protection as a whole' all_made_with -fcf-protection
    must 'begins functions without a mark for indirect calls' has "$(first_instruction)" 'endbr64'
  fi
}

program=$1
for file; do
  function=main
  if [[ $file != "$program" ]]; then function=$(first_export); fi
  check_layout
  check_code
done
((failures == 0))
