// What holds keys: the face that every device shows to core.
//
// A device is an HSM behind its own PKCS#11 module, or a TPM. Core knows no brand; it asks for a
// key in a scope, signs with it, and destroys it. All functions may be called from any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/device_evidence.h"
#include "base/error.h"
#include "base/pkcs11.h"
#include "base/public_key.h"

namespace mayfly {

/// One signature to make.
///
/// `input` is what the scheme says: with a hash, the digest, unless Device::sign_input() asked for
/// the message; with Hash::none, the bytes that the raw mechanism signs (CKM_ECDSA: a digest of any
/// kind; CKM_RSA_PKCS: usually a DigestInfo; CKM_EDDSA: the message).
struct SignRequest {
  SignatureScheme scheme;
  ByteView input;
  /// What the client asked for; `scheme` says all that it means for the signature.
  CK_MECHANISM_TYPE mechanism = CK_UNAVAILABLE_INFORMATION;
};

/// What Device::sign_input() says a device wants as SignRequest::input.
enum class SignInput { unsupported, digest, message };

/// What came of destroying a key: gone for certain, or still owed by a device that could not be
/// reached. An owed key is remembered by its Device, which retries until the key is gone.
enum class Destruction { destroyed, pending };

/// A private key inside a device, and its public half.
///
/// Never copied out, never stored here. Destroying is destroy()'s work; a destructor that meets a
/// living key hands it over to the device as owed.
class DeviceKey {
 public:
  virtual ~DeviceKey() = default;
  DeviceKey() = default;
  DeviceKey(const DeviceKey&) = delete;
  DeviceKey& operator=(const DeviceKey&) = delete;

  [[nodiscard]] virtual const PublicKey& public_key() const noexcept = 0;

  /// Makes one signature.
  /// @param out  Room for at least public_key().signature_size() bytes.
  /// @return the bytes written: r‖s for ecdsa, fixed width (PKCS#11 3.0, 2.3.1).
  /// @throws Error what the device answered: CKR_DEVICE_REMOVED when the key is lost with its
  /// device
  ///         session, CKR_DATA_LEN_RANGE, CKR_DEVICE_ERROR, CKR_SESSION_COUNT after waiting for
  ///         one.
  virtual std::size_t sign(const SignRequest& request, ByteSpan out) = 0;

  /// What the evidence is to be about, given the digest of what the device enforces on the key (32
  /// bytes, all zero for nothing).
  using Challenge = std::function<Bytes(ByteView policy_digest)>;

  /// Evidence by the device itself that it holds the key, over a challenge.
  /// @throws Error CKR_FUNCTION_NOT_SUPPORTED by a device that gives none; else as sign().
  virtual attestation::DeviceEvidence attest(const Challenge& challenge) {
    static_cast<void>(challenge);
    throw Error(CKR_FUNCTION_NOT_SUPPORTED, "the device gives no evidence of its keys");
  }

  /// Destroys the key in the device. Idempotent. The caller makes sure that no sign() is under way.
  virtual Destruction destroy() noexcept = 0;
};

/// Where keys of one owner are made, with a life of its own: on PKCS#11 a device session, so that
/// the device itself destroys the keys when it closes or the process dies.
///
/// A scope may be dropped while keys of it live; it lives on until the last of them is destroyed.
class KeyScope {
 public:
  virtual ~KeyScope() = default;
  KeyScope() = default;
  KeyScope(const KeyScope&) = delete;
  KeyScope& operator=(const KeyScope&) = delete;

  using LastCheck = std::function<void()>;

  /// Makes a key pair by the device's own generator and reads back from the device that it is
  /// sensitive, not extractable and local; a key of which the device says otherwise is destroyed.
  /// @throws Error CKR_MECHANISM_INVALID, CKR_CURVE_NOT_SUPPORTED or CKR_KEY_SIZE_RANGE for what
  /// the
  ///         device can't do, CKR_DEVICE_MEMORY, CKR_DEVICE_REMOVED, CKR_DEVICE_ERROR.
  /// @param last_check  Called when all that others hold has been waited for, right before the
  ///                    device is asked: what it throws calls the generation off.
  virtual std::unique_ptr<DeviceKey> generate(const KeySpec& spec, const LastCheck& last_check) = 0;

