// An HSM behind its own PKCS#11 module.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/secret.h"
#include "device/device.h"
#include "device/key_journal.h"

namespace mayfly {

/// How the device holds key pairs.
enum class KeyStorage {
  session,  ///< as session objects: the device itself destroys them with their session
  stored,   ///< as token objects, for devices that can't do that; mayfly destroys them
};

/// Which device to open, and how.
struct Pkcs11DeviceOptions {
  /// The vendor's library; a bare name is looked for where p11-kit looks for modules.
  std::filesystem::path module;

  /// The token, as a PKCS#11 URI (RFC 7512) with token, manufacturer, serial, model or slot-id.
  std::string token;

  /// Reads the device's PIN, once for each login; empty when the token wants no login.
  std::function<SecretBuffer()> fetch_pin;

  /// Environment variables that the vendor's library reads, and the values they must have in this
  /// process. They are checked, not set: a library has no business in its host's environment.
  std::map<std::string, std::string> environment;

  /// The most sessions to have open on the token at once, 0 for as many as the token allows. At
  /// least 2. With few sessions, owners share them; nobody is refused.
  std::size_t max_sessions = 0;

  /// A readable file that all processes with this device share, usually their configuration:
  /// opening is done one process after the other. Empty for none.
  std::filesystem::path start_lock;

  KeyStorage storage = KeyStorage::session;

  /// Whether templates switch usages beyond signing off. Some devices refuse such templates.
  bool other_usages_off = true;

  /// Where stored keys are recorded. Needed to store keys, and to reap those that others stored.
  std::shared_ptr<KeyJournal> journal;
};

/// Loads the module, finds the token and logs in, once: a refused PIN is not tried again.
///
/// @throws Error with a sentence that says what to mend: CKR_GENERAL_ERROR for the module, the
///         environment and the URI, CKR_TOKEN_NOT_PRESENT when not exactly one initialised token
///         matches, CKR_DEVICE_ERROR when the login is refused, or what the device answered.
///         Everything is given back then.
[[nodiscard]] std::unique_ptr<Device> open_pkcs11_device(Pkcs11DeviceOptions options);

}  // namespace mayfly
