// The ledger of one task, as core writes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/task_state.h"
#include "core/ledger_key.h"
#include "core/operation.h"
#include "core/rate_limit.h"
#include "core/use_meter.h"
#include "ledger/chain_writer.h"

namespace mayfly {

class Task;
struct EndReport;
struct TaskPlan;

/// Where ledgers are kept, and how surely.
struct LedgerPlace {
  std::filesystem::path folder;
  ledger::Sync sync = ledger::Sync::interval;
};

/// TaskLedger writes down what is done in a task. Each function returns when the kernel has the
/// entry, and throws when it could not be written: what is told then must not happen, or not become
/// known to the client.
///
/// One that was made without a place writes nothing.
class TaskLedger {
 public:
  /// @param meter  Counts refusals; outlives the ledger.
  explicit TaskLedger(UseMeter& meter) : meter_(meter) {}
  /// Begins a chain with the task's opening.
  /// @throws Error CKR_FUNCTION_FAILED
  TaskLedger(const LedgerPlace& place, const Task& task);
  TaskLedger(const TaskLedger&) = delete;
  TaskLedger& operator=(const TaskLedger&) = delete;

  /// A client logged in.
  void logged_in();
  /// A client's login brought the grant that the task awaited, which is spent. To be told before
  /// the task goes on under it: what it allows stands in the ledger before anything that is done
  /// then, and as long as it can't be written, nothing is. require_written() writes it.
  /// @param plan  What the task is from then on.
  void owe_admission(const TaskPlan& plan);

  /// A key pair was made, of which nobody knows yet. With the first one, the ledger's own key is
  /// made. The new key signs which key that is, and gets its name.
  /// @throws Error CKR_FUNCTION_FAILED, and what the device answers.
  void generated(const Task& task, SessionKey& key);

  /// A key signed, and nobody has the signature yet.
  /// @param input  What the device was given.
  void signed_with(const SignatureOperation& operation, ByteView input);

  /// A key was asked for a signature that nobody gets.
  /// @param made  Whether there is one all the same.
  void not_signed(const SignatureOperation& operation, ByteView input, bool made,
                  const Error& reason) noexcept;

  /// Does something that may be refused, and writes that down. Of more than a few refusals a second
  /// only the number is written, before the next entry, so that no client can fill the disk.
  /// @param what  What was asked for: "signing".
  template <typename Action>
  decltype(auto) witness(const char* what, Action&& action) {
    try {
      return std::forward<Action>(action)();
    } catch (const Error& error) {
      refused(what, error);
      throw;
    }
  }

  /// The SubjectPublicKeyInfo of the ledger's own key, which it keeps after that is destroyed;
  /// empty before there is one. Waits while the device makes it.
  [[nodiscard]] Bytes public_key() const;

  /// A key was destroyed. What can't be written now is written before the next entry. Told twice,
  /// it is written once.
  void destroyed(const SessionKey& key, Destruction outcome) noexcept;
  /// @throws Error CKR_FUNCTION_FAILED while something is not written.
  void require_written();

  /// The task has ended, and all its keys were told of. Seals the chain, and destroys the key that
  /// did. What goes wrong is logged.
  /// @return what became of that key; nothing if there was none.
  std::optional<Destruction> close(TaskState cause, const EndReport& report) noexcept;

 private:
  void refused(const char* what, const Error& error) noexcept;
  void append(ledger::Event event, std::string_view data);
  void write_owed();
  void activate(const Task& task);
  void try_to_close(TaskState cause, const EndReport& report);

  UseMeter& meter_;
  std::unique_ptr<ledger::ChainWriter> chain_;  // null: nothing is written
  mutable std::mutex activation_;               // held while the device makes key_
  std::unique_ptr<LedgerKey> key_;

  std::mutex mutex_;  // guards what follows; after activation_, before the chain's
  using Keys = std::map<std::string, Destruction>;  // by name
  Keys living_;
  std::string owed_admission_;  // the entry's data; empty: none
  Keys owed_destructions_;
  std::uint64_t owed_refusals_ = 0;
  std::atomic<bool> owes_{false};  // whether there is anything in what is owed
  std::atomic<bool> closed_{false};
  RateLimit refusals_at_once_{64};
};

}  // namespace mayfly
