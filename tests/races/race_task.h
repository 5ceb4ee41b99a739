// One task of a race: what many threads do with it, and what they must and must not see.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/pkcs11.h"
#include "conformance/independent_check.h"
#include "mayfly/mayfly.h"
#include "races/race_report.h"

namespace mayfly::test {

/// A library under test: the functions of one module.
struct RaceLibrary {
  const CK_FUNCTION_LIST_3_0& p11;
  const MAYFLY_FUNCTION_LIST& vendor;
  std::string login_pin;  ///< of every task
};

/// RaceTask models a task that several threads use while another one ends it.
///
/// Facts that are certain are written down in atomics at the moment when they become so: the task's
/// end when the call that ended it has returned, a logout likewise. A thread reads them before it
/// asks for a signature; one that is given out against them is a broken promise.
class RaceTask {
 public:
  /// Opens the task and makes a key in it. @param ttl_seconds  0: the default, which never comes.
  RaceTask(const RaceLibrary& library, RaceReport& report, const std::string& id,
           CK_ULONG ttl_seconds);

  /// False if the library was finalised before the task was there.
  [[nodiscard]] bool is_open() const noexcept { return open_; }

  /// What a user's thread does, again and again until the task has ended.
  /// @param stranger  Another task whose handles are tried here; may be null.
  void use(std::mt19937& random, const RaceTask* stranger);

  /// Ends it, and looks that nothing of it is left on the device.
  /// @return whether this call did it.
  bool close();
  /// Logs out under the signers and in again.
  void log_out_and_in();

  /// Notes that C_Finalize has returned.
  void library_is_finalised() noexcept { ended_.store(true); }
  [[nodiscard]] bool has_ended() const noexcept { return ended_.load(); }
  /// Whether the deadline has surely come.
  [[nodiscard]] bool is_past_deadline() const noexcept {
    return deadline_ && BootClock::now() >= *deadline_;
  }

  /// Waits until the library does not list its slot any more, which it does until all its keys are
  /// destroyed. @return false if the library is not initialised any more.
  [[nodiscard]] bool await_end() const;

  /// The public points of all keys that were made in it.
  [[nodiscard]] std::vector<Bytes> points() const;

 private:
  struct Key {
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
    std::shared_ptr<EVP_PKEY> check;
  };
  class Session;

  std::optional<Key> make_key(CK_SESSION_HANDLE session, bool for_task);
  void sign(CK_SESSION_HANDLE session, const Key& key, std::mt19937& random);
  CK_RV ask_for_signature(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, bool in_parts,
                          const Bytes& data, Bytes& signature);
  void search(CK_SESSION_HANDLE session);
  void copy(CK_SESSION_HANDLE session, const Key& key, std::mt19937& random);
  void come_and_go(CK_SESSION_HANDLE session, std::mt19937& random);
  void try_strange_handles(CK_SESSION_HANDLE session, const RaceTask& stranger);
  CK_RV log_in(CK_SESSION_HANDLE session);
  void refused(CK_RV rv, const char* call);

  const RaceLibrary& library_;
  RaceReport& report_;
  const std::string id_;
  CK_SLOT_ID slot_ = 0;
  bool open_ = false;
  std::optional<BootClock::time_point> deadline_;  // the latest moment that it can be
  CK_SESSION_HANDLE owner_ = CK_INVALID_HANDLE;
  std::atomic<bool> ended_{false};
  // Even: logged in or being so; odd: a logout has returned and no login has begun since.
  std::atomic<unsigned> logouts_{0};

  mutable std::mutex mutex_;  // guards the two below
  Key shared_;                // of all threads; made anew after a logout
  std::vector<Bytes> points_;
};

}  // namespace mayfly::test
