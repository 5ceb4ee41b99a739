#!/bin/bash
# Commits and tags of git, signed by OpenSSH with a task's key.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/clients/git.md

test_page_examples() {
  unset "${!GIT_@}"
  git init --quiet repository
  in_task demo follow_page
  cd repository
  # What was signed in time stays good; nothing more can be signed.
  succeeds git verify-commit HEAD
  refused 'failed to write commit object' \
    git commit --quiet --allow-empty --gpg-sign --message 'After the task'
  succeeds git log --oneline
  says_times 1 'What the agent did'
  says_not 'After the task'
}

follow_page() {
  cd repository
  printf 'work\n' > file
  git add file
  run_example '# git'
  run_example '## Signing'
  run_example '## Verifying'
  says_times 3 '^Good "git" signature for agent@agents.example with ECDSA key SHA256:'
  expect_whole_page
  # A commit that says that it was made after the key's time is not believed.
  GIT_COMMITTER_DATE="@$(date --date '2 hours' +%s) +0000" \
    succeeds git commit --quiet --allow-empty --gpg-sign --message 'Late'
  refused 'No principal matched|is not valid|Could not verify' git verify-commit HEAD
  git reset --quiet HEAD^
  # Nor is one of another key.
  ssh-keygen -q -t ecdsa -N '' -f ../stranger
  succeeds git -c user.signingkey=../stranger commit --quiet --allow-empty --gpg-sign --message 'Forged'
  refused 'No principal matched|Could not verify' git verify-commit HEAD
  git reset --quiet HEAD^
}

run_test "$@"
