#include "core/task.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/safeguard.h"
#include "base/utf8.h"
#include "core/device_answer.h"
#include "core/task_keeper.h"
#include "core/task_ledger.h"

namespace mayfly {
namespace {

// What a device is given to do at the same time can't be taken back, and an end waits for it: with
// a slow device and a thread for each of many connections that would be long.
constexpr std::size_t kGenerationsAtOnce = 8;

}  // namespace

std::uint64_t on_the_wall(BootClock::time_point deadline) noexcept {
  // No difference of time points: the deadline may be the largest there is.
  const auto left = std::chrono::ceil<std::chrono::seconds>(deadline.time_since_epoch()) -
                    std::chrono::floor<std::chrono::seconds>(BootClock::now().time_since_epoch());
  return unix_now_s() + static_cast<std::uint64_t>(std::max<std::int64_t>(0, left.count()));
}

void EndReport::require_destroyed() const {
  if (pending == 0) return;
  throw Error(CKR_DEVICE_ERROR, std::to_string(pending) +
                                    " keys can't be used any more, but the device did not confirm "
                                    "their destruction; it is retried");
}

Task::Task(TaskPlan plan, SlotId slot, std::unique_ptr<Login> login,
           std::unique_ptr<TaskKeeper> keeper, Device& device, std::shared_ptr<Task> parent,
           TaskOwner& owner)
    : plan_(std::move(plan)),
      slot_(slot),
      parent_(std::move(parent)),
      meter_(parent_ == nullptr ? std::make_shared<UseMeter>() : parent_->meter_),
      login_(std::move(login)),
      keeper_(std::move(keeper)),
      device_(device),
      owner_(owner),
      ledger_(std::make_unique<TaskLedger>(*meter_)),
      quota_(plan_.policy.max_objects),
      objects_(quota_),
      generations_allowed_(plan_.policy.max_keys),
      signatures_allowed_(plan_.policy.max_signatures),
      signature_rate_(plan_.policy.max_rate) {}

Task::~Task() = default;

std::string_view Task::label() const noexcept { return utf8_prefix(id(), 32); }

bool Task::alive(BootClock::time_point now) const noexcept {
  for (const Task* one = this; one != nullptr; one = one->parent_.get()) {
    if (is_final(one->state())) return false;
  }
  return now < deadline() || !kept(Safeguard::deadline);
}

std::size_t Task::key_count() const {
  const std::scoped_lock lock(mutex_);
  return keys_.size();
}

void Task::keep_ledger(const LedgerPlace& place) {
  ledger_ = std::make_unique<TaskLedger>(place, *this);
}

bool Task::check_grant(ByteView pin) {
  if (!awaits_grant()) return false;
  const std::scoped_lock turn(admission_);
  if (!awaits_grant()) return false;
  owner_.admit(*this, pin);
  ledger_->require_written();
  return true;
}

void Task::check_pin(ByteView pin) {
  if (check_grant(pin)) return;
  if (policy().login_required) login_->check(pin);
  ledger_->logged_in();
}

CK_FLAGS Task::login_flags() const noexcept {
  if (!login_required()) return 0;
  return CKF_LOGIN_REQUIRED | (awaits_grant() ? 0 : login_->token_flags());
}

std::shared_ptr<KeyScope> Task::open_scope() const {
  return device_.open_scope({id(), serial(), deadline()});
}

/// A key that is being made: the task's end is not complete before it is over.
class Task::Generation {
 public:
  explicit Generation(Task& task) : task_(task) {
    std::unique_lock lock(task_.mutex_);
    task_.turn_.wait(lock,
                     [&] { return !task_.alive() || task_.generations_ < kGenerationsAtOnce; });
    if (!task_.alive()) task_.turn_.notify_all();  // a deadline is nobody's call
    task_.require_alive();
    ++task_.generations_;
  }
  ~Generation() {
    const std::scoped_lock lock(task_.mutex_);
    task_.turn_.notify_one();
    if (--task_.generations_ == 0) task_.generations_over_.notify_all();
  }
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

