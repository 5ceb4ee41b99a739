// Certificates, as libcrypto itself reads and verifies them.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include "base/crypto_context.h"
#include "base/task_binding.h"
#include "credential/x509/certificate_fields.h"
#include "credential/x509/libcrypto_x509.h"
#include "credential/x509/pem.h"
#include "credential/x509/signing.h"
#include "credential/x509/task_certificate.h"
#include "support/failure_of.h"
#include "unit/credential/new_key.h"

namespace mayfly::x509 {
namespace {

constexpr std::uint64_t kNow = 1'800'000'000;
constexpr std::uint64_t kDay = 24 * 60 * 60;
constexpr char kDomain[] = "agents.example";
constexpr char kSerial[] = "0123456789abcdef";

using Names = crypto::Owned<GENERAL_NAMES, GENERAL_NAMES_free>;
using Store = crypto::Owned<X509_STORE, X509_STORE_free>;
using Context = crypto::Owned<X509_STORE_CTX, X509_STORE_CTX_free>;

TaskCertificate wanted() {
  TaskCertificate wanted;
  wanted.trust_domain = kDomain;
  wanted.task_id = "invoice 4711";
  wanted.serial = kSerial;
  wanted.not_before_unix_s = kNow - 30;
  wanted.not_after_unix_s = kNow + 899;
  return wanted;
}

/// A CA over a key of its own.
struct Issuer {
  explicit Issuer(const KeySpec& spec = {CKK_EC, 256})
      : key(test::new_key(spec)),
        der(make_issuer_certificate(kDomain, *key, kNow - kDay, kNow + kDay)),
        pem(to_pem("CERTIFICATE", der)),
        certificate(IssuerCertificate::parse(pem, key->public_key())) {}

  std::unique_ptr<Signer> key;
  Bytes der;
  std::string pem;
  IssuerCertificate certificate;
};

/// X509_V_OK, or why libcrypto refuses the chain.
int verify(const Bytes& der, const Bytes& issuer, std::uint64_t at,
           int purpose = X509_PURPOSE_SSL_CLIENT) {
  const Certificate leaf = certificate_of_der(der);
  const Certificate root = certificate_of_der(issuer);
  const Store store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), root.get());
  const Context context(X509_STORE_CTX_new_ex(crypto::context(), nullptr));
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(at));
  X509_VERIFY_PARAM_set_purpose(parameters, purpose);
  X509_VERIFY_PARAM_set_auth_level(parameters, 2);
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
  return X509_verify_cert(context.get()) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context.get());
}

std::string only_uri(X509* certificate) {
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names == nullptr || sk_GENERAL_NAME_num(names.get()) != 1) return "not one name";
  const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), 0);
  if (name->type != GEN_URI) return "no URI";
  const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
          static_cast<std::size_t>(ASN1_STRING_length(uri))};
}

bool is_critical(X509* certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate, nid, -1);
  return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(certificate, at)) == 1;
}

TEST(Certificates, OfEveryKindOfKeyHoldUntilTheirLastSecondAndNoLonger) {
  std::set<Bytes> serials;
  std::vector<std::unique_ptr<Signer>> keys;
  for (const KeySpec& spec : test::kKindsOfKeys) keys.push_back(test::new_key(spec));
  for (const KeySpec& spec : test::kKindsOfKeys) {
    const Issuer issuer(spec);
    for (const auto& key : keys) {
      const Bytes der =
          make_task_certificate(wanted(), key->public_key(), issuer.certificate, *issuer.key);
      EXPECT_TRUE(serials.insert(fields_of(der).serial).second);
      const std::string pair = to_string(spec) + ", " + to_string(key->public_key().spec());
      EXPECT_EQ(verify(der, issuer.der, kNow), X509_V_OK) << pair;
      // libcrypto takes the last second for one too late; others do not.
      EXPECT_EQ(verify(der, issuer.der, kNow + 898), X509_V_OK) << pair;
      EXPECT_EQ(verify(der, issuer.der, kNow + 900), X509_V_ERR_CERT_HAS_EXPIRED) << pair;
      EXPECT_EQ(verify(der, issuer.der, kNow - 30), X509_V_OK) << pair;
      EXPECT_EQ(verify(der, issuer.der, kNow - 31), X509_V_ERR_CERT_NOT_YET_VALID) << pair;
    }
  }
}