  std::unique_ptr<DeviceKey> generate(const KeySpec& spec) {
    return generate(spec, [] {});
  }
};

/// For whom a scope is opened: what a device may need for labels and for deadlines of its own.
struct ScopeOwner {
  std::string task_id;
  std::string serial;
  BootClock::time_point deadline;
};

/// The identity of a device, for people.
struct DeviceInfo {
  std::string manufacturer;
  std::string model;
  std::string serial;
  std::string firmware;
  bool hardware = false;  ///< whether its mechanisms claim CKF_HW
};

/// What Device::health() found.
struct DeviceHealth {
  bool reachable = false;
  std::string message;          ///< one sentence, empty when all is well
  std::size_t pending = 0;      ///< keys whose destruction is still owed
  std::size_t open_scopes = 0;  ///< scopes that hold device resources now
};

/// What Device::reap() looks at.
enum class ReapReach {
  recorded,  ///< the keys that this machine has a record of
  device,    ///< these, and all keys that are on the device
};

/// What is known about processes of this machine before it was last started. That it was started
/// anew can't be told from another machine that is its clone, or shares its files.
enum class EarlierBoots {
  may_live,  ///< nothing: their keys are left until the deadline
  are_over,  ///< whoever asks knows that there is one machine, and that it was restarted
};

/// What Device::reap() found and did.
struct ReapReport {
  std::size_t destroyed = 0;  ///< dead keys that are gone now
  std::size_t pending = 0;    ///< dead keys that the device would not destroy
  std::size_t missing = 0;  ///< dead keys on record that are not on the device, before the deadline
  std::size_t alive = 0;    ///< keys of mayfly's whose owner may live
  std::size_t foreign = 0;  ///< objects that are not mayfly's, untouched
};

/// An HSM or a TPM.
class Device {
 public:
  virtual ~Device() = default;
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] virtual const DeviceInfo& info() const noexcept = 0;

  /// Whether key pairs of this kind can be made.
  [[nodiscard]] virtual bool supports(const KeySpec& spec) const noexcept = 0;

  /// Whether the device can sign so, and what it wants to be given.
  [[nodiscard]] virtual SignInput sign_input(Scheme scheme, Hash hash) const noexcept = 0;

  /// Whether the device can sign with these parameters, where sign_input() says that it has the
  /// scheme. Called when an operation begins; asks the device nothing.
  /// @throws Error CKR_MECHANISM_PARAM_INVALID if it can't.
  virtual void check_parameters(const SignatureScheme& scheme) const { static_cast<void>(scheme); }

  /// Whether it gives evidence of its keys: DeviceKey::attest().
  [[nodiscard]] virtual bool attests() const noexcept { return false; }

  virtual std::shared_ptr<KeyScope> open_scope(const ScopeOwner& owner) = 0;

  /// Tries again to destroy the keys that are still owed. Never throws, never blocks for long.
  /// @return how many are still owed.
  virtual std::size_t retry_pending() noexcept = 0;

  /// Destroys the keys that dead processes left in the device's storage. A key is touched only if
  /// the device itself says that it is mayfly's, and if it is proven dead: its process is, or where
  /// that can't be told from here, its deadline is past. When anything can't be looked up, nothing
  /// is destroyed.
  /// @throws Error what could not be looked up: whatever the device answered, CKR_FUNCTION_FAILED
  ///         for the record and for processes.
  virtual ReapReport reap(ReapReach reach, EarlierBoots earlier_boots) = 0;

  /// Destroys what the device may store of tasks that are over, whichever machine they were on: the
  /// caller knows that of the registry, where a broker's tasks are lost with it. A key is touched
  /// only if the device itself says that it is mayfly's and of one of these tasks.
  /// @param serials  Of the tasks' tokens.
  /// @throws Error as reap().
  virtual ReapReport reap_tasks(const std::set<std::string>& serials) {
    static_cast<void>(serials);
    return {};
  }

  [[nodiscard]] virtual DeviceHealth health() noexcept = 0;

  /// Gives everything back to the device and logs out. Keys that still live are destroyed with it.
  /// No other call may be under way or follow. A Device that is dropped without close() leaves the
  /// device as it is, for a process that exits or a forked child.
  virtual void close() noexcept = 0;
};

}  // namespace mayfly
