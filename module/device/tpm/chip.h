// A TPM as mayfly uses it: keys under a parent, and what is needed to use them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/public_key.h"
#include "device/device.h"
#include "device/tpm/algorithms.h"
#include "device/tpm/auth_values.h"
#include "device/tpm/clock_watch.h"
#include "device/tpm/key_policy.h"
#include "device/tpm/kill_counters.h"
#include "device/tpm/policy_session.h"
#include "device/tpm/session_records.h"
#include "device/tpm/slots.h"
#include "device/tpm/tpm.h"
#include "device/tpm/tpm_device.h"

namespace mayfly::test {
class Burglar;
}

namespace mayfly::tpm {

/// Where others can take what is loaded, it may be gone again before it is used; not that often in
/// a row.
inline constexpr int kMostAttempts = 4;

/// How long to wait until others who share the TPM are done with their sessions.
inline constexpr std::chrono::seconds kSessionPatience{5};

/// Whether the reason may be that others took out what was loaded, or put theirs in its place: then
/// another attempt may do better.
[[nodiscard]] inline bool may_be_displaced(const TpmError& error) noexcept {
  return error.names_nothing() || error.is(TPM2_RC_VALUE) || error.is(TPM2_RC_AUTH_FAIL) ||
         error.is(TPM2_RC_BAD_AUTH) || error.is(TPM2_RC_POLICY_FAIL) ||
         error.is(TPM2_RC_AUTH_UNAVAILABLE) || error.is(TPM2_RC_TYPE) || error.is(TPM2_RC_KEY) ||
         error.is(TPM2_RC_ATTRIBUTES) || error.is(TPM2_RC_SCHEME);
}

/// A session key as long as it lives.
struct ChipKey {
  KeySpec spec{};
  SavedObject object;
  AuthValue secret;
  std::optional<KeyPolicy> policy;  ///< nothing when only mayfly's own clock ends it
  std::optional<PublicKey> public_key;
  std::uint64_t connection = 0;  ///< over which it was made
  bool alive = true;
  bool stray = false;   ///< it may be loaded still, over a connection that was given up
  bool killed = false;  ///< its kill switch was thrown
  std::shared_ptr<const void> scope;  ///< kept until the key is destroyed
  /// Its place among those that are owed, made in time: nothing may fail when it is needed.
  std::list<std::shared_ptr<ChipKey>> place{nullptr};
};

/// Chip holds the connection to the TPM and does everything over it, one thing at a time.
///
/// When the connection is given up, all keys that were made over it are lost; the next generation
/// connects anew. Safe to use from several threads.
class Chip {
 public:
  /// Connects.
  /// @throws Error as open_tpm_device().
  explicit Chip(TpmDeviceOptions options);
  Chip(const Chip&) = delete;
  Chip& operator=(const Chip&) = delete;

  [[nodiscard]] const Algorithms& algorithms() const noexcept { return *algorithms_; }
  [[nodiscard]] const DeviceInfo& info() const noexcept { return info_; }

  /// Makes a key.
  /// @param scope  Is kept as long as the key lives.
  std::shared_ptr<ChipKey> generate(const KeySpec& spec, BootClock::time_point deadline,
                                    const KeyScope::LastCheck& last_check,
                                    std::shared_ptr<const void> scope);
  std::size_t sign(ChipKey& key, const SignRequest& request, ByteSpan out);
  /// Evidence of a key by the TPM's attestation key.
  attestation::DeviceEvidence attest(ChipKey& key, const DeviceKey::Challenge& challenge);
  Destruction destroy(const std::shared_ptr<ChipKey>& key) noexcept;

  /// Takes over a key that nobody will destroy. Asks the TPM nothing.
  void owe(std::shared_ptr<ChipKey> key) noexcept;
  /// Destroys what is owed, as far as the TPM can be reached.
  /// @return how many are still owed.
  std::size_t retry() noexcept;
  [[nodiscard]] std::size_t pending() const noexcept { return owed_count_; }

  /// Flushes the sessions that dead processes left.
  /// @throws Error as Device::reap().
  ReapReport reap(EarlierBoots earlier_boots);

  /// Asks the TPM for its time.
  /// @throws Error when it does not answer.
  void ping();
  void close() noexcept;
  /// False after close(), and in a forked child, which has no business with its parent's TPM.
  [[nodiscard]] bool usable() const noexcept;

