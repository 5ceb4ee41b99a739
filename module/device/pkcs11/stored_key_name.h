// What a stored key says about itself on the device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/process_identity.h"

namespace mayfly::pkcs11 {

/// StoredKeyName is the CKA_LABEL and the CKA_ID of a key pair that mayfly keeps as token objects.
///
/// The label says who answers for the key, in which task it was made, and when it ends:
///
///     mayfly1:HOST:BOOT:PIDNS:TIMENS:PID:STARTED:TASK:UNTIL
///
/// HOST is KeyJournal::host(), then comes ProcessIdentity; TASK is the serial number of the task's
/// token, UNTIL the deadline in seconds since 1970; all numbers are hexadecimal, without leading
/// zeros. It has at most 127 bytes. The ID is 16 random bytes and 16 bytes of the SHA-256 of
/// "mayfly-stored-key-v1", those random bytes and the label. So nobody else's object is taken for
/// one of mayfly's unless it was made to be.
class StoredKeyName {
 public:
  struct Parts {
    std::string host;  ///< 12 hexadecimal digits
    ProcessIdentity owner;
    std::string task;         ///< 16 hexadecimal digits
    std::uint64_t until = 0;  ///< seconds since 1970

    bool operator==(const Parts&) const = default;
  };

  /// A new name for a new key.
  /// @throws Error CKR_FUNCTION_FAILED when there are no random numbers.
  [[nodiscard]] static StoredKeyName make(Parts parts);

  /// Reads the name of an object; nothing if it is not exactly such a name.
  [[nodiscard]] static std::optional<StoredKeyName> parse(std::string_view label, ByteView id);

  [[nodiscard]] const Parts& parts() const noexcept { return parts_; }
  [[nodiscard]] const std::string& label() const noexcept { return label_; }
  [[nodiscard]] const Bytes& id() const noexcept { return id_; }

 private:
  StoredKeyName(Parts parts, std::string label, Bytes id)
      : parts_(std::move(parts)), label_(std::move(label)), id_(std::move(id)) {}

  Parts parts_;
  std::string label_;
  Bytes id_;
};

}  // namespace mayfly::pkcs11
