#include "device/tpm/enrolment.h"

#include <array>

#include "base/random.h"
#include "device/tpm/attestation.h"
#include "device/tpm/public_area.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {
namespace {

// TCG EK Credential Profile: where makers put certificates, and which keys they are of (templates
// L-1 and L-2).
constexpr TPMI_RH_NV_INDEX kRsaCertificate = 0x01c00002;
constexpr TPMI_RH_NV_INDEX kEccCertificate = 0x01c0000a;
constexpr std::size_t kSecretSize = 32;
constexpr UINT16 kPiece = 512;  // every TPM reads that much at once

/// Something in the TPM, flushed when it goes out of scope.
class Loaded {
 public:
  Loaded(Tpm& tpm, TPM2_HANDLE handle) : tpm_(tpm), handle_(handle) {}
  ~Loaded() { Tss2_Sys_FlushContext(tpm_.sys(), handle_); }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  [[nodiscard]] TPM2_HANDLE handle() const noexcept { return handle_; }

 private:
  Tpm& tpm_;
  TPM2_HANDLE handle_;
};

/// The policy of all default endorsement keys: TPM2_PolicySecret of the endorsement hierarchy.
constexpr std::array<std::uint8_t, 32> kEndorsementPolicy = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};

TPM2B_PUBLIC endorsement_key_template(bool rsa) {
  TPM2B_PUBLIC wanted{};
  TPMT_PUBLIC& area = wanted.publicArea;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                          TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                          TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
  area.authPolicy = sized<TPM2B_DIGEST>(kEndorsementPolicy);
  TPMT_SYM_DEF_OBJECT symmetric{};
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
  if (rsa) {
    area.type = TPM2_ALG_RSA;
    area.parameters.rsaDetail.symmetric = symmetric;
    area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.rsaDetail.keyBits = 2048;
    area.unique.rsa.size = 256;  // of zeros, as the profile wants
  } else {
    area.type = TPM2_ALG_ECC;
    area.parameters.eccDetail.symmetric = symmetric;
    area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
    area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
    area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
    area.unique.ecc.x.size = area.unique.ecc.y.size = 32;
  }
  return wanted;
}

/// What an NV index holds; nothing if there is none.
Bytes read_nv(Tpm& tpm, TPMI_RH_NV_INDEX index) {
  std::size_t whole = 0;
  try {
    whole = tpm.nv_read_public(index).area.dataSize;
  } catch (const TpmError& error) {
    if (!error.is(TPM2_RC_HANDLE)) throw;
    return {};
  }
  Bytes content;
  while (content.size() < whole) {
    const auto offset = static_cast<UINT16>(content.size());
    const auto size = static_cast<UINT16>(std::min<std::size_t>(kPiece, whole - offset));
    CommandAuthorisation authorisation({});
    TPM2B_MAX_NV_BUFFER piece{};
    tpm.run(Tss2_Sys_NV_Read(tpm.sys(), index, index, authorisation.command(), size, offset, &piece,
                             authorisation.response()),
            "TPM2_NV_Read");
    if (piece.size != size) throw Error(CKR_DEVICE_ERROR, "the TPM cuts short what it stores");
    content.insert(content.end(), piece.buffer, piece.buffer + piece.size);
  }
  return content;
}

/// Has the TPM show that it holds both keys.
void prove_both(Tpm& tpm, const Tpm::Created& attestation_key, TPM2_HANDLE endorsement_key) {
  std::array<std::uint8_t, kSecretSize> secret{};
  fill_random(secret, "a secret for the TPM to open");
  const auto sealed = sized<TPM2B_DIGEST>(secret);
  TPM2B_ID_OBJECT blob{};
  TPM2B_ENCRYPTED_SECRET seed{};
  tpm.run(Tss2_Sys_MakeCredential(tpm.sys(), endorsement_key, nullptr, &sealed,
                                  &attestation_key.name, &blob, &seed, nullptr),
          "TPM2_MakeCredential");

  const Loaded session(tpm, tpm.start_policy_session());
  CommandAuthorisation hierarchy({});
  const TPM2B_NONCE no_nonce{};
  const TPM2B_DIGEST no_hash{};
  TPM2B_TIMEOUT timeout{};
  TPMT_TK_AUTH ticket{};
  tpm.run(Tss2_Sys_PolicySecret(tpm.sys(), TPM2_RH_ENDORSEMENT, session.handle(),
                                hierarchy.command(), &no_nonce, &no_hash, &no_nonce, 0, &timeout,
                                &ticket, hierarchy.response()),
          "TPM2_PolicySecret");
  CommandAuthorisation both({}, {session.handle(), {}});
  TPM2B_DIGEST opened{};
  tpm.run(Tss2_Sys_ActivateCredential(tpm.sys(), attestation_key.handle, endorsement_key,
                                      both.command(), &blob, &seed, &opened, both.response()),
          "TPM2_ActivateCredential");
  if (!equal(view(opened), secret)) {
    throw Error(CKR_DEVICE_ERROR,
                "the TPM does not hold its attestation key and its endorsement key together");
  }
}

}  // namespace

EnrolledTpm enrol(const ConnectionOptions& options) {
  Tpm tpm(options);
  EnrolledTpm result;
  result.endorsement_certificate = read_nv(tpm, kEccCertificate);
  bool rsa = false;
  if (result.endorsement_certificate.empty()) {
    result.endorsement_certificate = read_nv(tpm, kRsaCertificate);
    rsa = !result.endorsement_certificate.empty();
  }
  const Tpm::Created attestation_key = make_attestation_key(tpm);
  const Loaded first(tpm, attestation_key.handle);
  const Tpm::Created endorsement_key =
      tpm.create_primary(TPM2_RH_ENDORSEMENT, endorsement_key_template(rsa));
  const Loaded second(tpm, endorsement_key.handle);
  prove_both(tpm, attestation_key, endorsement_key.handle);
  result.attestation_key_public = public_bytes(attestation_key.public_area.publicArea);
  result.endorsement_key_public = public_bytes(endorsement_key.public_area.publicArea);
  return result;
}

}  // namespace mayfly::tpm
