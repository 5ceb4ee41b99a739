#include "core/application.h"

#include "base/error.h"
#include "core/attestation.h"
#include "core/task_keeper.h"
#include "core/task_ledger.h"

namespace mayfly {
namespace {

void check_access(const Token& token) {
  token.check_alive();
  if (!token.has_user_access()) throw Error(CKR_USER_NOT_LOGGED_IN, "evidence needs a login");
}

std::shared_ptr<Object> key_to_attest(const Token& token, ObjectHandle key, ByteView nonce) {
  check_access(token);
  std::shared_ptr<Object> object = token.key(key);
  if (object->session_key() == nullptr) {
    throw Error(CKR_KEY_HANDLE_INVALID, "the object is no private key");
  }
  check_nonce(nonce);
  if (!token.task().device().attests()) {
    throw Error(CKR_FUNCTION_NOT_SUPPORTED, "the device gives no evidence of its keys");
  }
  return object;
}

}  // namespace

Application::Application(TaskTable& tasks, std::size_t max_sessions, ShownKeys shown)
    : tasks_(tasks), max_sessions_(max_sessions), shown_(shown), seen_event_(tasks.last_event()) {}

Application::~Application() { finish(); }

void Application::throw_invalid_handle() {
  throw Error(CKR_SESSION_HANDLE_INVALID, "the handle names no open session");
}

std::shared_ptr<Task> Application::task(SlotId slot) const {
  std::shared_ptr<Task> found = tasks_.find(slot);
  if (found != nullptr && found->alive()) return found;
  if (found != nullptr || tasks_.ended_lately(slot)) {
    throw Error(CKR_TOKEN_NOT_PRESENT, "the task of the slot has ended");
  }
  throw Error(CKR_SLOT_ID_INVALID, "there is no such slot");
}

std::shared_ptr<Token> Application::token(SlotId slot) {
  const std::shared_ptr<Task> found = task(slot);
  const std::scoped_lock lock(mutex_);
  if (const auto known = tokens_.find(slot.value); known != tokens_.end()) return known->second;
  if (tokens_.size() >= purge_at_) {
    std::erase_if(tokens_,
                  [](const auto& entry) { return is_final(entry.second->task().state()); });
    purge_at_ = kFewTokens + 2 * tokens_.size();
  }
  auto token = std::make_shared<Token>(found, sessions_, shown_);
  found->add_observer(token);
  tokens_.emplace(slot.value, token);
  return token;
}

Token::SessionCounts Application::session_counts(SlotId slot) const {
  const std::scoped_lock lock(mutex_);
  const auto known = tokens_.find(slot.value);
  return known == tokens_.end() ? Token::SessionCounts{} : known->second->session_counts();
}

SessionHandle Application::open_session(SlotId slot, bool read_write) {
  tasks_.obey_orders();
  const std::shared_ptr<Token> token = this->token(slot);
  if (sessions_->size() >= max_sessions_) {
    throw Error(CKR_SESSION_COUNT, "the application has " + std::to_string(max_sessions_) +
                                       " sessions open already; see limits.sessions");
  }
  const auto handle = next_handle<SessionHandle>();
  const auto session = std::make_shared<Session>(handle, token, read_write);
  sessions_->insert(handle, session);
  try {
    token->add_session(handle, read_write);
  } catch (...) {
    sessions_->take(handle);
    throw;
  }
  return handle;
}

void Application::close_session(SessionHandle handle) {
  const std::shared_ptr<Session> session = sessions_->take(handle);
  if (session == nullptr) throw_invalid_handle();
  session->close();
  session->token().remove_session(handle).require_destroyed();
}

EndReport Application::close_sessions(Token& token) noexcept {
  EndReport report;
  while (const auto handle = token.any_session()) {
    if (const auto session = sessions_->take(*handle)) session->close();
    report.add(token.remove_session(*handle));
  }
  return report;
}

void Application::close_all_sessions(SlotId slot) {
  static_cast<void>(task(slot));
  std::shared_ptr<Token> token;
  {
    const std::scoped_lock lock(mutex_);
    const auto known = tokens_.find(slot.value);
    if (known == tokens_.end()) return;
    token = known->second;
  }
  close_sessions(*token).require_destroyed();
}

void Application::check_attestation(SlotId slot, ObjectHandle key, ByteView nonce) {
  static_cast<void>(key_to_attest(*token(slot), key, nonce));
}

std::string Application::attest(SlotId slot, ObjectHandle key, ByteView nonce) {
  const std::shared_ptr<Token> token = this->token(slot);
  const std::uint64_t epoch = token->login_epoch();
  const std::shared_ptr<Object> object = key_to_attest(*token, key, nonce);
  Task& task = token->task();
  std::string evidence = task.ledger().witness(
      "evidence of a key", [&] { return task.keeper().attest(task, *object, nonce); });
  check_access(*token);
  if (token->login_epoch() != epoch) {
    throw Error(CKR_USER_NOT_LOGGED_IN, "the login under which evidence was asked for has ended");
  }
  return evidence;
}

SlotId Application::next_slot_event() {
  std::uint64_t seen = seen_event_.load();
  while (true) {
    const auto event = tasks_.event_after(seen);
    if (!event) return SlotId{};
    if (seen_event_.compare_exchange_weak(seen, event->number)) return event->slot;
  }
}

SlotId Application::wait_for_slot_event() {
  std::uint64_t seen = seen_event_.load();
  while (true) {
    const auto event = tasks_.wait_for_event(seen);
    if (!event) return SlotId{};
    if (seen_event_.compare_exchange_weak(seen, event->number)) return event->slot;
  }
}

EndReport Application::finish() noexcept {
  std::unordered_map<CK_SLOT_ID, std::shared_ptr<Token>> tokens;
  {
    const std::scoped_lock lock(mutex_);
    tokens.swap(tokens_);
  }
  EndReport report;
  for (const auto& [slot, token] : tokens) report.add(close_sessions(*token));
  return report;
}

}  // namespace mayfly
