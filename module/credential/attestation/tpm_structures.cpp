#include "credential/attestation/tpm_structures.h"

#include <array>

#include "credential/attestation/refused.h"
#include "credential/attestation/tpm_reader.h"

namespace mayfly::attestation {
namespace {

constexpr std::uint32_t kMagic = 0xff544347;  // TPM_GENERATED_VALUE
constexpr std::uint16_t kAttestCertify = 0x8017;
constexpr std::uint16_t kAttestTime = 0x8019;

// TPM_ALG_ID (part 2, 6.3)
constexpr std::uint16_t kAlgRsa = 0x0001;
constexpr std::uint16_t kAlgAes = 0x0006;
constexpr std::uint16_t kAlgNull = 0x0010;
constexpr std::uint16_t kAlgRsassa = 0x0014;
constexpr std::uint16_t kAlgRsapss = 0x0016;
constexpr std::uint16_t kAlgEcdsa = 0x0018;
constexpr std::uint16_t kAlgEcc = 0x0023;
constexpr std::uint16_t kAlgCfb = 0x0043;

constexpr std::uint32_t kDefaultExponent = 65537;  // what a TPM's exponent of 0 means

struct NamedHash {
  std::uint16_t algorithm;
  Hash hash;
};
constexpr std::array<NamedHash, 3> kHashes = {
    {{0x000b, Hash::sha256}, {0x000c, Hash::sha384}, {0x000d, Hash::sha512}}};

struct Curve {
  std::uint16_t id;
  unsigned bits;
};
constexpr std::array<Curve, 3> kCurves = {{{0x0003, 256}, {0x0004, 384}, {0x0005, 521}}};

Hash read_hash(TpmReader& reader, std::uint16_t algorithm) {
  for (const NamedHash& known : kHashes) {
    if (known.algorithm == algorithm) return known.hash;
  }
  reader.refuse("names a hash that is not SHA-256, SHA-384 or SHA-512");
}

Scheme read_scheme_id(TpmReader& reader, std::uint16_t algorithm) {
  switch (algorithm) {
    case kAlgEcdsa:
      return Scheme::ecdsa;
    case kAlgRsassa:
      return Scheme::rsa_pkcs1;
    case kAlgRsapss:
      return Scheme::rsa_pss;
    default:
      reader.refuse("names a way of signing that is not ECDSA, RSASSA or RSAPSS");
  }
}

std::optional<TpmScheme> read_scheme(TpmReader& reader) {
  const std::uint16_t algorithm = reader.u16();
  if (algorithm == kAlgNull) return std::nullopt;
  const Scheme scheme = read_scheme_id(reader, algorithm);
  return TpmScheme{scheme, read_hash(reader, reader.u16())};
}

/// TPMT_SYM_DEF_OBJECT: what a parent wraps its children with.
void read_symmetric(TpmReader& reader) {
  const std::uint16_t algorithm = reader.u16();
  if (algorithm == kAlgNull) return;
  const std::uint16_t bits = reader.u16();
  const bool aes = algorithm == kAlgAes && (bits == 128 || bits == 192 || bits == 256);
  if (!aes || reader.u16() != kAlgCfb) reader.refuse("names a cipher that is not AES with CFB");
}

/// A number as the fixed width that a key's size gives it.
Bytes padded(TpmReader& reader, ByteView number, std::size_t width) {
  if (number.size() > width) reader.refuse("holds a number that is too long");
  Bytes result(width - number.size(), 0);
  result.insert(result.end(), number.begin(), number.end());
  return result;
}

PublicKey read_ecc_key(TpmReader& reader, std::optional<TpmScheme>& scheme) {
  read_symmetric(reader);
  scheme = read_scheme(reader);
  const std::uint16_t id = reader.u16();
  if (reader.u16() != kAlgNull) reader.refuse("has a key derivation, which no key here has");
  for (const Curve& curve : kCurves) {
    if (curve.id != id) continue;
    const std::size_t width = (curve.bits + 7) / 8;
    Bytes point = {0x04};
    for (int coordinate = 0; coordinate < 2; ++coordinate) {
      const Bytes number = padded(reader, reader.sized(), width);
      point.insert(point.end(), number.begin(), number.end());
    }
    return PublicKey::from_point({CKK_EC, curve.bits}, point);
  }
  reader.refuse("names a curve that is not P-256, P-384 or P-521");
}

PublicKey read_rsa_key(TpmReader& reader, std::optional<TpmScheme>& scheme) {
  read_symmetric(reader);
  scheme = read_scheme(reader);
  const std::uint16_t bits = reader.u16();
  std::uint32_t exponent = reader.u32();
  if (exponent == 0) exponent = kDefaultExponent;
  const Bytes encoded = {
      static_cast<std::uint8_t>(exponent >> 24), static_cast<std::uint8_t>(exponent >> 16),
      static_cast<std::uint8_t>(exponent >> 8), static_cast<std::uint8_t>(exponent)};
  PublicKey key = PublicKey::from_rsa(reader.sized(), encoded);
  if (key.spec().bits != bits) reader.refuse("has a modulus of another size than it says");
  return key;
}

PublicKey read_key(TpmReader& reader, std::uint16_t type, std::optional<TpmScheme>& scheme) {
  try {
    if (type == kAlgEcc) return read_ecc_key(reader, scheme);
    if (type == kAlgRsa) return read_rsa_key(reader, scheme);
  } catch (const Refused&) {
    throw;
  } catch (const Error& error) {
    if (error.rv() != CKR_ATTRIBUTE_VALUE_INVALID) throw;
    reader.refuse(std::string("holds no good key: ") + error.what());
  }
  reader.refuse("is of no ECC or RSA key");
}

Bytes named(std::uint16_t algorithm, Hash hash, std::initializer_list<ByteView> parts) {
  Hasher hasher(hash);
  for (const ByteView part : parts) hasher.update(part);
  Bytes name = {static_cast<std::uint8_t>(algorithm >> 8), static_cast<std::uint8_t>(algorithm)};
  const Bytes hashed = hasher.finish();
  name.insert(name.end(), hashed.begin(), hashed.end());
  return name;
}

ClockInfo read_clock(TpmReader& reader) {
  ClockInfo clock;
  clock.clock_ms = reader.u64();
  clock.resets = reader.u32();
  clock.restarts = reader.u32();
  const std::uint8_t safe = reader.u8();
  if (safe > 1) reader.refuse("holds a yes or no that is neither");
  clock.safe = safe == 1;
  return clock;
}

AttestHeader read_header(TpmReader& reader, std::uint16_t type, const char* command) {
  if (reader.u32() != kMagic) {
    throw Refused("magic", "what was signed does not begin as what a TPM itself made");
  }
  if (reader.u16() != type) {
    throw Refused("type", std::string("what was signed was not made by ") + command);
  }
  AttestHeader header;
  header.qualified_signer = to_bytes(reader.sized());
  header.extra_data = to_bytes(reader.sized());
  header.clock = read_clock(reader);
  header.firmware_version = reader.u64();
  return header;
}

}  // namespace

PublicArea parse_public_area(ByteView bytes, const std::string& what) {
  TpmReader reader(bytes, what);
  const std::uint16_t type = reader.u16();
  const std::uint16_t name_algorithm = reader.u16();
  const Hash name_hash = read_hash(reader, name_algorithm);
  const std::uint32_t attributes = reader.u32();
  const ByteView policy = reader.sized();
  std::optional<TpmScheme> scheme;
  PublicKey key = read_key(reader, type, scheme);
  reader.finish();
  return {name_hash,
          name_algorithm,
          attributes,
          to_bytes(policy),
          scheme,
          std::move(key),
          named(name_algorithm, name_hash, {bytes})};
}

CertifyInfo parse_certify_info(ByteView bytes) {
  TpmReader reader(bytes, "the certification");
  CertifyInfo info{read_header(reader, kAttestCertify, "TPM2_Certify"), {}, {}};
  info.name = to_bytes(reader.sized());
  info.qualified_name = to_bytes(reader.sized());
  reader.finish();
  return info;
}

TimeInfo parse_time_info(ByteView bytes) {
  TpmReader reader(bytes, "the TPM's statement of time");
  TimeInfo info{read_header(reader, kAttestTime, "TPM2_GetTime"), 0, {}};
  info.time_ms = reader.u64();
  info.attested_clock = read_clock(reader);
  if (reader.u64() != info.firmware_version) reader.refuse("names two firmware versions");
  reader.finish();
  return info;
}

TpmSignature parse_signature(ByteView bytes, const PublicKey& key) {
  TpmReader reader(bytes, "a signature");
  TpmSignature signature;
  signature.scheme.scheme = read_scheme_id(reader, reader.u16());
  signature.scheme.hash = read_hash(reader, reader.u16());
  if ((signature.scheme.scheme == Scheme::ecdsa) != (key.spec().type == CKK_EC)) {
    reader.refuse("is not of the attestation key's type");
  }
  if (signature.scheme.scheme == Scheme::ecdsa) {
    for (int half = 0; half < 2; ++half) {
      const Bytes number = padded(reader, reader.sized(), key.signature_size() / 2);
      signature.bytes.insert(signature.bytes.end(), number.begin(), number.end());
    }
  } else {
    signature.bytes = to_bytes(reader.sized());
  }
  reader.finish();
  return signature;
}

CounterIndex parse_counter_index(ByteView bytes) {
  static constexpr std::uint32_t kTypeMask = 0xf0;  // TPM_NT, part 2, 13.4
  static constexpr std::uint32_t kCounter = 0x10;
  TpmReader reader(bytes, "the kill switch's public area");
  CounterIndex index;
  index.index = reader.u32();
  const std::uint16_t name_algorithm = reader.u16();
  const Hash name_hash = read_hash(reader, name_algorithm);
  index.attributes = reader.u32();
  reader.sized();  // its policy
  reader.u16();    // its size
  reader.finish();
  if ((index.attributes & kTypeMask) != kCounter) {
    throw Refused("kill switch", "the index is no counter, and could be set back");
  }
  index.name = named(name_algorithm, name_hash, {bytes});
  return index;
}

Bytes qualified_name(const PublicArea& object, ByteView parent) {
  return named(object.name_algorithm, object.name_hash, {parent, object.name});
}

Bytes qualified_name(const PublicArea& primary, std::uint32_t hierarchy) {
  const Bytes handle = {
      static_cast<std::uint8_t>(hierarchy >> 24), static_cast<std::uint8_t>(hierarchy >> 16),
      static_cast<std::uint8_t>(hierarchy >> 8), static_cast<std::uint8_t>(hierarchy)};
  return qualified_name(primary, handle);
}

}  // namespace mayfly::attestation
