// Applications, as PKCS#11 means the word.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/session.h"
#include "core/task_table.h"

namespace mayfly {

/// Application models one user of the module in the sense of PKCS#11 3.0, 5.6: a process that
/// loaded it, or one connection to a broker. It has its own sessions, login state and object
/// handles; two applications share tasks and token objects, and can't reach each other's sessions.
class Application {
 public:
  /// @param tasks         The tasks that it can see; outlives it.
  /// @param max_sessions  The most sessions that it may have open.
  /// @param shown         The keys that it can see.
  Application(TaskTable& tasks, std::size_t max_sessions, ShownKeys shown = {});
  /// Closes what is still open, as finish() does.
  ~Application();
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;

  [[nodiscard]] TaskTable& tasks() const noexcept { return tasks_; }
  [[nodiscard]] std::size_t max_sessions() const noexcept { return max_sessions_; }
  [[nodiscard]] const ShownKeys& shown_keys() const noexcept { return shown_; }

  /// The open task in a slot.
  /// @throws Error CKR_TOKEN_NOT_PRESENT if it ended lately, else CKR_SLOT_ID_INVALID.
  [[nodiscard]] std::shared_ptr<Task> task(SlotId slot) const;
  /// What the application sees of the open task in a slot. @throws Error as task().
  [[nodiscard]] std::shared_ptr<Token> token(SlotId slot);
  [[nodiscard]] Token::SessionCounts session_counts(SlotId slot) const;

  /// @throws Error as task(); CKR_SESSION_COUNT at the limit.
  SessionHandle open_session(SlotId slot, bool read_write);
  /// @throws Error CKR_SESSION_HANDLE_INVALID; CKR_DEVICE_ERROR if the device still owes the
  ///         destruction of a key (the session is closed all the same).
  void close_session(SessionHandle handle);
  void close_all_sessions(SlotId slot);

  /// The session of a handle, open and its task alive.
  /// @throws Error CKR_SESSION_HANDLE_INVALID
  [[nodiscard]] std::shared_ptr<Session> session(SessionHandle handle) const {
    std::shared_ptr<Session> found = sessions_->find(handle);
    if (found == nullptr) throw_invalid_handle();
    found->token().check_alive();
    return found;
  }

  /// Checks whether evidence can be asked for. The device is asked nothing.
  /// @throws Error as attest().
  void check_attestation(SlotId slot, ObjectHandle key, ByteView nonce);
  /// Evidence by the device of a private key in a slot: see core/attestation.h.
  /// @return at most attestation::kMaxEvidenceSize bytes.
  /// @throws Error as task(), CKR_KEY_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN, as attest().
  [[nodiscard]] std::string attest(SlotId slot, ObjectHandle key, ByteView nonce);

  /// The next slot whose token came or went since this was last asked; CK_INVALID_HANDLE if none.
  [[nodiscard]] SlotId next_slot_event();
  /// The same, waiting for one; CK_INVALID_HANDLE if the wait was ended by
  /// TaskTable::stop_waiting().
  [[nodiscard]] SlotId wait_for_slot_event();

  /// Closes all sessions; keys of sessions are destroyed. Idempotent.
  EndReport finish() noexcept;

 private:
  [[noreturn]] static void throw_invalid_handle();
  EndReport close_sessions(Token& token) noexcept;

  TaskTable& tasks_;
  const std::size_t max_sessions_;
  const ShownKeys shown_;
  const std::shared_ptr<Token::SessionTable> sessions_ = std::make_shared<Token::SessionTable>();
  std::atomic<std::uint64_t> seen_event_;

  static constexpr std::size_t kFewTokens = 64;

  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<CK_SLOT_ID, std::shared_ptr<Token>> tokens_;
  std::size_t purge_at_ = kFewTokens;  // tokens of ended tasks are dropped from time to time
};

}  // namespace mayfly
