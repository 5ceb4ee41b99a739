#include "support/test_signer.h"

#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64url.h"
#include "base/pem_signer.h"

namespace mayfly::test {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

template <typename Write>
std::string pem_of(const Write& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  if (bio == nullptr || write(bio.get()) != 1) throw std::runtime_error("no PEM");
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string make_key(JwsAlgorithm algorithm) {
  const auto generate = [algorithm] {
    switch (algorithm) {
      case JwsAlgorithm::es256:
        return EVP_EC_gen("P-256");
      case JwsAlgorithm::es384:
        return EVP_EC_gen("P-384");
      case JwsAlgorithm::es512:
        return EVP_EC_gen("P-521");
      case JwsAlgorithm::ps256:
      case JwsAlgorithm::ps384:
        return EVP_RSA_gen(2048);
      case JwsAlgorithm::eddsa:
        break;
    }
    return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  };
  const Key key(generate(), EVP_PKEY_free);
  return pem_of([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

}  // namespace

TestSigner::TestSigner(JwsAlgorithm algorithm) : TestSigner(make_key(algorithm)) {}

TestSigner::TestSigner(const std::string& pem)
    : pem_(pem), signer_(signer_of_pem(as_bytes(pem_))) {}

std::string TestSigner::public_pem() const {
  const Bytes info = public_key().subject_public_key_info();
  const unsigned char* at = info.data();
  const Key key(d2i_PUBKEY(nullptr, &at, static_cast<long>(info.size())), EVP_PKEY_free);
  return pem_of([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key.get()); });
}

std::string TestSigner::algorithm() const {
  return std::string(name_of(jws_algorithm_of(public_key().spec()).value()));
}

Bytes TestSigner::sign(std::string_view text) const {
  const auto algorithm = jws_algorithm_of(public_key().spec()).value();
  return signer_->sign(scheme_of(algorithm), as_bytes(text));
}

std::string TestSigner::jws(std::string_view header, std::string_view payload) const {
  const std::string text = encoded(header) + "." + encoded(payload);
  return text + "." + to_base64url(sign(text));
}

std::string encoded(std::string_view text) { return to_base64url(as_bytes(text)); }

}  // namespace mayfly::test