 private:
  Task& task_;
};

void Task::require_alive() const {
  if (!alive()) throw Error(CKR_DEVICE_REMOVED, "task " + id() + " has ended");
}

void Task::require_granted() const {
  if (!awaits_grant()) return;
  throw Error(
      CKR_USER_NOT_LOGGED_IN,
      "task " + id() + " makes no keys before a login brings its grant, or a ticket for it");
}

void Task::confine(TaskPlan plan) {
  plan.awaits_grant = false;
  generations_allowed_.lower(plan.policy.max_keys);
  signatures_allowed_.lower(plan.policy.max_signatures);
  signature_rate_.lower(plan.policy.max_rate);
  confined_ = std::make_unique<const TaskPlan>(std::move(plan));
  terms_.store(confined_.get(), std::memory_order_release);
}

void Task::adopt(const std::shared_ptr<Task>& child) {
  const std::scoped_lock lock(mutex_);
  require_alive();
  std::erase_if(children_, [](const auto& known) { return known.expired(); });
  children_.push_back(child);
}

bool Task::move_to(TaskState next) noexcept {
  if (!may_move(state(), next)) return false;
  state_.store(next);
  return true;
}

/// One of the key pairs that the policies of the task and of those above it allow. A generation
/// that fails gives it back: of what the device may have made then, nobody has a key.
class Task::KeyPermit {
 public:
  explicit KeyPermit(Task& task) : task_(task) {
    for (Task* one = &task; one != nullptr; one = one->parent_.get()) {
      if (one->generations_allowed_.take()) continue;
      give_back(one);
      throw Error(CKR_DEVICE_MEMORY,
                  "task " + one->id() + " has made the " +
                      std::to_string(one->generations_allowed_.most()) +
                      " key pairs that its policy allows; see max-keys of the policy");
    }
  }
  ~KeyPermit() {
    if (!used_) give_back(nullptr);
  }
  KeyPermit(const KeyPermit&) = delete;
  KeyPermit& operator=(const KeyPermit&) = delete;

  void use() noexcept { used_ = true; }

 private:
  /// What was taken of the tasks below `end`.
  void give_back(const Task* end) noexcept {
    for (Task* one = &task_; one != end; one = one->parent_.get()) {
      one->generations_allowed_.give_back();
    }
  }

