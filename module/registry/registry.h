// What outlives a process: which tasks are open and where, which grants are spent, which keys may
// be left on a device.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "registry/records.h"
#include "registry/watch.h"

namespace mayfly {

/// Registry is shared by all processes that run with one configuration: those of one machine, or of
/// a fleet. Each function is one transaction: it happens as a whole or not at all, also when the
/// process is killed in it, and what it wrote survives a crash of the machine when it returns.
///
/// Safe to use from several threads and processes. A child that is forked while another thread uses
/// it may find it locked for good, which is an Error there.
///
/// @throws Error CKR_FUNCTION_FAILED "WHERE: what is wrong; how to mend it", by every function,
///         within the configured time-out, when the registry can't be reached or written. Whether
///         what was asked has happened is then unknown only if it was lost in the very last step,
///         which a RegistryUnanswered says; asking again is safe in all cases, as each function
///         says. CKR_ARGUMENTS_BAD for a record that is malformed or too large. RegistryRefused
///         where a function says so.
class Registry {
 public:
  virtual ~Registry() = default;
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// 12 hexadecimal digits of this registry on this machine: of a number in it and machine-id(5). A
  /// machine that is cloned while it has a registry must get a new ID, or a new registry.
  [[nodiscard]] virtual const std::string& host() const noexcept = 0;

  // Stored keys --------------------------------------------------------------------------------

  /// Records a key.
  virtual void add_stored_key(const StoredKeyRecord& record) = 0;
  /// Removes a record, if there is one.
  virtual void remove_stored_key(ByteView id) = 0;
  /// Marks a record as given up, if there is one.
  virtual void give_up_stored_key(ByteView id) = 0;
  /// The records of one device, oldest first.
  [[nodiscard]] virtual std::vector<StoredKeyRecord> stored_keys(const std::string& device) = 0;

  // Brokers and their leases -------------------------------------------------------------------

  /// Registers a broker, whose lease runs from now. Again for the same broker: the same as once.
  virtual void register_broker(const BrokerRecord& broker, std::chrono::milliseconds lease) = 0;

  /// Lets a lease run from now on. To be called about three times in the time of a lease.
  /// @return false when the broker is not registered any more: it was late, and another has taken
  ///         it over. Its tasks are `lost`; it ends them as such, at once, and registers as a new
  ///         broker.
  [[nodiscard]] virtual bool renew_lease(const std::string& broker,
                                         std::chrono::milliseconds lease) = 0;

  /// Ends a broker that stops in good order. Tasks of it that are still open become `lost`.
  virtual void end_broker(const std::string& broker, const std::string& actor) = 0;

  /// The brokers that are registered now.
  [[nodiscard]] virtual std::vector<BrokerRecord> brokers() = 0;

  /// Takes over every other broker that is gone, as far as `scope` says: its open tasks become
  /// `lost`. Of all brokers that try, one gets each. Also gives again what a broker had taken over
  /// that is itself gone without having said finish_take_over(), or what none has taken yet.
  /// @throws RegistryRefused broker_is_gone when `self` is not registered any more.
  [[nodiscard]] virtual std::vector<TakenOver> take_over(const BrokerRecord& self,
                                                         TakeOverScope scope) = 0;

  /// What was left of a broker is cleared up: nobody needs to look at it again.
  virtual void finish_take_over(const std::string& self, const std::string& broker) = 0;

  // Tasks --------------------------------------------------------------------------------------

  /// Opens a task and spends the grant that allows it, both or neither. Again with the same record:
  /// the same as once, so that whoever got no answer can ask again. The same ID may be open many
  /// times: who forbids that is the table of tasks of one broker.
  /// @param grant  Nothing where none is needed.
  /// @throws RegistryRefused of any reason.
  virtual void open_task(const NewTask& task, const std::optional<GrantUse>& grant,
                         const std::string& actor) = 0;

  /// Changes a task's state and records when, why and by whom. What is open below a task that ends
  /// is to be ended as well: its brokers are ordered to, as by a revocation.
  /// @return false when the task had ended already.
  /// @throws Error CKR_ARGUMENTS_BAD for a task that is not known, and for a change that there is
  ///         not: to `open`, or from `active` to `active`.
  bool move_task(const TaskChange& change) { return move_tasks({change}) == 1; }

