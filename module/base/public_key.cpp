#include "base/public_key.h"

#include <array>
#include <bit>
#include <mutex>
#include <utility>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/crypto_context.h"
#include "base/libcrypto_owned.h"

namespace mayfly {
namespace {

using crypto::Owned;

using PkeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using ParamBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using BigNumber = Owned<BIGNUM, BN_free>;
using EcdsaSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;

struct Curve {
  KeySpec spec;
  const char* name;        // libcrypto's group name
  std::size_t field_size;  // bytes of a coordinate
  ByteView params;         // CKA_EC_PARAMS
  ByteView spki_prefix;    // a SubjectPublicKeyInfo up to the point (RFC 5480, RFC 8410)
};

constexpr std::uint8_t kP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::uint8_t kP384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr std::uint8_t kP521[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
constexpr std::uint8_t kEd25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
constexpr std::uint8_t kEd25519Name[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r',
                                         'd',  's',  '2', '5', '5', '1', '9'};

constexpr std::uint8_t kP256Info[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
constexpr std::uint8_t kP384Info[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                      0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                      0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};
constexpr std::uint8_t kP521Info[] = {0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                      0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
                                      0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00};
constexpr std::uint8_t kEd25519Info[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                         0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

const std::array<Curve, 4>& curves() noexcept {
  static const std::array<Curve, 4> kCurves = {{
      {{CKK_EC, 256}, "P-256", 32, kP256, kP256Info},
      {{CKK_EC, 384}, "P-384", 48, kP384, kP384Info},
      {{CKK_EC, 521}, "P-521", 66, kP521, kP521Info},
      {{CKK_EC_EDWARDS, 255}, "ED25519", 32, kEd25519, kEd25519Info},
  }};
  return kCurves;
}

const Curve* curve_of(const KeySpec& spec) noexcept {
  for (const Curve& curve : curves()) {
    if (curve.spec == spec) return &curve;
  }
  return nullptr;
}

Bytes without_leading_zeros(ByteView number) {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  return to_bytes(number);
}

using PublicEvpKey = Owned<EVP_PKEY, EVP_PKEY_free>;

PublicEvpKey make_key(const char* type, OSSL_PARAM* params) {
  const PkeyContext context(EVP_PKEY_CTX_new_from_name(crypto::context(), type, nullptr));
  EVP_PKEY* key = nullptr;
  if (context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
    throw crypto::failure(CKR_ATTRIBUTE_VALUE_INVALID, "reading a public key");
  }
  return PublicEvpKey(key);
}

PublicEvpKey make_curve_key(const Curve& curve, const Bytes& point) {
  const bool edwards = curve.spec.type == CKK_EC_EDWARDS;
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      (!edwards && OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                                   curve.name, 0) != 1) ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    throw Error(CKR_HOST_MEMORY, "no memory for a public key");
  }
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  return make_key(edwards ? curve.name : "EC", params.get());
}

PublicEvpKey make_rsa_key(const Bytes& modulus, const Bytes& exponent) {
  const BigNumber n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  const BigNumber e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (n == nullptr || e == nullptr || builder == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    throw Error(CKR_HOST_MEMORY, "no memory for a public key");
  }
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  return make_key("RSA", params.get());
}

Bytes number_of(EVP_PKEY* key, const char* name) {
  BIGNUM* read = nullptr;
  EVP_PKEY_get_bn_param(key, name, &read);
  const BigNumber number(read);
  if (number == nullptr) return {};
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), bytes.data());
  return bytes;
}

/// Modulus and exponent out of a SubjectPublicKeyInfo.
std::pair<Bytes, Bytes> rsa_numbers(ByteView der) {
  const unsigned char* at = der.data();
  ERR_set_mark();
  const PublicEvpKey key(
      d2i_PUBKEY_ex(nullptr, &at, static_cast<long>(der.size()), crypto::context(), nullptr));
  const bool rsa = key != nullptr && EVP_PKEY_is_a(key.get(), "RSA") == 1;
  std::pair<Bytes, Bytes> numbers;
  if (rsa) {
    numbers = {number_of(key.get(), OSSL_PKEY_PARAM_RSA_N),
               number_of(key.get(), OSSL_PKEY_PARAM_RSA_E)};
  }
  ERR_pop_to_mark();
  if (!rsa) throw Error(CKR_ATTRIBUTE_VALUE_INVALID, "a public key is of a kind that is not known");
  return numbers;
}

/// Uncompressed, of the right size and on the curve (SEC 1, 2.3.4). Ed25519 has no cheap check:
/// its 32 bytes are taken as they are, and a bad one verifies nothing.
bool is_on_curve(const Curve& curve, ByteView encoded) {
  if (curve.spec.type == CKK_EC_EDWARDS) return encoded.size() == curve.field_size;
  if (encoded.size() != 2 * curve.field_size + 1 || encoded[0] != POINT_CONVERSION_UNCOMPRESSED) {
    return false;
  }
  const EC_GROUP* group = crypto::group(curve.name);
  const Owned<EC_POINT, EC_POINT_free> point(EC_POINT_new(group));
  if (point == nullptr) throw Error(CKR_HOST_MEMORY, "no memory for a public key");
  ERR_set_mark();
  const bool good =
      EC_POINT_oct2point(group, point.get(), encoded.data(), encoded.size(), nullptr) == 1;
  ERR_pop_to_mark();
  return good;
}

bool verify_eddsa(EVP_PKEY* key, ByteView message, ByteView signature) {
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  if (context == nullptr) throw Error(CKR_HOST_MEMORY, "no memory for a verification");
  if (EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, crypto::context(), nullptr, key,
                              nullptr) != 1) {
    throw crypto::failure(CKR_FUNCTION_FAILED, "starting a verification");
  }
  ERR_set_mark();
  const bool good = EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                     message.data(), message.size()) == 1;
  ERR_pop_to_mark();
  return good;
}

