#include "support/test_approver.h"

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

std::string make_key(grant::Algorithm algorithm) {
  const auto generate = [algorithm] {
    switch (algorithm) {
      case grant::Algorithm::es256:
        return EVP_EC_gen("P-256");
      case grant::Algorithm::es384:
        return EVP_EC_gen("P-384");
      case grant::Algorithm::ps256:
        return EVP_RSA_gen(2048);
      default:
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

TestApprover::TestApprover(grant::Algorithm algorithm, std::string key_id)
    : TestApprover(make_key(algorithm), std::move(key_id)) {}

TestApprover::TestApprover(const std::string& pem, std::string key_id)
    : pem_(pem), key_id_(std::move(key_id)), signer_(signer_of_pem(as_bytes(pem_))) {}

std::string TestApprover::public_pem() const {
  const Bytes info = public_key().subject_public_key_info();
  const unsigned char* at = info.data();
  const Key key(d2i_PUBKEY(nullptr, &at, static_cast<long>(info.size())), EVP_PKEY_free);
  return pem_of([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key.get()); });
}

std::string TestApprover::algorithm() const {
  return std::string(name_of(grant::algorithm_of(public_key().spec()).value()));
}

std::string TestApprover::jwk() const { return grant::to_jwk(public_key(), key_id_); }

grant::Approver TestApprover::approver() const {
  return grant::parse_approvers(jwk_set({jwk()})).front();
}

Bytes TestApprover::sign(std::string_view text) const {
  const auto algorithm = grant::algorithm_of(public_key().spec()).value();
  return signer_->sign(scheme_of(algorithm), as_bytes(text));
}

std::string TestApprover::jws(std::string_view header, std::string_view payload) const {
  const std::string text = encoded(header) + "." + encoded(payload);
  return text + "." + to_base64url(sign(text));
}

std::string TestApprover::token(std::string_view payload) const {
  return jws(R"({"alg":")" + algorithm() + R"(","typ":"mayfly-grant+jwt"})", payload);
}

std::string jwk_set(const std::vector<std::string>& keys) {
  std::string list;
  for (const std::string& key : keys) list += (list.empty() ? "" : ",") + key;
  return "{\"keys\":[" + list + "]}";
}

std::string encoded(std::string_view text) { return to_base64url(as_bytes(text)); }

}  // namespace mayfly::test