  /// The same for many tasks, all or none of them, for little more than one costs. Tasks that have
  /// ended already are left alone.
  /// @return how many changed.
  virtual std::size_t move_tasks(const std::vector<TaskChange>& changes) = 0;

  /// Tasks in the order of their numbers.
  [[nodiscard]] virtual std::vector<TaskRecord> tasks(const TaskFilter& filter) = 0;

  /// All that has happened to a task, oldest first; empty for one that is not known.
  [[nodiscard]] virtual std::vector<TaskTransition> transitions(const std::string& serial) = 0;

  /// The tasks below one that are still open, deepest first: the order in which they are ended.
  [[nodiscard]] virtual std::vector<TaskRecord> children(const std::string& serial) = 0;

  // Revocations --------------------------------------------------------------------------------

  /// Orders that tasks be ended, with all that is open below them, and that a grant open nothing
  /// from now on. Each broker learns of it through its watch() and obeys with
  /// move_task(revoked); tasks of a broker that is gone end with its lease.
  /// @return the tasks that are ordered to end and have not ended yet.
  virtual std::vector<TaskRecord> request_revocation(const RevocationTarget& target,
                                                     const std::string& reason,
                                                     const std::string& actor) = 0;

  /// What a broker has still to obey, deepest tasks first.
  [[nodiscard]] std::vector<RevocationOrder> revocations(const std::string& broker) {
    return revocations_within(std::nullopt, broker);
  }
  /// The same, waiting no longer than told, where that is less than the registry's time-out.
  [[nodiscard]] virtual std::vector<RevocationOrder> revocations_within(
      std::optional<std::chrono::milliseconds> patience, const std::string& broker) = 0;

  // Tickets ------------------------------------------------------------------------------------

  /// Keeps a grant under the SHA-256 of a ticket. Again with the same: the same as once.
  /// @param grant    At most 8 KiB.
  /// @param expires  Seconds since 1970: the ticket is worth nothing from then on.
  virtual void add_ticket(ByteView ticket_hash, const std::string& grant,
                          std::uint64_t expires) = 0;

  /// Takes the grant of a ticket out: a second time there is none. Nothing for a ticket that is not
  /// there, or is over. A ticket whose taking got no answer may be gone.
  [[nodiscard]] virtual std::optional<std::string> take_ticket(ByteView ticket_hash) = 0;

  // House-keeping and news ---------------------------------------------------------------------

  /// Forgets tickets that are over, spent grants that could not be used again since `history`, and
  /// brokers and revocations of longer ago than that of which no task is left. A part at a time.
  /// @return how many records went; 0 when all is done.
  virtual std::size_t purge(std::chrono::seconds history) = 0;

  /// Tasks that ended longer ago than `history`, in the order of their ends: of which no stored key
  /// is left, and no task below them is open. A page of them.
  /// @param host   Only tasks of this host's brokers.
  /// @param after  The last task of the page before; nothing for the first.
  [[nodiscard]] virtual std::vector<TaskRecord> old_tasks(
      const std::string& host, std::chrono::seconds history,
      const std::optional<TaskRecord>& after) = 0;

  /// How many of these each host has, those among them that old_tasks() leaves out.
  [[nodiscard]] virtual std::map<std::string, std::uint64_t> old_tasks_by_host(
      std::chrono::seconds history) = 0;

  /// Forgets tasks, with all that happened to them: those that old_tasks() would give.
  /// @param serials  At most as many as a page has.
  /// @return how many went.
  virtual std::size_t forget_tasks(const std::vector<std::string>& serials,
                                   std::chrono::seconds history) = 0;

  /// @throws nothing because the registry can't be reached: the watch goes on trying.
  [[nodiscard]] virtual std::unique_ptr<Watch> watch() = 0;
};

/// A random ID for a broker's life. @throws Error CKR_FUNCTION_FAILED.
[[nodiscard]] std::string make_broker_id();

}  // namespace mayfly
