// What can be tried with handles of what has ended: a closed task, a session, a library, a parent.
#include <cerrno>
#include <chrono>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tools/drill/owner.h"

namespace mayfly::drill {
namespace {

constexpr char kLeftover[] = "handles that he kept in the process that used them";
constexpr char kNeighbour[] = "a session of another task in the same process";

constexpr std::chrono::seconds kTaskLife{3};

TaskWish short_wish() { return {"drill", "", kTaskLife.count(), ""}; }

/// Of a task that was opened before.
void wait_for_deadline() { std::this_thread::sleep_for(kTaskLife + std::chrono::milliseconds(50)); }

Outcome sign_after_close(const Ground& ground) {
  const Owner owner(ground);
  owner.close_task();
  return must_refuse("signing", owner.session.sign(owner.keys.private_key));
}

Outcome finish_after_close(const Ground& ground) {
  const Owner owner(ground);
  expect_ok("C_SignInit", owner.session.sign_init(owner.keys.private_key));
  expect_ok("C_SignUpdate", owner.session.sign_update());
  owner.close_task();
  return must_refuse("C_SignFinal", owner.session.sign_final());
}

Outcome sign_in_new_session(const Ground& ground) {
  const Owner owner(ground, {}, true);
  owner.close_task();
  CK_SESSION_HANDLE other = 0;
  const CK_RV rv =
      owner.module->C_OpenSession(owner.slot, CKF_SERIAL_SESSION, nullptr, nullptr, &other);
  if (rv != CKR_OK) return must_refuse("C_OpenSession", rv);
  return must_refuse(
      "signing", Session(owner.module, other, owner.session.kind()).sign(owner.keys.private_key));
}

Outcome sign_after_deadline(const Ground& ground) {
  const Owner owner(ground, short_wish());
  wait_for_deadline();
  return must_refuse("signing", owner.session.sign(owner.keys.private_key));
}

Outcome finish_after_deadline(const Ground& ground) {
  const Owner owner(ground, short_wish());
  expect_ok("C_SignInit", owner.session.sign_init(owner.keys.private_key));
  expect_ok("C_SignUpdate", owner.session.sign_update());
  wait_for_deadline();
  return must_refuse("C_SignFinal", owner.session.sign_final());
}

Outcome sign_with_closed_sessions_key(const Ground& ground) {
  const Owner owner(ground);
  const Session second(owner.module, ground, owner.slot);
  expect_ok("signing in another session of the task", second.sign(owner.keys.private_key));
  expect_ok("C_CloseSession", owner.module->C_CloseSession(owner.session.handle()));
  return must_refuse("signing", second.sign(owner.keys.private_key));
}

Outcome use_handles_of_before(const Ground& ground) {
  const Owner owner(ground);
  owner.module.finalize();
  expect_ok("C_Initialize", owner.module.initialize());
  // The next task of the process does the same, so that its handles come in the same order.
  const CK_SLOT_ID slot = open_task(owner.module, ground, {});
  const Session session(owner.module, ground, slot);
  const KeyPair keys = session.generate();
  expect_ok("signing in the next task", session.sign(keys.private_key));
  return must_refuse("signing", owner.session.sign(owner.keys.private_key));
}

Outcome sign_in_forked_child(const Ground& ground) {
  const Owner owner(ground);
  const pid_t child = fork();
  if (child < 0) throw NotTried("no process can be made");
  if (child == 0) _exit(owner.session.sign(owner.keys.private_key) == CKR_OK ? 0 : 1);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) throw std::runtime_error("the child crashed");
  if (WEXITSTATUS(status) == 0) return {Result::broken, "the child signed with its parent's key"};
  expect_ok("signing in the parent, after the fork", owner.session.sign(owner.keys.private_key));
  return {Result::held, "the child was refused, and the parent goes on"};
}

/// Another task of the process.
Session neighbour(const Owner& owner, const Ground& ground) {
  TaskWish wish;
  wish.id = "drill-neighbour";
  return {owner.module, ground, open_task(owner.module, ground, wish)};
}

Outcome use_another_tasks_handle(const Ground& ground) {
  const Owner owner(ground, {}, true);
  const Session other = neighbour(owner, ground);
  const KeyPair own = other.generate();
  expect_ok("signing with a key of his own", other.sign(own.private_key));
  return must_refuse("signing", other.sign(owner.keys.private_key));
}

Outcome guess_handles(const Ground& ground) {
  const Owner owner(ground, {}, true);
  const Session other = neighbour(owner, ground);
  static constexpr CK_OBJECT_HANDLE kGuesses = 2000;
  for (CK_OBJECT_HANDLE guess = 1; guess <= kGuesses; ++guess) {
    if (other.sign(guess) == CKR_OK) {
      return {Result::broken, "guess " + std::to_string(guess) + " was a key, and it signed"};
    }
  }
  expect_ok("signing in the other task", owner.session.sign(owner.keys.private_key));
  return {Result::held, "none of " + std::to_string(kGuesses) + " handles was good"};
}

Outcome find_another_tasks_keys(const Ground& ground) {
  const Owner owner(ground, {}, true);
  if (owner.session.find(CKO_PRIVATE_KEY).empty()) throw std::runtime_error("its own finds none");
  const Session other = neighbour(owner, ground);
  const std::size_t found = other.find(CKO_PRIVATE_KEY).size();
  return {found == 0 ? Result::held : Result::broken,
          "the search found " + std::to_string(found) + " private keys"};
}

}  // namespace

std::vector<Scenario> leftover_scenarios() {
  using enum Safeguard;
  return {
      {"sign-after-close",
       kLeftover,
       "signs when the task was closed",
       "the signature is refused",
       {task_end},
       sign_after_close},
      {"finish-after-close",
       kLeftover,
       "finishes a signature that was begun before the close",
       "the signature is refused",
       {task_end},
       finish_after_close},
      {"new-session-after-close",
       kLeftover,
       "opens a new session on the closed task's slot",
       "there is no such token any more",
       {task_end},
       sign_in_new_session},
      {"sign-after-deadline",
       kLeftover,
       "signs after the task's deadline",
       "the signature is refused",
       {deadline, chip_deadline},
       sign_after_deadline},
      {"finish-after-deadline",
       kLeftover,
       "finishes a signature that was begun before the deadline",
       "the signature is refused",
       {deadline, chip_deadline},
       finish_after_deadline},
      {"closed-sessions-key",
       kLeftover,
       "signs, in another session, with a session key whose own session was closed",
       "the key is gone",
       {session_end},
       sign_with_closed_sessions_key},
      {"handles-of-before",
       kLeftover,
       "uses handles from before C_Finalize while the next task of the process has its own",
       "none of them names anything",
       {fresh_handles},
       use_handles_of_before},
      {"sign-in-forked-child",
       kLeftover,
       "signs in a child that was forked off",
       "the child is refused",
       {fork_epoch},
       sign_in_forked_child},
      {"another-tasks-handle",
       kNeighbour,
       "signs with a key handle of the other task",
       "the handle names nothing here",
       {one_tasks_handles},
       use_another_tasks_handle},
      {"guess-handles",
       kNeighbour,
       "tries each number that could be a handle",
       "none names another task's key",
       {one_tasks_handles},
       guess_handles},
      {"find-another-tasks-keys",
       kNeighbour,
       "searches for the other task's keys",
       "none is found",
       {one_tasks_handles},
       find_another_tasks_keys},
  };
}

}  // namespace mayfly::drill
