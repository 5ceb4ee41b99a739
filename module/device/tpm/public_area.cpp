#include "device/tpm/public_area.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "device/tpm/algorithms.h"
#include "device/tpm/marshalled.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {
namespace {

constexpr TPMA_OBJECT kBornHere =
    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;
constexpr std::uint32_t kDefaultExponent = 65537;

/// TPM2_ALG_SHA256 ‖ SHA-256 of all parts.
Bytes sha256_name(std::initializer_list<ByteView> parts) {
  Hasher hasher(Hash::sha256);
  for (const ByteView part : parts) hasher.update(part);
  Bytes name = {TPM2_ALG_SHA256 >> 8, TPM2_ALG_SHA256 & 0xff};
  const Bytes digest = hasher.finish();
  name.insert(name.end(), digest.begin(), digest.end());
  return name;
}

/// The coordinate of a point, with the zeros that the TPM may leave out.
void append_padded(Bytes& to, const TPM2B_ECC_PARAMETER& number, std::size_t width) {
  const std::size_t size = std::min<std::size_t>(number.size, width);
  to.insert(to.end(), width - size, 0);
  to.insert(to.end(), number.buffer, number.buffer + size);
}

}  // namespace

Bytes public_bytes(const TPMT_PUBLIC& area) {
  return marshalled(area, Tss2_MU_TPMT_PUBLIC_Marshal, "Tss2_MU_TPMT_PUBLIC_Marshal");
}

TPM2B_PUBLIC parent_template() {
  TPM2B_PUBLIC wanted{};
  TPMT_PUBLIC& area = wanted.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = kBornHere | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
                          TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
  area.authPolicy = sized<TPM2B_DIGEST>(
      digest(Hash::sha256, as_bytes("mayfly: the parent of session keys, version 1")));
  TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_AES;
  ecc.symmetric.keyBits.aes = 128;
  ecc.symmetric.mode.aes = TPM2_ALG_CFB;
  ecc.scheme.scheme = TPM2_ALG_NULL;
  ecc.curveID = TPM2_ECC_NIST_P256;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  return wanted;
}

bool is_parent(const Tpm::PublicArea& area) {
  TPMT_PUBLIC expected = parent_template().publicArea;
  expected.unique = area.public_area.publicArea.unique;
  return area.public_area.publicArea.type == TPM2_ALG_ECC &&
         public_bytes(expected) == public_bytes(area.public_area.publicArea) &&
         equal(view(area.qualified_name), null_primary_qualified_name(view(area.name)));
}

TPMT_PUBLIC session_key_template(const KeySpec& spec, ByteView policy) {
  const TPMT_PUBLIC_PARMS parameters = signing_parameters(spec);
  TPMT_PUBLIC area{};
  area.type = parameters.type;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = kBornHere | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT;
  if (policy.empty()) area.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
  area.authPolicy = sized<TPM2B_DIGEST>(policy);
  area.parameters = parameters.parameters;
  return area;
}

PublicKey public_key_of(const KeySpec& spec, const TPMT_PUBLIC& area) {
  if (spec.type == CKK_RSA) {
    const Bytes exponent = {1, 0, 1};
    return PublicKey::from_rsa(view(area.unique.rsa), exponent);
  }
  const std::size_t width = (spec.bits + 7) / 8;
  Bytes point = {0x04};
  append_padded(point, area.unique.ecc.x, width);
  append_padded(point, area.unique.ecc.y, width);
  return PublicKey::from_point(spec, point);
}

Bytes name_of(const TPMT_PUBLIC& public_area) { return sha256_name({public_bytes(public_area)}); }

Bytes qualified_name(ByteView parent, ByteView name) { return sha256_name({parent, name}); }

Bytes null_primary_qualified_name(ByteView name) {
  static constexpr std::uint8_t kNull[] = {TPM2_RH_NULL >> 24, 0, 0, TPM2_RH_NULL & 0xff};
  return sha256_name({kNull, name});
}

PublicKey inspect(const KeySpec& spec, const TPMT_PUBLIC& wanted, const Tpm::Created& made) {
  const TPMT_PUBLIC& area = made.public_area.publicArea;
  TPMT_PUBLIC expected = wanted;
  expected.unique = area.unique;
  if (spec.type == CKK_RSA && area.parameters.rsaDetail.exponent == kDefaultExponent) {
    expected.parameters.rsaDetail.exponent = kDefaultExponent;  // 0 is another way to say it
  }
  if (public_bytes(expected) != public_bytes(area)) {
    throw Error(CKR_DEVICE_ERROR,
                "the TPM made a key with other attributes than it was asked for; it was destroyed");
  }
  if (!equal(view(made.name), name_of(area))) {
    throw Error(CKR_DEVICE_ERROR,
                "the TPM gave its new key a name that does not fit; it was destroyed");
  }
  return public_key_of(spec, area);
}

}  // namespace mayfly::tpm