TEST(Certificates, WhatIsNotOneCertificateInWholeIsNone) {
  Bytes der = Issuer().der;
  ASSERT_NE(certificate_of_der(der), nullptr);
  for (std::size_t size = 0; size < der.size(); size += 7) {
    EXPECT_EQ(certificate_of_der(ByteView(der).first(size)), nullptr) << size;
  }
  der.push_back(0);
  EXPECT_EQ(certificate_of_der(der), nullptr);
}

TEST(Certificates, SayWhoseTheyAreAndForWhat) {
  const Issuer issuer;
  const auto key = test::new_key({CKK_EC, 256});
  const Bytes der =
      make_task_certificate(wanted(), key->public_key(), issuer.certificate, *issuer.key);
  const Certificate certificate = certificate_of_der(der);
  X509* const x509 = certificate.get();
  EXPECT_EQ(X509_get_version(x509), X509_VERSION_3);
  EXPECT_EQ(only_uri(x509), "spiffe://agents.example/task/invoice_204711/0123456789abcdef");
  EXPECT_EQ(X509_get_key_usage(x509), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE));
  EXPECT_EQ(X509_get_extended_key_usage(x509), static_cast<std::uint32_t>(XKU_SSL_CLIENT));
  EXPECT_EQ(X509_check_ca(x509), 0);
  EXPECT_TRUE(is_critical(x509, NID_basic_constraints));
  EXPECT_TRUE(is_critical(x509, NID_key_usage));
  const ASN1_OCTET_STRING* const key_id = X509_get0_subject_key_id(x509);
  EXPECT_EQ(Bytes(key_id->data, key_id->data + key_id->length), thumbprint(key->public_key()));
  const ASN1_OCTET_STRING* const above = X509_get0_authority_key_id(x509);
  EXPECT_EQ(Bytes(above->data, above->data + above->length), thumbprint(issuer.key->public_key()));
  char subject[256];
  X509_NAME_oneline(X509_get_subject_name(x509), subject, sizeof subject);
  EXPECT_STREQ(subject, "/CN=invoice 4711/serialNumber=0123456789abcdef");
  // Random, of more than 128 bits, positive, and of 20 bytes at most.
  const ASN1_INTEGER* const serial = X509_get0_serialNumber(x509);
  EXPECT_EQ(serial->length, 20);
  EXPECT_EQ(serial->type, V_ASN1_INTEGER);
  EXPECT_EQ(verify(der, issuer.der, kNow, X509_PURPOSE_SSL_SERVER), X509_V_ERR_INVALID_PURPOSE);
}

