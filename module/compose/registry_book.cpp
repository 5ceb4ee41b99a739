#include "compose/registry_book.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "grant/refused.h"
#include "grant/ticket.h"
#include "registry/registry_refused.h"
#include "registry/registry_unanswered.h"

namespace mayfly {
namespace {

// How long calls do without a registry that could not be reached.
constexpr std::chrono::seconds kRest{10};
constexpr std::chrono::seconds kBetweenLooks{1};
constexpr std::chrono::milliseconds kPassingLook{200};  // what a signature may wait for it
// Of tasks in one transaction: others wait as long as it takes.
constexpr std::size_t kMostChanges = 200;
constexpr std::size_t kMostRevocations = 1'000;  // that wait for a registry
// How much longer than its last task a broker without a thread is taken for alive.
constexpr std::chrono::seconds kLeaseMargin{60};

std::string counted(const TaskMove& move) {
  return std::to_string(move.destroyed) + " keys destroyed, " + std::to_string(move.pending) +
         " pending";
}

}  // namespace

class RegistryBook::RegistryAdmission final : public Admission {
 public:
  RegistryAdmission(RegistryBook& book, Terms terms, std::optional<GrantUse> grant)
      : book_(book), terms_(std::move(terms)), grant_(std::move(grant)) {}

  [[nodiscard]] const Terms& terms() const noexcept override { return terms_; }
  void record(const OpeningRecord& opening) override { book_.open(opening, terms_, grant_); }