  std::atomic<std::size_t> open_scopes{0};

 private:
  friend class mayfly::test::Burglar;

  /// What lives as long as a connection.
  struct Link {
    Link(const TpmDeviceOptions& options, bool shared, SessionRecords* records);

    /// How a session keeps secrets, where it is to: it is salted to the parent.
    [[nodiscard]] std::optional<SessionProtection> protection(const TpmDeviceOptions& options,
                                                              TPM2_SE type);

    Tpm tpm;
    Slots slots;
    PolicySession session;
    ClockWatch clock;
    SavedObject parent;
    TPMT_PUBLIC parent_area{};
    SavedObject attestation_key;  // made when it is first needed
    Bytes attestation_key_public;
  };

  /// Does something with the TPM; while all its sessions are others', does it again, and lets
  /// other threads have their turn meanwhile.
  template <typename Action>
  auto patiently(Action&& action) {
    const auto deadline = std::chrono::steady_clock::now() + kSessionPatience;
    while (true) {
      try {
        const std::scoped_lock lock(mutex_);
        return action();
      } catch (const TpmError& error) {
        if (!shared_ || !error.sessions_full() || std::chrono::steady_clock::now() >= deadline) {
          throw;
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void ask(const std::function<void(Tpm&)>& question);
  void connect();
  void require_link();
  void require_open() const;
  void require_usable(const ChipKey& key) const;
  void make_parent();
  void check_in_place(const SavedObject& object, ByteView qualified_name);
  void abandon_if_broken() noexcept;
  void abandon() noexcept;
  void flush_left_sessions();
  void flush_idle_session() noexcept;
  void keep_session(bool only_if_missed) noexcept;
  [[nodiscard]] bool clear_out() noexcept;
  [[nodiscard]] bool is_anything_left() const noexcept;
  std::shared_ptr<ChipKey> generate_on_chip(const KeySpec& spec, BootClock::time_point deadline);
  [[nodiscard]] TPMS_TIME_INFO read_clock();
  std::shared_ptr<ChipKey> try_generate(const KeySpec& spec, BootClock::time_point deadline);
  void discard(SavedObject& object) noexcept;
  void create(ChipKey& key);
  TPMT_SIGNATURE try_sign(ChipKey& key, const SignPlan& plan);
  void require_attestation_key();
  attestation::DeviceEvidence attest_on_chip(ChipKey& key, const DeviceKey::Challenge& challenge);
  attestation::DeviceEvidence attest_loaded(ChipKey& key, const DeviceKey::Challenge& challenge,
                                            SaltedSession* proof);
  TPMT_SIGNATURE sign_on_chip(ChipKey& key, const SignPlan& plan);
  void lose(ChipKey& key) noexcept;
  void add_policy(ChipKey& key, BootClock::time_point deadline);
  bool kill(ChipKey& key) noexcept;
  bool destroy_now(ChipKey& key) noexcept;

  const TpmDeviceOptions options_;
  const bool shared_;  // no resource manager keeps our handles apart from others'
  const std::uint64_t epoch_;
  DeviceInfo info_;
  std::optional<Algorithms> algorithms_;
  AuthValues secrets_;

  std::mutex mutex_;                       // of all that follows, and of the keys
  std::optional<KillCounters> counters_;   // where there is a kill switch
  std::optional<SessionRecords> records_;  // where handles are shared
  std::unique_ptr<Link> link_;
  std::vector<LeftSession> left_sessions_;  // of connections that were given up
  std::uint64_t connection_ = 0;
  std::uint64_t swept_ = 0;  // the last connection over which strays of earlier ones were unloaded
  std::chrono::steady_clock::time_point retry_after_{};
  std::chrono::steady_clock::time_point record_after_{};  // when to try again to keep a session
  std::unordered_set<ChipKey*> keys_;
  std::atomic<bool> closed_{false};

  std::mutex owed_mutex_;
  std::list<std::shared_ptr<ChipKey>> owed_;
  std::atomic<std::size_t> owed_count_{0};
};

/// The device over a chip.
[[nodiscard]] std::unique_ptr<Device> make_tpm_device(std::shared_ptr<Chip> chip);

}  // namespace mayfly::tpm
