// Statements that no TPM made, under a signature that is good: what each single check is there for.
// The attestation key is one of libcrypto's, dressed as a TPM's and enrolled.
#include <functional>
#include <tss2/tss2_mu.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "credential/attestation/policy.h"
#include "integration/attestation/fixture.h"

namespace mayfly::test {
namespace {

using attestation::Evidence;
using attestation::Statement;

template <typename T, typename Unmarshal>
T unmarshalled(const Bytes& bytes, Unmarshal unmarshal) {
  T object{};
  std::size_t at = 0;
  if (unmarshal(bytes.data(), bytes.size(), &at, &object) != TSS2_RC_SUCCESS) {
    throw std::runtime_error("unmarshalling");
  }
  return object;
}

template <typename T, typename Marshal>
Bytes marshalled(const T& object, Marshal marshal) {
  Bytes bytes(4096);
  std::size_t size = 0;
  if (marshal(&object, bytes.data(), bytes.size(), &size) != TSS2_RC_SUCCESS) {
    throw std::runtime_error("marshalling");
  }
  bytes.resize(size);
  return bytes;
}

/// A P-256 key of libcrypto's.
class Forger {
 public:
  Forger() : key_(EVP_EC_gen("P-256")) {}
  ~Forger() { EVP_PKEY_free(key_); }
  Forger(const Forger&) = delete;
  Forger& operator=(const Forger&) = delete;

  /// The public area of a TPM's attestation key, with this key in its place.
  [[nodiscard]] Bytes dress(const Bytes& public_area) const {
    auto area = unmarshalled<TPMT_PUBLIC>(public_area, Tss2_MU_TPMT_PUBLIC_Unmarshal);
    Bytes point(65);
    std::size_t size = 0;
    EVP_PKEY_get_octet_string_param(key_, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(),
                                    &size);
    std::copy_n(point.begin() + 1, 32, area.unique.ecc.x.buffer);
    std::copy_n(point.begin() + 33, 32, area.unique.ecc.y.buffer);
    area.unique.ecc.x.size = area.unique.ecc.y.size = 32;
    return marshalled(area, Tss2_MU_TPMT_PUBLIC_Marshal);
  }

  [[nodiscard]] Statement sign(const Bytes& info) const {
    const Bytes hashed = digest(Hash::sha256, info);
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(key_, nullptr);
    Bytes der(128);
    std::size_t size = der.size();
    EVP_PKEY_sign_init(context);
    EVP_PKEY_sign(context, der.data(), &size, hashed.data(), hashed.size());
    EVP_PKEY_CTX_free(context);
    const unsigned char* at = der.data();
    ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    TPMT_SIGNATURE signature{};
    signature.sigAlg = TPM2_ALG_ECDSA;
    signature.signature.ecdsa.hash = TPM2_ALG_SHA256;
    auto& r = signature.signature.ecdsa.signatureR;
    auto& s = signature.signature.ecdsa.signatureS;
    r.size = s.size = 32;
    BN_bn2binpad(ECDSA_SIG_get0_r(parts), r.buffer, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), s.buffer, 32);
    ECDSA_SIG_free(parts);
    return {info, marshalled(signature, Tss2_MU_TPMT_SIGNATURE_Marshal)};
  }

 private:
  EVP_PKEY* key_;
};

class ForgedStatement : public AttestationTest {
 protected:
  ForgedStatement() : evidence_(tpm().make({})) {
    evidence_.attestation_key_public = forger_.dress(evidence_.attestation_key_public);
    certification_ =
        unmarshalled<TPMS_ATTEST>(evidence_.certification.info, Tss2_MU_TPMS_ATTEST_Unmarshal);
    time_ = unmarshalled<TPMS_ATTEST>(evidence_.time->info, Tss2_MU_TPMS_ATTEST_Unmarshal);
    const Bytes signer = attestation::qualified_name(
        attestation::parse_public_area(evidence_.attestation_key_public, "a key"),
        attestation::kEndorsementHierarchy);
    for (TPMS_ATTEST* info : {&certification_, &time_}) {
      std::copy(signer.begin(), signer.end(), info->qualifiedSigner.name);
    }
  }

