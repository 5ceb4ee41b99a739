#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

follow_page() {
  run_example 'The configuration is the one'
  says '^held +sign-after-close '
  says '2 attacks: 2 failed'
  says '^use-a-stolen-context'
  grep --quiet '<testsuite' report.xml || fail 'there is no report'
}

follow "$@"
