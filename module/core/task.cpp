#include "core/task.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "core/device_answer.h"
#include "core/task_keeper.h"

namespace mayfly {
namespace {

// What a device is given to do at the same time can't be taken back, and an end waits for it: with
// a slow device and a thread for each of many connections that would be long.
constexpr std::size_t kGenerationsAtOnce = 8;

std::uint64_t on_the_wall(BootClock::time_point deadline) noexcept {
  // No difference of time points: the deadline may be the largest there is.
  const auto left = std::chrono::ceil<std::chrono::seconds>(deadline.time_since_epoch()) -
                    std::chrono::floor<std::chrono::seconds>(BootClock::now().time_since_epoch());
  return unix_now_s() + static_cast<std::uint64_t>(std::max<std::int64_t>(0, left.count()));
}

}  // namespace

void EndReport::require_destroyed() const {
  if (pending == 0) return;
  throw Error(CKR_DEVICE_ERROR, std::to_string(pending) +
                                    " keys can't be used any more, but the device did not confirm "
                                    "their destruction; it is retried");
}

Task::Task(Identity identity, BootClock::time_point deadline, TaskPolicy policy,
           std::unique_ptr<Login> login, std::unique_ptr<TaskKeeper> keeper, Device& device,
           EndListener listener)
    : identity_(std::move(identity)),
      deadline_(deadline),
      deadline_unix_s_(on_the_wall(deadline)),
      policy_(std::move(policy)),
      login_(std::move(login)),
      keeper_(std::move(keeper)),
      device_(device),
      listener_(std::move(listener)),
      quota_(policy_.max_objects),
      objects_(quota_),
      generations_allowed_(policy_.max_keys),
      signatures_allowed_(policy_.max_signatures),
      signature_rate_(policy_.max_rate) {}

Task::~Task() = default;

std::string_view Task::label() const noexcept { return utf8_prefix(identity_.id, 32); }

std::size_t Task::key_count() const {
  const std::scoped_lock lock(mutex_);
  return keys_.size();
}

void Task::check_pin(ByteView pin) {
  if (policy_.login_required) login_->check(pin);
}

CK_FLAGS Task::login_flags() const noexcept {
  if (!policy_.login_required) return 0;
  return CKF_LOGIN_REQUIRED | login_->token_flags();
}

std::shared_ptr<KeyScope> Task::open_scope() const {
  return device_.open_scope({identity_.id, identity_.serial, deadline_});
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

bool Task::move_to(TaskState next) noexcept {
  if (!may_move(state(), next)) return false;
  state_.store(next);
  return true;
}

/// One of the key pairs that the policy allows. A generation that fails gives it back: of what the
/// device may have made then, nobody has a key.
class Task::KeyPermit {
 public:
  explicit KeyPermit(Allowance& allowed) : allowed_(allowed) {
    if (allowed_.take()) return;
    throw Error(CKR_DEVICE_MEMORY,
                "the task has made the " + std::to_string(allowed_.most()) +
                    " key pairs that its policy allows; see max-keys of the policy");
  }
  ~KeyPermit() {
    if (!used_) allowed_.give_back();
  }
  KeyPermit(const KeyPermit&) = delete;
  KeyPermit& operator=(const KeyPermit&) = delete;

  void use() noexcept { used_ = true; }

 private:
  Allowance& allowed_;
  bool used_ = false;
};

std::shared_ptr<SessionKey> Task::generate(KeyScope& scope, const KeySpec& spec) {
  const Generation generation(*this);
  device_.retry_pending();
  KeyPermit permit(generations_allowed_);
  auto key = std::make_shared<SessionKey>(
      ask_device([&] { return scope.generate(spec, [this] { require_alive(); }); }));
  permit.use();
  {
    const std::scoped_lock lock(mutex_);
    if (alive()) {
      keys_.insert(key);
      move_to(TaskState::active);  // unless it is
      return key;
    }
  }
  const Destruction result = key->destroy();
  {
    const std::scoped_lock lock(mutex_);
    late_.add(result);
  }
  throw Error(CKR_DEVICE_REMOVED, "task " + id() + " ended while its key was being made");
}

void Task::permit_signature() {
  if (!signature_rate_.take()) {
    throw Error(CKR_FUNCTION_FAILED, "more than the " + std::to_string(policy_.max_rate) +
                                         " signatures a second that the task's policy allows; try "
                                         "again in a moment");
  }
  if (!signatures_allowed_.take()) {
    throw Error(CKR_FUNCTION_REJECTED,
                "the task has made the " + std::to_string(signatures_allowed_.most()) +
                    " signatures that its policy allows; see max-signatures of the policy");
  }
}

void Task::settle_signature(bool made) noexcept {
  if (!made) {
    signatures_allowed_.give_back();
  } else if (signatures_allowed_.spend()) {
    end(TaskState::exhausted);
  }
}

Destruction Task::destroy(const std::shared_ptr<SessionKey>& key) noexcept {
  const Destruction result = key->destroy();
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
  EndReport report;
  for (const auto& key : keys) report.add(key->destroy());
  {
    std::unique_lock lock(mutex_);
    generations_over_.wait(lock, [this] { return generations_ == 0; });
    report.add(late_);
  }
  for (const auto& observer : observers) {
    if (const auto view = observer.lock()) view->task_ended(cause);
  }
  for (const auto& [number, object] : objects_.shut()) object->retire();
  listener_(*this, report);
  return report;
}

void Task::add_observer(const std::shared_ptr<TaskObserver>& observer) {
  const std::scoped_lock lock(mutex_);
  if (is_final(state())) throw Error(CKR_TOKEN_NOT_PRESENT, "task " + id() + " has ended");
  std::erase_if(observers_, [](const auto& known) { return known.expired(); });
  observers_.push_back(observer);
}

}  // namespace mayfly
