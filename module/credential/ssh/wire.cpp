#include "credential/ssh/wire.h"

#include <algorithm>

namespace mayfly::ssh {

void Writer::big_endian(std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

void Writer::number(std::uint32_t value) { big_endian(value, 4); }
void Writer::long_number(std::uint64_t value) { big_endian(value, 8); }

void Writer::raw(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

void Writer::string(ByteView value) {
  number(static_cast<std::uint32_t>(value.size()));
  raw(value);
}

void Writer::list(const std::vector<std::string>& values) {
  Writer inner;
  for (const std::string& value : values) inner.string(value);
  string(inner.bytes());
}

void Writer::integer(ByteView value) {
  const auto first = std::ranges::find_if(value, [](std::uint8_t byte) { return byte != 0; });
  const ByteView digits(first, value.end());
  // A set bit in front would make it negative.
  const bool padded = !digits.empty() && (digits[0] & 0x80) != 0;
  number(static_cast<std::uint32_t>(digits.size() + (padded ? 1 : 0)));
  if (padded) bytes_.push_back(0);
  raw(digits);
}

std::string_view curve_name(const KeySpec& spec) noexcept {
  if (spec.type != CKK_EC) return {};
  switch (spec.bits) {
    case 256:
      return "nistp256";
    case 384:
      return "nistp384";
    case 521:
      return "nistp521";
    default:
      return {};
  }
}

std::string key_type(const KeySpec& spec) {
  if (spec.type == CKK_RSA) return "ssh-rsa";
  if (spec.type == CKK_EC_EDWARDS) return "ssh-ed25519";
  return "ecdsa-sha2-" + std::string(curve_name(spec));
}

void write_key(Writer& writer, const PublicKey& key) {
  if (key.spec().type == CKK_RSA) {
    writer.integer(key.exponent());
    writer.integer(key.modulus());
    return;
  }
  if (key.spec().type == CKK_EC) writer.string(curve_name(key.spec()));
  writer.string(key.point());
}

Bytes key_blob(const PublicKey& key) {
  Writer writer;
  writer.string(key_type(key.spec()));
  write_key(writer, key);
  return writer.bytes();
}

SignatureScheme scheme_of(const KeySpec& spec) noexcept {
  if (spec.type == CKK_RSA) return {Scheme::rsa_pkcs1, Hash::sha512, Hash::none, 0};
  if (spec.type == CKK_EC_EDWARDS) return {Scheme::eddsa, Hash::none, Hash::none, 0};
  const Hash hash =
      spec.bits == 256 ? Hash::sha256 : (spec.bits == 384 ? Hash::sha384 : Hash::sha512);
  return {Scheme::ecdsa, hash, Hash::none, 0};
}

Bytes signature_blob(const KeySpec& spec, ByteView signature) {
  Writer writer;
  writer.string(spec.type == CKK_RSA ? "rsa-sha2-512" : key_type(spec));
  if (spec.type != CKK_EC) {
    writer.string(signature);
    return writer.bytes();
  }
  Writer parts;
  parts.integer(signature.first(signature.size() / 2));
  parts.integer(signature.subspan(signature.size() / 2));
  writer.string(parts.bytes());
  return writer.bytes();
}

}  // namespace mayfly::ssh
