// The data types of the SSH protocol (RFC 4251, 5), and keys and signatures in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/public_key.h"

namespace mayfly::ssh {

/// Writes one value after the other.
class Writer {
 public:
  void number(std::uint32_t value);
  void long_number(std::uint64_t value);
  void string(ByteView value);
  void string(std::string_view value) { string(as_bytes(value)); }
  /// Each as a string, one after the other, in one string.
  void list(const std::vector<std::string>& values);
  /// A non-negative whole number, big-endian, as an mpint.
  void integer(ByteView value);
  /// What was written by another, as it is.
  void raw(ByteView bytes);

  [[nodiscard]] const Bytes& bytes() const noexcept { return bytes_; }

 private:
  void big_endian(std::uint64_t value, int bytes);

  Bytes bytes_;
};

/// "nistp256"; empty for what is no such curve.
[[nodiscard]] std::string_view curve_name(const KeySpec& spec) noexcept;

/// The name of the key's type: "ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-rsa".
[[nodiscard]] std::string key_type(const KeySpec& spec);

/// The key's own fields, without the name of its type: curve and point (RFC 5656, 3.1), the point
/// (RFC 8709, 4), exponent and modulus (RFC 4253, 6.6).
void write_key(Writer& writer, const PublicKey& key);

/// A public key: the name of its type and its fields.
[[nodiscard]] Bytes key_blob(const PublicKey& key);

/// The way in which a key of this kind signs certificates: ECDSA with the hash of the curve's size,
/// Ed25519, RSA with PKCS #1 v1.5 and SHA-512 (RFC 8332).
[[nodiscard]] SignatureScheme scheme_of(const KeySpec& spec) noexcept;

/// A signature of that way, with its name.
/// @param signature  r‖s for ECDSA.
[[nodiscard]] Bytes signature_blob(const KeySpec& spec, ByteView signature);

}  // namespace mayfly::ssh
