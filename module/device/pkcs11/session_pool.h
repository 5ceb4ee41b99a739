// The sessions that this process has on the device.
//
// There are two kinds. A holder has key pairs in it, which die with it; it lives exactly as long as
// there are keys in it. A signer has none; it is lent for one operation when a key's own session is
// busy. One signer is open from the start to the end, because the device forgets the login when the
// last session closes.
//
// Locks, in the order in which they may be taken: a session's mutex, then the pool's. The pool's is
// never held during a call of the device.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/pkcs11.h"

namespace mayfly::pkcs11 {

/// One session on the device.
struct DeviceSession {
  DeviceSession(CK_SESSION_HANDLE session_handle, std::uint64_t session_number, bool writable)
      : handle(session_handle), number(session_number), read_write(writable), proven(number) {}

  const CK_SESSION_HANDLE handle;
  const std::uint64_t number;  ///< sessions are counted in the order in which they were opened
  const bool read_write;

  std::mutex mutex;                   ///< held by whoever uses the session
  std::atomic<std::size_t> keys{0};   ///< key pairs in it; changed under mutex
  std::atomic<bool> gone{false};      ///< closed or dead, and every key in it with it
  std::atomic<bool> lost{false};      ///< the device lost it or went away: no key of it signs again
  std::atomic<std::uint64_t> proven;  ///< this session was seen alive after that one was opened

  std::atomic<bool> abandoned{false};  ///< could not be closed when its last key went

  bool holder = false;  ///< guarded by the pool
};

/// Opens, lends and closes sessions within the device's limit. Safe to use from several threads.
class SessionPool {
 public:
  /// A signer, lent to one thread. Given back when it goes out of scope.
  class Lease {
   public:
    Lease(SessionPool& pool, std::shared_ptr<DeviceSession> session) noexcept
        : pool_(pool), session_(std::move(session)) {}
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    /// Whether there is a session at all.
    explicit operator bool() const noexcept { return session_ != nullptr; }
    [[nodiscard]] const DeviceSession& session() const noexcept { return *session_; }

    /// Closes the session instead of giving it back: it is dead, or has an operation stuck in it.
    void discard() noexcept;

   private:
    SessionPool& pool_;
    std::shared_ptr<DeviceSession> session_;
  };

  /// @param limit  The most sessions that may be open at once, at least 2; 0 for no limit.
  SessionPool(CK_FUNCTION_LIST_PTR functions, CK_SLOT_ID slot, std::size_t limit);

  /// A signer: one that nobody uses, else a new one, else the next that comes back, in the order of
  /// asking. Nothing when the device gives no session to wait for.
  /// @throws Error CKR_SESSION_COUNT when none comes back within ten seconds, or what the device
  ///         answered.
  [[nodiscard]] Lease lend();

  /// A session for keys: a new one, or when no more can be had, one that others have keys in. The
  /// caller locks it and looks whether it is gone; if it then makes no key in it, and nobody has
  /// any there, the caller closes it.
  /// @throws Error CKR_SESSION_COUNT when none can be had, or what the device answered.
  [[nodiscard]] std::shared_ptr<DeviceSession> holder();

  /// Closes a holder. The caller has its mutex.
  /// @return CKR_OK when the session is gone, and every key in it.
  CK_RV close(DeviceSession& session) noexcept;

  /// Closes a session that has no keys; one that can't be closed now is abandoned.
  void discard(DeviceSession& session) noexcept;

  /// Remembers a session that has no keys and can't be closed, for close_abandoned().
  void abandon(DeviceSession& session) noexcept;

  /// Tries again to close what was abandoned and is not in use.
  void close_abandoned() noexcept;

  /// The device said that a session does not exist. That is believed, and noted, when it says so
  /// twice: a session that lives on has its keys in it.
  /// @return whether it is believed.
  bool bury_if_dead(DeviceSession& session) noexcept;

  /// From now on new sessions are read-write: for devices that want it even for session objects.
  void open_read_write() noexcept { read_write_.store(true); }

  /// Counted up whenever a session ended that this process had not closed: from then on a handle of
  /// an object may name another one, because the device may have been restarted.
  [[nodiscard]] std::uint64_t losses() const noexcept { return losses_.load(); }

  /// Closes every session as well as it can be done, each by itself: C_CloseAllSessions, as p11-kit
  /// has it, does not tell what it could not close.
  void close_all() noexcept;

  /// Every session counts as closed: after the device has closed them all.
  void forget_all() noexcept;

 private:
  struct Waiter {
    std::condition_variable ready;
    std::shared_ptr<DeviceSession> session;
    bool may_open = false;
  };
  using Lock = std::unique_lock<std::mutex>;
  using Sessions = std::unordered_map<CK_SESSION_HANDLE, std::shared_ptr<DeviceSession>>;

  // Each of these is called with mutex_ locked; those that take the lock release it for a while.
  std::shared_ptr<DeviceSession> open(Lock& lock, bool as_holder);
  std::shared_ptr<DeviceSession> wait(Lock& lock);
  [[nodiscard]] bool may_open() const noexcept;
  void cancel_open(bool as_holder) noexcept;
  [[nodiscard]] std::shared_ptr<DeviceSession> take_idle() noexcept;
  [[nodiscard]] std::shared_ptr<DeviceSession> least_used_holder() const noexcept;
  void make_holder(DeviceSession& session) noexcept;
  void adopt(const std::shared_ptr<DeviceSession>& session);
  void put_back(Sessions::node_type entry) noexcept;
  template <typename Predicate>
  [[nodiscard]] std::list<std::shared_ptr<DeviceSession>> select(Predicate predicate);
  [[nodiscard]] bool is_dead(const DeviceSession& session) const noexcept;
  void retire(DeviceSession& session) noexcept;
  void grant_waiters() noexcept;

  void give_back(std::shared_ptr<DeviceSession> session) noexcept;

  CK_FUNCTION_LIST_PTR functions_;
  CK_SLOT_ID slot_;
  std::size_t limit_;
  std::size_t max_holders_;
  std::atomic<bool> read_write_{false};
  std::atomic<std::uint64_t> losses_{0};
  std::atomic<bool> any_abandoned_{false};

  std::mutex mutex_;
  Sessions sessions_;
  std::vector<std::shared_ptr<DeviceSession>> idle_;  // signers that nobody uses
  std::deque<Waiter*> waiters_;                       // first come, first served
  std::size_t open_ = 0;                              // sessions that are open or being opened
  std::size_t holders_ = 0;                           // of these, holders
  std::size_t signers_ = 0;                           // signers that are open
  std::uint64_t opened_ = 0;                          // sessions opened so far
  std::chrono::steady_clock::time_point full_until_;  // the device itself said that it has no more
};

}  // namespace mayfly::pkcs11