void set_rsa_parameters(EVP_PKEY_CTX* context, const SignatureScheme& scheme) {
  bool good = true;
  if (scheme.scheme == Scheme::rsa_pss) {
    good =
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_mgf1_md_name(context, libcrypto_name(scheme.mgf_hash), nullptr) == 1 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(context, static_cast<int>(scheme.salt_size)) == 1;
  } else {
    good = EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
  }
  if (good && scheme.hash != Hash::none) {
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST,
                                         const_cast<char*>(libcrypto_name(scheme.hash)), 0),
        OSSL_PARAM_construct_end()};
    good = EVP_PKEY_CTX_set_params(context, params) == 1;
  }
  if (!good) throw crypto::failure(CKR_MECHANISM_PARAM_INVALID, "setting RSA parameters");
}

bool fits(CK_KEY_TYPE type, Scheme scheme) noexcept {
  switch (scheme) {
    case Scheme::ecdsa:
      return type == CKK_EC;
    case Scheme::eddsa:
      return type == CKK_EC_EDWARDS;
    case Scheme::rsa_pkcs1:
    case Scheme::rsa_pss:
      return type == CKK_RSA;
  }
  return false;
}

}  // namespace

std::string to_string(const KeySpec& spec) {
  if (spec.type == CKK_RSA) return "RSA " + std::to_string(spec.bits);
  if (spec.type == CKK_EC_EDWARDS) return "Ed25519";
  return "EC P-" + std::to_string(spec.bits);
}

ByteView ec_params(const KeySpec& spec) noexcept {
  const Curve* curve = curve_of(spec);
  return curve == nullptr ? ByteView{} : curve->params;
}

std::optional<KeySpec> spec_of_ec_params(ByteView der) noexcept {
  for (const Curve& curve : curves()) {
    if (equal(curve.params, der)) return curve.spec;
  }
  if (equal(kEd25519Name, der)) return KeySpec{CKK_EC_EDWARDS, 255};
  return std::nullopt;
}

std::optional<Bytes> decode_ec_point(const KeySpec& spec, ByteView attribute) {
  const Curve* curve = curve_of(spec);
  if (curve == nullptr) return std::nullopt;
  const std::size_t expected =
      spec.type == CKK_EC_EDWARDS ? curve->field_size : 2 * curve->field_size + 1;
  // Every length here is below 256, so DER has one length byte below 128 and 0x81 plus one above.
  const std::size_t header = expected < 0x80 ? 2 : 3;
  if (attribute.size() == expected + header && attribute[0] == 0x04 &&
      (header == 2 || attribute[1] == 0x81) && attribute[header - 1] == expected) {
    return to_bytes(attribute.subspan(header));
  }
  if (attribute.size() == expected) return to_bytes(attribute);
  return std::nullopt;
}

Bytes encode_ec_point(ByteView point) {
  Bytes der = {0x04};
  if (point.size() >= 0x80) der.push_back(0x81);
  der.push_back(static_cast<std::uint8_t>(point.size()));
  der.insert(der.end(), point.begin(), point.end());
  return der;
}