  /// What the verifier says to both statements under good signatures.
  [[nodiscard]] std::string refusal_of(const TPMS_ATTEST& certification, const TPMS_ATTEST& time) {
    return refusal_of(marshalled(certification, Tss2_MU_TPMS_ATTEST_Marshal),
                      marshalled(time, Tss2_MU_TPMS_ATTEST_Marshal));
  }
  [[nodiscard]] std::string refusal_of(const Bytes& certification, const Bytes& time) {
    Evidence evidence = evidence_;
    evidence.certification = forger_.sign(certification);
    evidence.time = forger_.sign(time);
    return refusal(evidence, expectations(), trust_in(evidence));
  }

  Forger forger_;
  Evidence evidence_;
  TPMS_ATTEST certification_{};
  TPMS_ATTEST time_{};
};

TEST_F(ForgedStatement, IsBelievedWhenNothingIsWrongWithIt) {
  EXPECT_EQ(refusal_of(certification_, time_), "");
}

struct Forgery {
  const char* name;
  const char* check;
  void (*spoil)(TPMS_ATTEST& info);
};

constexpr Forgery kOfBoth[] = {
    {"signer", "signer", [](TPMS_ATTEST& i) { i.qualifiedSigner.name[5] ^= 1; }},
    {"a signer that is only a handle", "signer",
     [](TPMS_ATTEST& i) { i.qualifiedSigner.size = 4; }},
    {"qualifying data", "qualifying data", [](TPMS_ATTEST& i) { i.extraData.buffer[31] ^= 1; }},
    {"no qualifying data", "qualifying data", [](TPMS_ATTEST& i) { i.extraData.size = 0; }},
    {"more qualifying data", "qualifying data", [](TPMS_ATTEST& i) { ++i.extraData.size; }},
    {"a reset", "clock", [](TPMS_ATTEST& i) { ++i.clockInfo.resetCount; }},
    {"a restart", "clock", [](TPMS_ATTEST& i) { ++i.clockInfo.restartCount; }},
};

TEST_F(ForgedStatement, WithAnythingWrongInItsHeadIsRefusedByItsCheck) {
  for (const Forgery& forgery : kOfBoth) {
    TPMS_ATTEST spoilt = certification_;
    forgery.spoil(spoilt);
    EXPECT_EQ(refusal_of(spoilt, time_), forgery.check) << forgery.name;
    spoilt = time_;
    forgery.spoil(spoilt);
    EXPECT_EQ(refusal_of(certification_, spoilt), forgery.check) << forgery.name;
  }
}

TEST_F(ForgedStatement, ThatIsNoneOfATpmsIsRefused) {
  Bytes spoilt = marshalled(certification_, Tss2_MU_TPMS_ATTEST_Marshal);
  const Bytes time = marshalled(time_, Tss2_MU_TPMS_ATTEST_Marshal);
  spoilt[0] ^= 1;
  EXPECT_EQ(refusal_of(spoilt, time), "magic");
  spoilt[0] ^= 1;
  EXPECT_EQ(refusal_of(time, time), "type");
  EXPECT_EQ(refusal_of(spoilt, spoilt), "type");
}

TEST_F(ForgedStatement, WithBytesMissingOrLeftOverIsRefused) {
  const Bytes good = marshalled(certification_, Tss2_MU_TPMS_ATTEST_Marshal);
  const Bytes time = marshalled(time_, Tss2_MU_TPMS_ATTEST_Marshal);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(refusal_of(Bytes(good.begin(), good.begin() + static_cast<long>(size)), time),
              "structure");
  }
  for (std::size_t size = 0; size < time.size(); ++size) {
    EXPECT_EQ(refusal_of(good, Bytes(time.begin(), time.begin() + static_cast<long>(size))),
              "structure");
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(refusal_of(longer, time), "structure");
  longer = time;
  longer.push_back(0);
  EXPECT_EQ(refusal_of(good, longer), "structure");
}

TEST_F(ForgedStatement, AboutAnotherKeyIsRefused) {
  TPMS_ATTEST spoilt = certification_;
  spoilt.attested.certify.name.name[10] ^= 1;
  EXPECT_EQ(refusal_of(spoilt, time_), "name");
  spoilt = certification_;
  spoilt.attested.certify.qualifiedName.name[10] ^= 1;
  EXPECT_EQ(refusal_of(spoilt, time_), "qualified name");
}

TEST_F(ForgedStatement, OfAnotherTimeIsRefused) {
  TPMS_ATTEST spoilt = time_;
  ++spoilt.attested.time.time.clockInfo.resetCount;
  EXPECT_EQ(refusal_of(certification_, spoilt), "clock");
  spoilt = time_;
  spoilt.attested.time.firmwareVersion ^= 1;
  EXPECT_EQ(refusal_of(certification_, spoilt), "structure");
  const std::uint64_t limit = evidence_.policy.deadline->time_limit_ms;
  spoilt = time_;
  spoilt.attested.time.time.time = limit;
  EXPECT_EQ(refusal_of(certification_, spoilt), "time");
  spoilt.attested.time.time.time = limit - 1;
  EXPECT_EQ(refusal_of(certification_, spoilt), "");
}

TEST_F(ForgedStatement, NamesMustStandForWhatTheyNameInEveryPart) {
  // With statements that fit whatever they are about, the checks of the parts are alone.
  const auto with = [this](
                        const std::function<void(TPMT_PUBLIC & key, TPMT_PUBLIC & parent)>& spoil) {
    auto key = unmarshalled<TPMT_PUBLIC>(evidence_.key_public, Tss2_MU_TPMT_PUBLIC_Unmarshal);
    auto parent = unmarshalled<TPMT_PUBLIC>(evidence_.parent_public, Tss2_MU_TPMT_PUBLIC_Unmarshal);
    spoil(key, parent);
    Evidence evidence = evidence_;
    evidence.key_public = marshalled(key, Tss2_MU_TPMT_PUBLIC_Marshal);
    evidence.parent_public = marshalled(parent, Tss2_MU_TPMT_PUBLIC_Marshal);
    const auto key_area = attestation::parse_public_area(evidence.key_public, "a key");
    const auto parent_area = attestation::parse_public_area(evidence.parent_public, "a key");
    TPMS_ATTEST certification = certification_;
    const Bytes qualified = attestation::qualified_name(
        key_area, attestation::qualified_name(parent_area, attestation::kNullHierarchy));
    auto& about = certification.attested.certify;
    std::copy(key_area.name.begin(), key_area.name.end(), about.name.name);
    about.name.size = static_cast<UINT16>(key_area.name.size());
    std::copy(qualified.begin(), qualified.end(), about.qualifiedName.name);
    about.qualifiedName.size = static_cast<UINT16>(qualified.size());
    evidence.certification = forger_.sign(marshalled(certification, Tss2_MU_TPMS_ATTEST_Marshal));
    evidence.time = forger_.sign(marshalled(time_, Tss2_MU_TPMS_ATTEST_Marshal));
    return refusal(evidence, expectations(), trust_in(evidence));
  };
  EXPECT_EQ(with([](TPMT_PUBLIC&, TPMT_PUBLIC&) {}), "");
  for (const TPMA_OBJECT missing : {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT,
                                    TPMA_OBJECT_SENSITIVEDATAORIGIN, TPMA_OBJECT_SIGN_ENCRYPT}) {
    EXPECT_EQ(with([&](TPMT_PUBLIC& key, TPMT_PUBLIC&) { key.objectAttributes &= ~missing; }),
              "key attributes")
        << missing;
  }
  for (unsigned bit = 0; bit < 32; ++bit) {
    const TPMA_OBJECT extra = TPMA_OBJECT{1} << bit;
    const bool known =
        (extra & (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                  TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_NODA | TPMA_OBJECT_STCLEAR)) != 0;
    EXPECT_EQ(with([&](TPMT_PUBLIC& key, TPMT_PUBLIC&) { key.objectAttributes |= extra; }),
              known ? "" : "key attributes")
        << bit;
  }
  EXPECT_EQ(with([](TPMT_PUBLIC& key, TPMT_PUBLIC&) { key.nameAlg = TPM2_ALG_SHA384; }),
            "key attributes");
  EXPECT_EQ(with([](TPMT_PUBLIC& key, TPMT_PUBLIC&) { key.authPolicy.size = 0; }), "policy");
  for (const TPMA_OBJECT missing :
       {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_SENSITIVEDATAORIGIN,
        TPMA_OBJECT_RESTRICTED, TPMA_OBJECT_DECRYPT}) {
    EXPECT_EQ(with([&](TPMT_PUBLIC&, TPMT_PUBLIC& parent) { parent.objectAttributes &= ~missing; }),
              "parent")
        << missing;
  }
  EXPECT_EQ(with([](TPMT_PUBLIC&, TPMT_PUBLIC& parent) {
              parent.objectAttributes |= TPMA_OBJECT_SIGN_ENCRYPT;
            }),
            "parent");
}

TEST_F(ForgedStatement, ByAnAttestationKeyOfTheWrongKindIsRefused) {
  const auto with = [this](const std::function<void(TPMT_PUBLIC&)>& spoil) {
    auto area =
        unmarshalled<TPMT_PUBLIC>(evidence_.attestation_key_public, Tss2_MU_TPMT_PUBLIC_Unmarshal);
    spoil(area);
    Evidence evidence = evidence_;
    evidence.attestation_key_public = marshalled(area, Tss2_MU_TPMT_PUBLIC_Marshal);
    return refusal(evidence, expectations(), trust_in(evidence));
  };
  for (const TPMA_OBJECT missing :
       {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_SENSITIVEDATAORIGIN,
        TPMA_OBJECT_RESTRICTED, TPMA_OBJECT_SIGN_ENCRYPT}) {
    EXPECT_EQ(with([&](TPMT_PUBLIC& area) { area.objectAttributes &= ~missing; }),
              "attestation key");
  }
  for (const TPMA_OBJECT extra : {TPMA_OBJECT_DECRYPT, TPMA_OBJECT_ENCRYPTEDDUPLICATION}) {
    EXPECT_EQ(with([&](TPMT_PUBLIC& area) { area.objectAttributes |= extra; }), "attestation key");
  }
  EXPECT_EQ(
      with([](TPMT_PUBLIC& area) { area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL; }),
      "attestation key");
  EXPECT_EQ(with([](TPMT_PUBLIC& area) {
              area.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA384;
            }),
            "signature");
}

TEST_F(ForgedStatement, WithoutAGoodSignatureIsRefused) {
  Evidence evidence = evidence_;
  const Bytes certification = marshalled(certification_, Tss2_MU_TPMS_ATTEST_Marshal);
  const Bytes time = marshalled(time_, Tss2_MU_TPMS_ATTEST_Marshal);
  const Forger other;
  evidence.certification = other.sign(certification);
  evidence.time = forger_.sign(time);
  EXPECT_EQ(refusal(evidence, expectations(), trust_in(evidence)), "signature");
  evidence.certification = forger_.sign(certification);
  evidence.time = other.sign(time);
  EXPECT_EQ(refusal(evidence, expectations(), trust_in(evidence)), "signature");
  evidence.time.reset();
  EXPECT_EQ(refusal(evidence, expectations(), trust_in(evidence)), "time");
}

TEST_F(ForgedStatement, OfAKillSwitchThatIsNoCounterIsRefused) {
  Evidence evidence = evidence_;
  evidence.policy.kill_switch = tpm().make_counter();
  auto index = unmarshalled<TPMS_NV_PUBLIC>(evidence.policy.kill_switch->index_public,
                                            Tss2_MU_TPMS_NV_PUBLIC_Unmarshal);
  index.attributes =
      (index.attributes & ~TPMA_NV_TPM2_NT_MASK) | (TPM2_NT_BITS << TPMA_NV_TPM2_NT_SHIFT);
  evidence.policy.kill_switch->index_public = marshalled(index, Tss2_MU_TPMS_NV_PUBLIC_Marshal);
  EXPECT_THROW(static_cast<void>(attestation::policy_digest(evidence.policy, Hash::sha256)),
               attestation::Refused);
}

TEST_F(ForgedStatement, OfTimeForASoftwareDeadlineIsRefused) {
  Recipe recipe;
  recipe.hardware_deadline = false;
  Evidence evidence = tpm().make(recipe);
  evidence.time = evidence.certification;
  EXPECT_EQ(refusal(evidence, expectations(recipe), trust_in(evidence)), "time");
}

}  // namespace
}  // namespace mayfly::test
