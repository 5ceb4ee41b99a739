#!/bin/bash
# docs/clients/README.md, the table of all clients. $CLIENT_TESTS is a file with the names of all tests.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/README.md

# rows: the table's cells without spaces and quotes, with tabs between.
rows() {
  sed --quiet 's/^| \[/[/p' "$(page_file)" | sed 's/ *| */\t/g; s/`//g'
}

# expect_installed PACKAGE VERSION: that version, or a later one of the same release.
expect_installed() {
  local seen
  seen=$(dpkg-query --show --showformat='${Version}' "$1") || fail "$1 is not installed"
  # Without the epoch.
  [[ ${seen#*:} == "$2"[!0-9]* ]] || fail "the page says $1 $2, but $seen is installed"
}

test_page_examples() {
  run_example 'All commands run inside'
  expect_whole_page
}

test_matrix() {
  local client package version doors test page folder
  folder=$(dirname -- "$(page_file)")
  while IFS=$'\t' read -r client package version doors _ _ _ _ test; do
    page=$(sed 's/.*(\(.*\.md\))$/\1/' <<< "$client")
    [[ -s $folder/$page ]] || fail "there is no page $page"
    printf '%s\n' "$page" >> named
    expect_installed "$package" "$version"
    grep --fixed-strings --line-regexp --quiet "$test" "$CLIENT_TESTS" ||
      fail "there is no test $test"
    # The test is that of the page.
    local script=${test#clients.}
    script=$(dirname -- "$TEST_SCRIPT")/${script%.page_examples}.sh
    grep --line-regexp --quiet "PAGE=docs/clients/$page" "$script" || fail "$test is not of $page"
    local own=${test/clients./clients-own.}
    if [[ $doors == both ]]; then
      grep --fixed-strings --line-regexp --quiet "$own" "$CLIENT_TESTS" || fail "there is no test $own"
    fi
  done < <(rows | sed 's/\t\t/\t-\t/g; s/\t\t/\t-\t/g')
  cmp <(sort named) <(cd "$folder" && ls --ignore README.md | sort) ||
    fail 'the table and the folder have different pages'
}

run_test "$@"