TEST(Certificates, AreForServersWhereThatIsAskedFor) {
  const Issuer issuer;
  const auto key = test::new_key({CKK_EC, 256});
  TaskCertificate both = wanted();
  both.server = true;
  const Bytes der = make_task_certificate(both, key->public_key(), issuer.certificate, *issuer.key);
  EXPECT_EQ(verify(der, issuer.der, kNow, X509_PURPOSE_SSL_SERVER), X509_V_OK);
  EXPECT_EQ(verify(der, issuer.der, kNow, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
}

TEST(Certificates, OfAnotherIssuerAreNotBelieved) {
  const Issuer issuer;
  const Issuer other;
  const auto key = test::new_key({CKK_EC, 256});
  const Bytes der =
      make_task_certificate(wanted(), key->public_key(), issuer.certificate, *issuer.key);
  EXPECT_NE(verify(der, other.der, kNow), X509_V_OK);
  // A task's certificate is no issuer's.
  EXPECT_THROW(
      static_cast<void>(IssuerCertificate::parse(to_pem("CERTIFICATE", der), key->public_key())),
      Error);
}

TEST(Certificates, HaveLongIdsCutInTheSubjectOnly) {
  const Issuer issuer;
  const auto key = test::new_key({CKK_EC, 256});
  TaskCertificate longest = wanted();
  longest.task_id.clear();
  while (longest.task_id.size() < 254) longest.task_id += "\xc3\xa4";
  const Bytes der =
      make_task_certificate(longest, key->public_key(), issuer.certificate, *issuer.key);
  EXPECT_EQ(verify(der, issuer.der, kNow), X509_V_OK);
  EXPECT_THAT(only_uri(certificate_of_der(der).get()), testing::HasSubstr("_c3_a4/0123456789"));
}

TEST(Certificates, WouldNotBeValidOutsideOfTheIssuersTime) {
  const Issuer issuer;
  const auto key = test::new_key({CKK_EC, 256});
  const auto refused = [&](std::uint64_t from, std::uint64_t until) {
    TaskCertificate outside = wanted();
    outside.not_before_unix_s = from;
    outside.not_after_unix_s = until;
    return test::answer_of([&] {
      static_cast<void>(
          make_task_certificate(outside, key->public_key(), issuer.certificate, *issuer.key));
    });
  };
  EXPECT_EQ(refused(kNow, kNow + kDay), CKR_OK);
  EXPECT_EQ(refused(kNow, kNow + kDay + 1), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused(kNow - kDay - 1, kNow), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused(kNow, kNow - 1), CKR_ARGUMENTS_BAD);
}

/// A device whose signatures are those of another key.
class FaultySigner : public Signer {
 public:
  explicit FaultySigner(PublicKey key) : key_(std::move(key)) {}
  [[nodiscard]] const PublicKey& public_key() const noexcept override { return key_; }
  [[nodiscard]] Bytes sign(const SignatureScheme& scheme, ByteView message) override {
    return other_->sign(scheme, message);
  }

 private:
  PublicKey key_;
  std::unique_ptr<Signer> other_ = test::new_key({CKK_EC, 256});
};

TEST(Certificates, AreNotGivenOutWithASignatureThatIsNone) {
  const Issuer issuer;
  FaultySigner faulty(issuer.key->public_key());
  const auto key = test::new_key({CKK_EC, 256});
  EXPECT_EQ(test::answer_of([&] {
              static_cast<void>(
                  make_task_certificate(wanted(), key->public_key(), issuer.certificate, faulty));
            }),
            CKR_DEVICE_ERROR);
  EXPECT_EQ(
      test::answer_of([&] { static_cast<void>(make_request(kDomain, "t", kSerial, faulty)); }),
      CKR_DEVICE_ERROR);
}

TEST(Certificates, OfTheIssuerLeadToNoFurtherIssuer) {
  const Issuer issuer;
  const Certificate certificate = certificate_of_der(issuer.der);
  EXPECT_EQ(only_uri(certificate.get()), "spiffe://agents.example");
  EXPECT_EQ(X509_get_pathlen(certificate.get()), 0);
  EXPECT_TRUE(is_critical(certificate.get(), NID_basic_constraints));
  EXPECT_EQ(X509_get_key_usage(certificate.get()),
            static_cast<std::uint32_t>(KU_KEY_CERT_SIGN | KU_CRL_SIGN));
}

TEST(Certificates, OfTheIssuerAreRefusedForAnotherKeyAndForNonsense) {
  const Issuer issuer;
  const Issuer other;
  for (const std::string& pem : {other.pem, issuer.pem + other.pem, std::string(), std::string("x"),
                                 issuer.pem.substr(0, issuer.pem.size() / 2)}) {
    EXPECT_EQ(test::answer_of([&] {
                static_cast<void>(IssuerCertificate::parse(pem, issuer.key->public_key()));
              }),
              CKR_ARGUMENTS_BAD);
  }
}

TEST(Requests, AreSignedByTheTasksKeyAndNameTheTask) {
  for (const KeySpec& spec : test::kKindsOfKeys) {
    const auto key = test::new_key(spec);
    const Bytes der = make_request(kDomain, "invoice", kSerial, *key);
    const unsigned char* at = der.data();
    const Request request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
    ASSERT_NE(request, nullptr);
    EXPECT_EQ(X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())), 1)
        << to_string(spec);
    STACK_OF(X509_EXTENSION)* const extensions = X509_REQ_get_extensions(request.get());
    const Names names(static_cast<GENERAL_NAMES*>(
        X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr)));
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    ASSERT_NE(names, nullptr);
    EXPECT_EQ(sk_GENERAL_NAME_num(names.get()), 1);
  }
}

TEST(Signatures, KeepZeroBitsAtTheirEnd) {
  const crypto::Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> field(ASN1_BIT_STRING_new());
  const Bytes value = {0x80, 0x10, 0x00};
  set_bits(*field, value);
  EXPECT_EQ(der_of([&](unsigned char** der) { return i2d_ASN1_BIT_STRING(field.get(), der); }),
            (Bytes{0x03, 0x04, 0x00, 0x80, 0x10, 0x00}));
}

}  // namespace
}  // namespace mayfly::x509