  Task& task_;
  bool used_ = false;
};

std::shared_ptr<SessionKey> Task::generate(KeyScope& scope, const KeySpec& spec) {
  require_granted();
  ledger_->require_written();
  const Generation generation(*this);
  device_.retry_pending();
  KeyPermit permit(*this);
  auto key = std::make_shared<SessionKey>(
      ask_device([&] { return scope.generate(spec, [this] { require_alive(); }); }));
  try {
    ledger_->generated(*this, *key);
  } catch (...) {
    discard(*key);
    throw;
  }
  permit.use();
  bool taken = false;
  bool first = false;
  {
    const std::scoped_lock lock(mutex_);
    if (alive()) {
      taken = keys_.insert(key).second;
      first = move_to(TaskState::active);
    }
  }
  if (first) owner_.task_active(*this);
  if (taken) {
    tell_each([&](TaskObserver& observer) { observer.key_made(key->public_key()); });
    return key;
  }
  discard(*key);
  throw Error(CKR_DEVICE_REMOVED, "task " + id() + " ended while its key was being made");
}

void Task::discard(SessionKey& key) noexcept {
  const Destruction result = key.destroy();
  ledger_->destroyed(key, result);
  const std::scoped_lock lock(mutex_);
  if (!alive()) late_.add(result);
}

void Task::permit_signature() {
  if (!signature_rate_.take()) {
    throw Error(CKR_FUNCTION_FAILED, "more than the " + std::to_string(policy().max_rate) +
                                         " signatures a second that the task's policy allows; try "
                                         "again in a moment");
  }
  if (!signatures_allowed_.take()) {
    throw Error(CKR_FUNCTION_REJECTED,
                "task " + id() + " has made the " + std::to_string(signatures_allowed_.most()) +
                    " signatures that its policy allows; see max-signatures of the policy");
  }
  if (parent_ == nullptr) return;
  try {
    parent_->permit_signature();
  } catch (...) {
    signatures_allowed_.give_back();
    throw;
  }
}

void Task::settle_signature(bool made) noexcept {
  if (!made) {
    signatures_allowed_.give_back();
  } else if (signatures_allowed_.spend()) {
    end(TaskState::exhausted);
  }
  if (parent_ != nullptr) parent_->settle_signature(made);
}

Destruction Task::destroy(const std::shared_ptr<SessionKey>& key) noexcept {
  const Destruction result = key->destroy();
  ledger_->destroyed(*key, result);
  tell_each([&](TaskObserver& observer) { observer.key_destroyed(key->public_key()); });
  const std::scoped_lock lock(mutex_);
  keys_.erase(key);
  return result;
}

Destruction Task::drop_name(const std::shared_ptr<SessionKey>& key) noexcept {
  return key->drop_name() ? destroy(key) : Destruction::destroyed;
}

std::optional<EndReport> Task::end(TaskState cause) noexcept {
  std::unordered_set<std::shared_ptr<SessionKey>> keys;
  std::vector<std::weak_ptr<TaskObserver>> observers;
  {
    const std::scoped_lock lock(mutex_);
    if (!is_final(cause) || !move_to(cause)) return std::nullopt;
    keys.swap(keys_);
    observers.swap(observers_);
    turn_.notify_all();
  }
  EndReport total = end_children(cause);
  EndReport report;
  for (const auto& key : keys) {
    const Destruction outcome = key->destroy();
    ledger_->destroyed(*key, outcome);
    report.add(outcome);
  }
  {
    std::unique_lock lock(mutex_);
    generations_over_.wait(lock, [this] { return generations_ == 0; });
    report.add(late_);
  }
  for (const auto& observer : observers) {
    if (const auto view = observer.lock()) view->task_ended(cause);
  }
  for (const auto& [number, object] : objects_.shut()) object->retire();
  // That of the ledger's own key is no news unless something is wrong.
  if (ledger_->close(cause, report) == Destruction::pending) ++report.pending;
  owner_.task_ended(*this, report);
  {
    const std::scoped_lock lock(mutex_);
    is_over_ = true;
    over_.notify_all();
  }
  total.add(report);
  return total;
}

EndReport Task::end_children(TaskState cause) noexcept {
  std::vector<std::weak_ptr<Task>> children;
  {
    const std::scoped_lock lock(mutex_);
    children.swap(children_);
  }
  EndReport total;
  for (const auto& known : children) {
    const std::shared_ptr<Task> child = known.lock();
    if (child == nullptr) continue;
    if (const auto report = child->end(cause)) {
      total.add(*report);
    } else {
      child->wait_for_end();  // another thread is at it
    }
  }
  return total;
}

bool Task::is_over() const {
  const std::scoped_lock lock(mutex_);
  return is_over_;
}

void Task::wait_for_end() noexcept {
  std::unique_lock lock(mutex_);
  over_.wait(lock, [this] { return is_over_; });
}

/// Takes no memory: what is gone is told of in any case.
template <typename Tell>
void Task::tell_each(const Tell& tell) const noexcept {
  for (auto observer = observer_after(nullptr); observer != nullptr;
       observer = observer_after(observer)) {
    tell(*observer);
  }
}

std::shared_ptr<TaskObserver> Task::observer_after(
    const std::shared_ptr<TaskObserver>& last) const noexcept {
  const std::scoped_lock lock(mutex_);
  bool is_next = last == nullptr;
  for (const auto& known : observers_) {
    if (is_next) {
      // No other is taken hold of: none may be given back, and perhaps end, under the lock.
      if (auto observer = known.lock()) return observer;
    } else {
      is_next = !known.owner_before(last) && !last.owner_before(known);
    }
  }
  return nullptr;
}

void Task::add_observer(const std::shared_ptr<TaskObserver>& observer) {
  const std::scoped_lock lock(mutex_);
  if (is_final(state())) throw Error(CKR_TOKEN_NOT_PRESENT, "task " + id() + " has ended");
  std::erase_if(observers_, [](const auto& known) { return known.expired(); });
  observers_.push_back(observer);
}

}  // namespace mayfly
