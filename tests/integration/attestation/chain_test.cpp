// From the attestation key to a root: certificates instead of an enrolled key.
#include <openssl/err.h>
#include <openssl/pem.h>

#include "credential/attestation/enrolment.h"
#include "integration/attestation/certificates.h"
#include "integration/attestation/fixture.h"

namespace mayfly::test {
namespace {

class AttestationChain : public AttestationTest {
 protected:
  AttestationChain()
      : evidence_(tpm().make({})),
        key_info_(attestation::parse_public_area(evidence_.attestation_key_public, "a key")
                      .key.subject_public_key_info()) {}

  [[nodiscard]] std::string refusal_with(const std::vector<std::string>& certificates,
                                         const std::string& roots) const {
    attestation::Evidence evidence = evidence_;
    evidence.certificates = certificates;
    attestation::Trust trust;
    trust.roots = roots;
    return refusal(evidence, expectations(), trust);
  }

  attestation::Evidence evidence_;
  Bytes key_info_;
  Authority root_{"root"};
  Authority between_{"between", &root_};
};

TEST_F(AttestationChain, ToATrustedRootIsBelieved) {
  EXPECT_EQ(refusal_with({root_.certify(key_info_)}, root_.certificate()), "");
  EXPECT_EQ(
      refusal_with({between_.certify(key_info_), between_.certificate()}, root_.certificate()), "");
  const Authority other("other");
  EXPECT_EQ(refusal_with({root_.certify(key_info_)}, other.certificate() + root_.certificate()),
            "");
}

TEST_F(AttestationChain, ToAnotherRootIsRefused) {
  const Authority other("root");  // of the same name
  EXPECT_EQ(refusal_with({root_.certify(key_info_)}, other.certificate()), "chain");
}

TEST_F(AttestationChain, WithALinkMissingIsRefused) {
  EXPECT_EQ(refusal_with({between_.certify(key_info_)}, root_.certificate()), "chain");
  EXPECT_EQ(refusal_with({}, root_.certificate()), "chain");
}

TEST_F(AttestationChain, WithItsOwnRootInTheEvidenceIsRefused) {
  const Authority own("own");
  EXPECT_EQ(refusal_with({own.certify(key_info_), own.certificate()}, root_.certificate()),
            "chain");
}

TEST_F(AttestationChain, OverSomebodyWhoIsNoAuthorityIsRefused) {
  const Authority somebody("somebody", &root_, false);
  EXPECT_EQ(
      refusal_with({somebody.certify(key_info_), somebody.certificate()}, root_.certificate()),
      "chain");
}

TEST_F(AttestationChain, OfAnotherKeyIsRefused) {
  Recipe other;
  other.attestation_key = Recipe::Key::p384;
  const Bytes info =
      attestation::parse_public_area(tpm().make(other).attestation_key_public, "a key")
          .key.subject_public_key_info();
  EXPECT_EQ(refusal_with({root_.certify(info)}, root_.certificate()), "chain");
}

TEST_F(AttestationChain, OfACertificateForAnotherUseIsRefused) {
  EXPECT_EQ(refusal_with({root_.certify(key_info_, {"serverAuth"})}, root_.certificate()), "chain");
  EXPECT_EQ(refusal_with({root_.certify(key_info_, {""})}, root_.certificate()), "chain");
}

TEST_F(AttestationChain, OutsideItsTimeIsRefused) {
  EXPECT_EQ(
      refusal_with({root_.certify(key_info_, {"2.23.133.8.3", -60, -1})}, root_.certificate()),
      "chain");
  EXPECT_EQ(
      refusal_with({root_.certify(key_info_, {"2.23.133.8.3", 60, 3600})}, root_.certificate()),
      "chain");
}

TEST_F(AttestationChain, AlteredAnywhereIsRefused) {
  const std::string pem = root_.certify(key_info_);
  const std::size_t body = pem.find('\n') + 1;
  std::size_t tried = 0;
  // The last digit before the filling also holds bits that mean nothing.
  for (std::size_t i = body; i < pem.rfind("\n-----END"); ++i) {
    if (pem[i] == '\n' || pem[i] == '=' || pem[i + 1] == '=') continue;
    std::string altered = pem;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(refusal_with({altered}, root_.certificate()), "chain") << i;
    ++tried;
  }
  EXPECT_GT(tried, 400U);
}

TEST_F(AttestationChain, ThatIsNoneIsRefusedAndLeavesNoErrorsToTheHost) {
  EXPECT_EQ(refusal_with({"no certificate"}, root_.certificate()), "chain");
  EXPECT_EQ(refusal_with({root_.certify(key_info_) + root_.certificate()}, root_.certificate()),
            "chain");
  EXPECT_THROW(static_cast<void>(refusal_with({root_.certify(key_info_)}, "no root")), Error);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(AttestationChain, AnEnrolledKeyIsTakenFromPemAndFromEnrolment) {
  attestation::Enrolment enrolment{evidence_.attestation_key_public, Bytes(10, 1), ""};
  EXPECT_EQ(refusal(evidence_, expectations(),
                    attestation::trust_in_key_file(attestation::to_json(enrolment))),
            "");
  enrolment.attestation_key_public.back() ^= 1;
  EXPECT_EQ(refusal(evidence_, expectations(),
                    attestation::trust_in_key_file(attestation::to_json(enrolment))),
            "trust");

  const unsigned char* at = key_info_.data();
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &at, static_cast<long>(key_info_.size()));
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(bio, key);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  const std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  EXPECT_EQ(refusal(evidence_, expectations(), attestation::trust_in_key_file(pem)), "");

  EXPECT_THROW(static_cast<void>(attestation::trust_in_key_file("")), Error);
  EXPECT_THROW(static_cast<void>(attestation::trust_in_key_file("-----BEGIN PUBLIC KEY-----\n")),
               Error);
}

}  // namespace
}  // namespace mayfly::test
