// The book of tasks that is kept in a registry.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/limited_log.h"
#include "compose/grant_gate.h"
#include "core/task_book.h"
#include "registry/registry.h"

namespace mayfly {

/// Who sees to it that the registry hears of this process.
enum class BookUpkeep {
  calls,   ///< the calls that the book gets: what loads libmayfly.so has no thread of ours
  thread,  ///< a thread of a mayfly program, which calls keep_up() all the time
};

/// A revocation that somebody has ordered.
struct RevocationOrdered {
  RevocationTarget target;
  std::string reason;
  std::string actor;
};

/// RegistryBook records the tasks of this process in a registry, as those of one broker, which it
/// registers at the first opening.
///
/// With BookUpkeep::calls the broker's lease covers the deadlines of its tasks, and what a call
/// records is written at once, unless the registry was found unreachable a moment ago: then it is
/// owed, and written by a later call. With BookUpkeep::thread calls only note what keep_up()
/// writes, and the lease is short.
class RegistryBook final : public TaskBook {
 public:
  RegistryBook(std::shared_ptr<Registry> registry, const Config& config, BookUpkeep upkeep);

  [[nodiscard]] std::unique_ptr<Admission> admit(const TaskRequest& request,
                                                 const ParentTask* parent) override;
  void record(const TaskMove& move) noexcept override;
  [[nodiscard]] std::vector<std::string> ordered_to_end() noexcept override;
  [[nodiscard]] std::vector<std::string> ordered_in_passing() noexcept override;
  void close() noexcept override;

  // For the thread ------------------------------------------------------------------------------

  /// Registers the broker, if it is not registered yet: before its first task.
  /// @throws Error as Registry::register_broker().
  void enrol() { static_cast<void>(require_broker(0)); }

  /// Has the thread told that something is owed; nothing tells nobody.
  /// @param tell  Must neither wait nor throw.
  void tell_when_owed(std::function<void()> tell);

  /// Has a revocation, which the registry could not be told of, told as soon as it answers. It is
  /// about what is open then.
  void owe(RevocationOrdered revocation);

  /// Fetches what is ordered and writes what is owed.
  /// @return false if the registry could not be reached, or could not be written.
  bool keep_up() noexcept;

  /// Whether something is still to be written.
  [[nodiscard]] bool owes() const;

  enum class Renewal {
    done,       // also where there is no broker
    too_late,   // it was taken over: its tasks are lost and are to be ended as such, and the next
                // opening registers another broker
    not_known,  // the registry could not be reached
  };
  /// Renews the broker's lease.
  [[nodiscard]] Renewal renew_lease() noexcept;

  /// The broker, if it is registered.
  [[nodiscard]] std::optional<BrokerRecord> broker() const;
  [[nodiscard]] Registry& registry() const noexcept { return *registry_; }

 private:
  class RegistryAdmission;

  struct Order {
    std::string reason;
    std::string actor;
  };

  void open(const OpeningRecord& opening, const Terms& terms, const std::optional<GrantUse>& grant);
  void record_opening(const NewTask& task, const std::optional<GrantUse>& grant);
  [[nodiscard]] std::string require_broker(std::uint64_t deadline_unix_s);
  void forget_broker(const std::string& id);
  void inherit(const BrokerRecord& self) noexcept;
  [[nodiscard]] std::optional<std::string> grant_of_ticket(ByteView given) const;
  [[nodiscard]] static std::string cause_of(const TaskMove& move, const Order* order);
  bool write_owed() noexcept;
  void write_changes();
  void write_revocations();
  [[nodiscard]] std::vector<TaskChange> owed_changes(std::size_t most) const;
  void fetch_orders() noexcept;
  void fetch_orders_within(std::optional<std::chrono::milliseconds> patience);
  [[nodiscard]] bool has_to_look() noexcept;
  [[nodiscard]] std::vector<std::string> known_orders() const noexcept;
  [[nodiscard]] bool rests() const noexcept;
  void rest(const std::exception& failure) noexcept;

  const std::shared_ptr<Registry> registry_;
  const GrantGate gate_;
  const BookUpkeep upkeep_;
  const std::chrono::milliseconds lease_;  // with a thread: as long as it is not renewed
  log::LimitedLog log_;
  std::atomic<BootClock::rep> rests_until_{0};  // calls leave an unreachable registry alone
  std::atomic<BootClock::rep> next_look_{0};    // for orders

  std::mutex registration_;  // for openings that register the broker to take turns
  std::mutex writing_;       // one at a time writes what is owed, in its order

  mutable std::mutex mutex_;  // guards what follows; the registry is never called with it held
  std::optional<BrokerRecord> broker_;
  bool was_taken_over_ = false;     // found at an opening, and not said yet
  std::uint64_t leased_until_ = 0;  // seconds since 1970, with BookUpkeep::calls
  std::deque<TaskChange> owed_;
  std::deque<RevocationOrdered> owed_revocations_;
  std::function<void()> tell_owed_;
  std::map<std::string, Order> orders_;  // by the serial, until the task has ended
};

}  // namespace mayfly
