// Encoded keys and signatures that come from a device or a client: curves, points, moduli. What is
// accepted must be the same for libcrypto, and must encode to what it was decoded from.
#include <memory>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "base/public_key.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"

namespace mayfly::test {
namespace {

constexpr KeySpec kCurves[] = {{CKK_EC, 256}, {CKK_EC, 384}, {CKK_EC, 521}, {CKK_EC_EDWARDS, 255}};
constexpr Hash kHashes[] = {Hash::sha224, Hash::sha256, Hash::sha384, Hash::sha512};

struct FreeKey {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};

/// Whether libcrypto reads all of it as a SubjectPublicKeyInfo of the right size.
bool libcrypto_reads(const Bytes& info, const KeySpec& spec) {
  const unsigned char* at = info.data();
  const std::unique_ptr<EVP_PKEY, FreeKey> key(
      d2i_PUBKEY(nullptr, &at, static_cast<long>(info.size())));
  ERR_clear_error();
  return key != nullptr && at == info.data() + info.size() &&
         (spec.type != CKK_RSA || EVP_PKEY_get_bits(key.get()) == static_cast<int>(spec.bits));
}

SignatureScheme scheme_for(const KeySpec& spec, Input& input) {
  const Hash hash = input.pick(kHashes);
  if (spec.type == CKK_EC) return {Scheme::ecdsa, hash, Hash::none, 0};
  if (spec.type == CKK_EC_EDWARDS) return {Scheme::eddsa, Hash::none, Hash::none, 0};
  if (input.flag()) return {Scheme::rsa_pkcs1, input.flag() ? hash : Hash::none, Hash::none, 0};
  return {Scheme::rsa_pss, hash, hash, input.number(2)};
}

/// A signature that was made up is none, whatever the key.
void check_verification(const PublicKey& key, Input& input) {
  const SignatureScheme scheme = scheme_for(key.spec(), input);
  const ByteView digest = input.short_piece();
  Bytes signature = to_bytes(input.rest());
  if (input.flag() || signature.size() > key.signature_size() / 2) {
    signature.resize(key.signature_size(), 0x5a);
  }
  try {
    const bool verified = key.verify(scheme, digest, signature);
    require(!verified || scheme.scheme != Scheme::ecdsa || !digest.empty(),
            "no ECDSA signature is one over nothing");
  } catch (const Error& error) {
    require(error.rv() != CKR_KEY_TYPE_INCONSISTENT && error.rv() != CKR_GENERAL_ERROR,
            "a scheme goes with its own type of key");
    require_message(error.what());
  }
}

void check_key(const PublicKey& key, Input& input) {
  const Bytes info = key.subject_public_key_info();
  require(libcrypto_reads(info, key.spec()), "libcrypto reads the encoded key as the same");
  check_verification(key, input);
}

void check_point(const KeySpec& spec, ByteView attribute, Input& input) {
  const auto point = decode_ec_point(spec, attribute);
  if (!point) return;
  const Bytes encoded = encode_ec_point(*point);
  require(equal(encoded, attribute) || equal(*point, attribute),
          "a point is encoded as it was decoded, or was bare");
  require(decode_ec_point(spec, encoded) == point, "an encoded point is decoded as the same");
  try {
    check_key(PublicKey::from_point(spec, *point), input);
  } catch (const Error& error) {
    require(error.rv() == CKR_ATTRIBUTE_VALUE_INVALID, "a bad point is a bad attribute");
  }
}

void check_curve(ByteView der) {
  const auto spec = spec_of_ec_params(der);
  if (!spec) return;
  const bool by_name = !der.empty() && der.front() == 0x13;
  require(by_name || equal(ec_params(*spec), der), "a curve has one OID");
  require(!to_string(*spec).empty(), "a curve has a name");
}

void check_rsa(ByteView modulus, ByteView exponent, Input& input) {
  try {
    const PublicKey key = PublicKey::from_rsa(modulus, exponent);
    require(key.spec().bits >= 2048 && key.spec().bits <= 16'384,
            "a modulus has 2048 bits or more");
    check_key(key, input);
  } catch (const Error& error) {
    require(error.rv() == CKR_ATTRIBUTE_VALUE_INVALID, "a bad RSA key is a bad attribute");
  }
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  test::Input input(data, size);
  const std::uint8_t kind = input.byte() % 6;
  if (kind < std::size(test::kCurves)) {
    const ByteView attribute = input.short_piece();
    test::check_point(test::kCurves[kind], attribute, input);
  } else if (kind == 4) {
    const ByteView modulus = input.piece(input.number(2));
    const ByteView exponent = input.short_piece();
    test::check_rsa(modulus, exponent, input);
  } else {
    test::check_curve(input.rest());
  }
  test::require(ERR_peek_error() == 0, "the host's queue of libcrypto errors is left empty");
  return 0;
}