Bytes ecdsa_to_der(ByteView signature) {
  const std::size_t half = signature.size() / 2;
  const EcdsaSignature parts(ECDSA_SIG_new());
  BigNumber r(BN_bin2bn(signature.data(), static_cast<int>(half), nullptr));
  BigNumber s(BN_bin2bn(signature.data() + half, static_cast<int>(half), nullptr));
  if (parts == nullptr || r == nullptr || s == nullptr ||
      ECDSA_SIG_set0(parts.get(), r.release(), s.release()) != 1) {
    throw Error(CKR_HOST_MEMORY, "no memory for a signature");
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(parts.get(), &der);
  if (size <= 0) throw Error(CKR_HOST_MEMORY, "no memory for a signature");
  const Bytes result(der, der + size);
  OPENSSL_free(der);
  return result;
}

struct PublicKey::Libcrypto {
  std::once_flag once;
  PublicEvpKey key;
};

PublicKey::PublicKey() : libcrypto_(std::make_shared<Libcrypto>()) {}

PublicKey PublicKey::from_point(const KeySpec& spec, ByteView point) {
  const Curve* curve = curve_of(spec);
  if (curve == nullptr) throw Error(CKR_CURVE_NOT_SUPPORTED, "the curve is not known");
  if (!is_on_curve(*curve, point)) {
    throw Error(CKR_ATTRIBUTE_VALUE_INVALID, "a public key is no point of " + to_string(spec));
  }
  PublicKey result;
  result.spec_ = spec;
  result.point_ = to_bytes(point);
  return result;
}

PublicKey PublicKey::from_rsa(ByteView modulus, ByteView exponent) {
  static constexpr std::size_t kMinBytes = 2048 / 8;
  static constexpr std::size_t kMaxBytes = 16384 / 8;
  PublicKey result;
  result.modulus_ = without_leading_zeros(modulus);
  result.exponent_ = without_leading_zeros(exponent);
  const Bytes& n = result.modulus_;
  const Bytes& e = result.exponent_;
  const bool odd = !n.empty() && !e.empty() && (n.back() & e.back() & 1) != 0;
  const bool short_by_bits = n.size() == kMinBytes && (n.front() & 0x80) == 0;
  if (!odd || n.size() < kMinBytes || short_by_bits || n.size() > kMaxBytes || e.size() > 32 ||
      (e.size() == 1 && e.front() == 1)) {
    throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                "an RSA public key has a modulus or an exponent that none can have");
  }
  result.spec_ = {CKK_RSA, static_cast<unsigned>(
                               n.size() * 8 - static_cast<unsigned>(std::countl_zero(n.front())))};
  return result;
}

PublicKey PublicKey::from_subject_public_key_info(ByteView der) {
  for (const Curve& curve : curves()) {
    if (der.size() > curve.spki_prefix.size() &&
        equal(der.first(curve.spki_prefix.size()), curve.spki_prefix)) {
      return from_point(curve.spec, der.subspan(curve.spki_prefix.size()));
    }
  }
  const auto [modulus, exponent] = rsa_numbers(der);
  PublicKey key = from_rsa(modulus, exponent);
  if (equal(key.subject_public_key_info(), der)) return key;
  throw Error(CKR_ATTRIBUTE_VALUE_INVALID, "a public key is not written in the usual way");
}

EVP_PKEY* PublicKey::libcrypto_key() const {
  std::call_once(libcrypto_->once, [this] {
    libcrypto_->key = spec_.type == CKK_RSA ? make_rsa_key(modulus_, exponent_)
                                            : make_curve_key(*curve_of(spec_), point_);
  });
  return libcrypto_->key.get();
}

std::size_t PublicKey::signature_size() const noexcept {
  if (spec_.type == CKK_RSA) return modulus_.size();
  const Curve* curve = curve_of(spec_);
  return curve == nullptr ? 0 : 2 * curve->field_size;
}

Bytes PublicKey::subject_public_key_info() const {
  if (const Curve* curve = curve_of(spec_)) {
    Bytes der = to_bytes(curve->spki_prefix);
    der.insert(der.end(), point_.begin(), point_.end());
    return der;
  }
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(libcrypto_key(), &der);
  if (size <= 0) throw crypto::failure(CKR_FUNCTION_FAILED, "encoding a public key");
  const Bytes result(der, der + size);
  OPENSSL_free(der);
  return result;
}

bool PublicKey::verify(const SignatureScheme& scheme, ByteView input, ByteView signature) const {
  if (!fits(spec_.type, scheme.scheme)) {
    throw Error(CKR_KEY_TYPE_INCONSISTENT, "the mechanism is not one of the key's type");
  }
  // Else one signature would have several forms: with zeros in front of its halves, or bytes
  // behind.
  if (signature.size() != signature_size()) return false;
  if (scheme.scheme == Scheme::eddsa) return verify_eddsa(libcrypto_key(), input, signature);

  const PkeyContext context(
      EVP_PKEY_CTX_new_from_pkey(crypto::context(), libcrypto_key(), nullptr));
  if (context == nullptr || EVP_PKEY_verify_init(context.get()) != 1) {
    throw crypto::failure(CKR_FUNCTION_FAILED, "starting a verification");
  }
  if (spec_.type == CKK_RSA) set_rsa_parameters(context.get(), scheme);
  const Bytes der = scheme.scheme == Scheme::ecdsa ? ecdsa_to_der(signature) : Bytes{};
  const ByteView encoded = der.empty() ? signature : ByteView(der);
  ERR_set_mark();  // the host's error queue is not ours to fill
  const bool good = EVP_PKEY_verify(context.get(), encoded.data(), encoded.size(), input.data(),
                                    input.size()) == 1;
  ERR_pop_to_mark();
  return good;
}

}  // namespace mayfly
