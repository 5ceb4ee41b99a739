// Steps of the hostile client: the library, tasks, slots, sessions and logins.
#include "fuzz/api_functions.h"
#include "fuzz/api_limits.h"
#include "fuzz/api_player.h"
#include "fuzz/fuzzed_device.h"

namespace mayfly::test {
void Player::open_task() {
  static constexpr const char* kNames[] = {"one", "two", "three", "four", "five", "", "\x1b[31m"};
  const char* const id = input_.pick(kNames);
  const std::uint8_t spoiled = input_.byte();
  MAYFLY_TASK_REQUEST request{spoiled == 0xff ? nullptr : id, spoiled == 0xfe ? ~0UL : 0UL, nullptr,
                              nullptr, nullptr};
  CK_SLOT_ID slot = 0;
  Answers answers("MAYFLY_OpenTask");
  answers.first(!model_.initialized, CKR_CRYPTOKI_NOT_INITIALIZED)
      .fault(spoiled >= 0xfe || *id == 0 || *id == '\x1b', CKR_ARGUMENTS_BAD)
      .fault(model_.open_tasks() >= kMaxTasks, CKR_SESSION_COUNT);
  for (const TaskModel& task : model_.tasks) {
    answers.fault(task.open && task.id == id, CKR_FUNCTION_REJECTED);
  }
  if (!answers.judge(vendor().MAYFLY_OpenTask(&request, &slot))) return;
  for (const TaskModel& task : model_.tasks) require(task.slot != slot, "slots are new");
  model_.tasks.push_back({slot, id});
}

void Player::close_task() {
  const CK_SLOT_ID slot = choose_slot();
  TaskModel* const task = model_.task(slot);
  Answers answers("MAYFLY_CloseTask");
  answers.first(!model_.initialized, CKR_CRYPTOKI_NOT_INITIALIZED)
      .first(task == nullptr, CKR_SLOT_ID_INVALID);
  if (answers.judge(vendor().MAYFLY_CloseTask(slot))) model_.end(*task);
}

void Player::finalize() {
  if (input_.byte() % 4 != 0) return;  // it is costly, and ends what could be tried
  Answers answers("C_Finalize");
  answers.first(!model_.initialized, CKR_CRYPTOKI_NOT_INITIALIZED);
  if (answers.judge(p11().C_Finalize(nullptr))) model_.finalize();
}

void Player::initialize_again() {
  Answers answers("C_Initialize");
  answers.first(model_.initialized, CKR_CRYPTOKI_ALREADY_INITIALIZED);
  if (answers.judge(initialize())) model_.initialized = true;
}

void Player::ask_slot() {
  const CK_SLOT_ID slot = choose_slot();
  const TaskModel* const task = model_.task(slot);
  CK_ULONG count = 0;
  Answers listing("C_GetSlotList");
  listing.first(!model_.initialized, CKR_CRYPTOKI_NOT_INITIALIZED);
  if (!listing.judge(p11().C_GetSlotList(CK_TRUE, nullptr, &count))) return;
  require(count == model_.open_tasks(), "each open task has a slot, and nothing else has one");

  const bool ended =
      task == nullptr && std::ranges::count(model_.tasks, slot, &TaskModel::slot) != 0;
  Answers asking("C_GetTokenInfo");
  // An end is remembered for a time, and not beyond C_Finalize.
  asking.fault(task == nullptr, CKR_SLOT_ID_INVALID).fault(ended, CKR_TOKEN_NOT_PRESENT);
  CK_TOKEN_INFO info{};
  if (!asking.judge(p11().C_GetTokenInfo(slot, &info))) return;
  MAYFLY_TASK_INFO story{};
  require(vendor().MAYFLY_TaskInfo(slot, &story) == CKR_OK && story.task_id == task->id,
          "a slot is its task's");
}

void Player::open_session() {
  const CK_SLOT_ID slot = choose_slot();
  const CK_FLAGS flags = input_.byte();
  TaskModel* const task = model_.task(slot);
  const bool ended =
      task == nullptr && std::ranges::count(model_.tasks, slot, &TaskModel::slot) != 0;
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  Answers answers("C_OpenSession");
  answers.first(!model_.initialized, CKR_CRYPTOKI_NOT_INITIALIZED)
      .fault((flags & CKF_SERIAL_SESSION) == 0, CKR_SESSION_PARALLEL_NOT_SUPPORTED)
      .fault(ended, CKR_TOKEN_NOT_PRESENT)
      .fault(task == nullptr, CKR_SLOT_ID_INVALID)
      .fault(model_.open_sessions() >= kMaxSessions, CKR_SESSION_COUNT);
  if (!answers.judge(p11().C_OpenSession(slot, flags, nullptr, nullptr, &handle))) return;
  for (const SessionModel& session : model_.sessions) {
    require(session.handle != handle, "handles of sessions are new");
  }
  model_.sessions.push_back({handle, task, (flags & CKF_RW_SESSION) != 0});
}

void Player::close_session() {
  const SessionChoice at = choose_session();
  Answers answers("C_CloseSession");
  if (judge_session(answers, at).judge(p11().C_CloseSession(at.handle))) model_.close(*at.session);
}

void Player::close_all_sessions() {
  const CK_SLOT_ID slot = choose_slot();
  TaskModel* const task = model_.task(slot);
  Answers answers("C_CloseAllSessions");
  answers.first(!model_.initialized, CKR_CRYPTOKI_NOT_INITIALIZED)
      .fault(task == nullptr, CKR_SLOT_ID_INVALID)
      .fault(task == nullptr, CKR_TOKEN_NOT_PRESENT);
  if (answers.judge(p11().C_CloseAllSessions(slot))) model_.close_all(*task);
}

void Player::ask_session() {
  const SessionChoice at = choose_session();
  CK_SESSION_INFO info{};
  Answers answers("C_GetSessionInfo");
  if (!judge_session(answers, at).judge(p11().C_GetSessionInfo(at.handle, &info))) return;
  const bool user = model_.has_access(*at.session->task);
  const CK_STATE write = user ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION;
  const CK_STATE read = user ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION;
  require(info.slotID == at.session->task->slot, "a session is its task's");
  require(info.state == (at.session->read_write ? write : read),
          "a session's state is its login's");
}

void Player::log_in() {
  const SessionChoice at = choose_session();
  const std::uint8_t form = input_.byte();
  const CK_USER_TYPE user = form >= 0xf8 ? form & 3 : CKU_USER;
  std::string pin = FuzzedDevice::kClientPin;
  if (form % 4 == 3) pin += 'x';
  const bool null = form % 16 == 14;
  TaskModel* const task = at.session == nullptr ? nullptr : at.session->task;
  const bool checked = task != nullptr && model_.login_required() && !task->logged_in;
  const bool wrong = checked && form % 4 == 3 && !null && user == CKU_USER;
  const bool locked = checked && task->wrong_pins + (wrong ? 1 : 0) >= kMaxWrongPins;
  Answers answers("C_Login");
  judge_session(answers, at)
      .fault(null, CKR_ARGUMENTS_BAD)
      .fault(user == CKU_CONTEXT_SPECIFIC, CKR_OPERATION_NOT_INITIALIZED)
      .fault(user != CKU_USER && user != CKU_CONTEXT_SPECIFIC, CKR_USER_TYPE_INVALID)
      .fault(task != nullptr && task->logged_in, CKR_USER_ALREADY_LOGGED_IN)
      .fault(wrong, CKR_PIN_INCORRECT)
      .fault(locked, CKR_PIN_LOCKED);
  const CK_RV rv = p11().C_Login(
      at.handle, user, null ? nullptr : reinterpret_cast<CK_UTF8CHAR*>(pin.data()), pin.size());
  if (answers.judge(rv)) {
    task->logged_in = true;
    task->wrong_pins = 0;
  } else if (wrong) {
    ++task->wrong_pins;
  }
}

void Player::log_out() {
  const SessionChoice at = choose_session();
  Answers answers("C_Logout");
  judge_session(answers, at)
      .fault(at.session != nullptr && !at.session->task->logged_in, CKR_USER_NOT_LOGGED_IN);
  if (answers.judge(p11().C_Logout(at.handle))) model_.log_out(*at.session->task);
}

}  // namespace mayfly::test