 private:
  RegistryBook& book_;
  const Terms terms_;
  const std::optional<GrantUse> grant_;
};

RegistryBook::RegistryBook(std::shared_ptr<Registry> registry, const Config& config,
                           BookUpkeep upkeep)
    : registry_(std::move(registry)),
      gate_(config),
      upkeep_(upkeep),
      lease_(config.registry.lease) {}

std::unique_ptr<Admission> RegistryBook::admit(const TaskRequest& request,
                                               const ParentTask* parent) {
  if (request.grant == nullptr) {
    Terms terms;
    terms.origin.agent = local_agent(request);
    return std::make_unique<RegistryAdmission>(*this, std::move(terms), std::nullopt);
  }
  const ByteView given = request.grant->view();
  const std::optional<std::string> kept = grant_of_ticket(given);
  CheckedGrant checked = gate_.check(kept ? *kept : as_text(given), request.id, parent);
  return std::make_unique<RegistryAdmission>(*this, std::move(checked.terms), checked.use);
}

/// The grant that a ticket stands for; nothing for what is no ticket.
std::optional<std::string> RegistryBook::grant_of_ticket(ByteView given) const {
  const std::optional<Bytes> ticket = grant::digest_of_ticket(given);
  if (!ticket) return std::nullopt;
  std::optional<std::string> text = registry_->take_ticket(*ticket);
  if (!text) {
    throw Error(CKR_PIN_INCORRECT,
                "there is no such ticket: it was used before, is over, or was never given out");
  }
  return text;
}

void RegistryBook::open(const OpeningRecord& opening, const Terms& terms,
                        const std::optional<GrantUse>& grant) {
  NewTask task{opening.serial, opening.id, terms.origin.agent,
               opening.parent, "",         opening.deadline_unix_s};
  for (bool again = true;; again = false) {
    task.broker = require_broker(opening.deadline_unix_s);
    try {
      record_opening(task, grant);
      return;
    } catch (const RegistryRefused& refusal) {
      if (refusal.reason() != RegistryRefusal::broker_is_gone || !again) throw;
      forget_broker(task.broker);
      // Its tasks are lost, which renew_lease() says to whoever ends them.
      const std::scoped_lock lock(mutex_);
      was_taken_over_ = true;
    }
  }
}

/// Without an answer it is asked for again, which is the same as once. If that fails as well, the
/// task may be open in the registry alone, and is to be ended there.
void RegistryBook::record_opening(const NewTask& task, const std::optional<GrantUse>& grant) {
  const std::string actor = "broker " + task.broker;
  try {
    return registry_->open_task(task, grant, actor);
  } catch (const RegistryUnanswered& failure) {
    log::warn("whether task " + task.id + " is recorded as open is not known yet", failure);
  }
  try {
    registry_->open_task(task, grant, actor);
  } catch (const RegistryRefused&) {  // it never was
    throw;
  } catch (const Error& error) {
    if (error.rv() == CKR_ARGUMENTS_BAD) throw;  // it has ended already
    const std::scoped_lock lock(mutex_);
    owed_.push_back(
        {task.serial, TaskState::closed, "it could not be opened after all", actor, {}});
    if (tell_owed_) tell_owed_();
    throw;
  }
}

/// The ID of the registered broker, whose lease covers the deadline where no thread renews it.
std::string RegistryBook::require_broker(std::uint64_t deadline_unix_s) {
  const std::scoped_lock turn(registration_);
  std::optional<BrokerRecord> broker = this->broker();
  const std::uint64_t until = deadline_unix_s + static_cast<std::uint64_t>(kLeaseMargin.count());
  {
    const std::scoped_lock lock(mutex_);
    if (broker && (upkeep_ == BookUpkeep::thread || until <= leased_until_)) return broker->id;
  }
  std::chrono::milliseconds lease = lease_;
  if (upkeep_ == BookUpkeep::calls) {
    const std::uint64_t now = unix_now_s();
    lease = std::max(
        lease, std::chrono::milliseconds(std::chrono::seconds(until > now ? until - now : 0)));
  }
  const bool is_new = !broker || !registry_->renew_lease(broker->id, lease);
  if (is_new) {
    broker = BrokerRecord{make_broker_id(), registry_->host(), ProcessIdentity::self()};
    registry_->register_broker(*broker, lease);
  }
  {
    const std::scoped_lock lock(mutex_);
    broker_ = broker;
    leased_until_ = until;
  }
  if (is_new && upkeep_ == BookUpkeep::calls) inherit(*broker);
  return broker->id;
}

void RegistryBook::forget_broker(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  if (broker_ && broker_->id == id) broker_.reset();
}

std::optional<BrokerRecord> RegistryBook::broker() const {
  const std::scoped_lock lock(mutex_);
  return broker_;
}

/// Sees to it that the tasks of dead brokers are known to be lost. Those that may have left keys on
/// a device, and those whose lease alone is over, are for brokers that have a thread.
void RegistryBook::inherit(const BrokerRecord& self) noexcept {
  try {
    for (const TakenOver& left : registry_->take_over(self, TakeOverScope::dead_without_keys)) {
      if (!left.tasks.empty()) {
        log::warn("broker " + left.broker.id + " is gone; " + std::to_string(left.tasks.size()) +
                  " tasks of it are lost");
      }
      if (left.stored_keys.empty()) registry_->finish_take_over(self.id, left.broker.id);
    }
  } catch (const std::exception& error) {
    log::warn("dead brokers were not looked for", error);
  }
}

void RegistryBook::record(const TaskMove& move) noexcept {
  try {
    {
      const std::scoped_lock lock(mutex_);
      const auto order = orders_.find(move.serial);
      const Order* const ordered = order == orders_.end() ? nullptr : &order->second;
      std::string actor = "broker " + (broker_ ? broker_->id : std::string("that is gone"));
      if (ordered != nullptr) actor = ordered->actor;
      owed_.push_back(
          {move.serial, move.to, cause_of(move, ordered), std::move(actor), move.ledger_key});
      if (ordered != nullptr && is_final(move.to)) orders_.erase(order);
      if (tell_owed_) tell_owed_();
    }
    if (upkeep_ == BookUpkeep::calls && !rests()) write_owed();
  } catch (const std::exception& error) {
    log::warn("the state of a task is not recorded", error);
  }
}

/// @param order  That the task ends; null for none.
std::string RegistryBook::cause_of(const TaskMove& move, const Order* order) {
  if (!is_final(move.to)) return "its first key was made";
  std::string cause = move.cause.empty() ? std::string(to_string(move.to)) : move.cause;
  if (order != nullptr && move.to == TaskState::revoked) cause = order->reason;
  const std::string counts = "; " + counted(move);
  return std::string(utf8_prefix(cause, kMostCause - counts.size())) + counts;
}

/// @return false if something is still owed.
bool RegistryBook::write_owed() noexcept {
  const std::scoped_lock turn(writing_);
  try {
    write_changes();
    write_revocations();
    return true;
  } catch (const std::exception& error) {
    rest(error);
    return false;
  }
}

void RegistryBook::write_changes() {
  std::size_t most = kMostChanges;
  while (true) {
    const std::vector<TaskChange> next = owed_changes(most);
    if (next.empty()) return;
    try {
      registry_->move_tasks(next);
    } catch (const Error& error) {
      if (error.rv() != CKR_ARGUMENTS_BAD) throw;
      if (next.size() > 1) {  // one by one it shows which it is
        most = 1;
        continue;
      }
      log::warn("the state of a task is not recorded", error);
    }
    const std::scoped_lock lock(mutex_);
    owed_.erase(owed_.begin(), owed_.begin() + static_cast<std::ptrdiff_t>(next.size()));
  }
}

std::vector<TaskChange> RegistryBook::owed_changes(std::size_t most) const {
  const std::scoped_lock lock(mutex_);
  const std::size_t count = std::min(most, owed_.size());
  return {owed_.begin(), owed_.begin() + static_cast<std::ptrdiff_t>(count)};
}

void RegistryBook::write_revocations() {
  while (true) {
    RevocationOrdered next;
    {
      const std::scoped_lock lock(mutex_);
      if (owed_revocations_.empty()) return;
      next = owed_revocations_.front();
    }
    const std::size_t tasks =
        registry_->request_revocation(next.target, next.reason, next.actor).size();
    log::warn("the registry knows now of the revocation by " + next.actor + ": " + next.reason +
              "; " + std::to_string(tasks) + " open tasks are to end by it");
    const std::scoped_lock lock(mutex_);
    owed_revocations_.pop_front();
  }
}

void RegistryBook::owe(RevocationOrdered revocation) {
  const std::scoped_lock lock(mutex_);
  if (owed_revocations_.size() == kMostRevocations) {
    throw Error(CKR_HOST_MEMORY, "too many revocations wait for the registry already");
  }
  owed_revocations_.push_back(std::move(revocation));
  if (tell_owed_) tell_owed_();
}

bool RegistryBook::rests() const noexcept {
  return BootClock::now().time_since_epoch().count() < rests_until_.load();
}

void RegistryBook::rest(const std::exception& failure) noexcept {
  rests_until_.store((BootClock::now() + kRest).time_since_epoch().count());
  log_.warn([&] {
    return "the registry can't be written; what happens to tasks is recorded later: " +
           std::string(failure.what());
  });
}

/// Whether it is time to look for orders: of several threads one does.
bool RegistryBook::has_to_look() noexcept {
  if (upkeep_ != BookUpkeep::calls || rests()) return false;
  const auto now = BootClock::now();
  BootClock::rep due = next_look_.load();
  return now.time_since_epoch().count() >= due &&
         next_look_.compare_exchange_strong(due, (now + kBetweenLooks).time_since_epoch().count());
}

std::vector<std::string> RegistryBook::ordered_to_end() noexcept {
  if (has_to_look()) {
    write_owed();
    fetch_orders();
  }
  return known_orders();
}

std::vector<std::string> RegistryBook::ordered_in_passing() noexcept {
  if (has_to_look()) {
    try {
      fetch_orders_within(kPassingLook);
    } catch (const std::exception& error) {
      next_look_.store((BootClock::now() + kRest).time_since_epoch().count());
      log_.warn([&] {
        return "whether tasks are revoked is looked for later: " + std::string(error.what());
      });
    }
  }
  return known_orders();
}

std::vector<std::string> RegistryBook::known_orders() const noexcept {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> serials;
  try {
    for (const auto& [serial, order] : orders_) serials.push_back(serial);
  } catch (const std::bad_alloc&) {  // the rest is given out next time
  }
  return serials;
}

void RegistryBook::fetch_orders() noexcept {
  try {
    fetch_orders_within(std::nullopt);
  } catch (const std::exception& error) {
    rest(error);
  }
}

/// @throws Error as Registry::revocations_within().
void RegistryBook::fetch_orders_within(std::optional<std::chrono::milliseconds> patience) {
  const std::optional<BrokerRecord> self = broker();
  if (!self) return;
  std::vector<RevocationOrder> orders = registry_->revocations_within(patience, self->id);
  const std::scoped_lock lock(mutex_);
  for (RevocationOrder& order : orders) {
    const bool is_owed = std::ranges::any_of(owed_, [&](const TaskChange& owed) {
      return owed.serial == order.serial && is_final(owed.to);
    });
    if (is_owed) continue;
    const auto [known, is_new] = orders_.try_emplace(
        order.serial, Order{"revoked: " + order.reason, std::move(order.actor)});
    if (is_new) {
      log::warn("task " + order.task_id + " is revoked by " + known->second.actor + ": " +
                order.reason);
    }
  }
}

bool RegistryBook::owes() const {
  const std::scoped_lock lock(mutex_);
  return !owed_.empty() || !owed_revocations_.empty();
}

void RegistryBook::tell_when_owed(std::function<void()> tell) {
  const std::scoped_lock lock(mutex_);
  tell_owed_ = std::move(tell);
}

bool RegistryBook::keep_up() noexcept {
  const auto hear = [this] {
    const BootClock::rep before = rests_until_.load();
    fetch_orders();
    return rests_until_.load() == before;
  };
  // Orders come first: they can be read also where nothing can be written, and a registry that is
  // away takes its time-out once.
  if (!hear()) return false;
  const bool writes = owes();
  if (!write_owed()) return false;
  return !writes || hear();  // what is written can order ends itself
}

RegistryBook::Renewal RegistryBook::renew_lease() noexcept {
  try {
    {
      const std::scoped_lock lock(mutex_);
      if (std::exchange(was_taken_over_, false)) return Renewal::too_late;
    }
    const std::optional<BrokerRecord> self = broker();
    if (!self || registry_->renew_lease(self->id, lease_)) return Renewal::done;
    log::error("broker " + self->id +
               " did not renew its lease in time and was taken over; its tasks are lost");
    forget_broker(self->id);
    return Renewal::too_late;
  } catch (const std::exception& error) {
    rest(error);
    return Renewal::not_known;
  }
}

void RegistryBook::close() noexcept {
  const std::optional<BrokerRecord> self = broker();
  if (!self) return;
  // Also if it was away a moment ago: there is no later call that could tell it.
  if (!write_owed()) {
    log::error(
        "the ends of tasks, or revocations, are not recorded in the registry; tasks show as lost "
        "when the lease of their broker is over");
    return;
  }
  try {
    registry_->end_broker(self->id, "broker " + self->id);
    forget_broker(self->id);
  } catch (const std::exception& error) {
    log::warn("the end of the broker is not recorded", error);
  }
}

}  // namespace mayfly
