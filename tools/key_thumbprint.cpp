#include "tools/key_thumbprint.h"

#include <algorithm>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/base64url.h"
#include "base/crypto_context.h"
#include "base/json_reader.h"
#include "base/jwk.h"
#include "base/libcrypto_owned.h"
#include "base/task_binding.h"
#include "tools/failure.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

using OwnedBio = crypto::Owned<BIO, BIO_free>;
using OwnedKey = crypto::Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedCertificate = crypto::Owned<X509, X509_free>;

constexpr std::size_t kMostOfAKeyFile = 64 * 1024;

OwnedBio memory(const std::string& text) {
  return OwnedBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

OwnedKey read_key(const std::string& pem) {
  OwnedKey key(PEM_read_bio_PUBKEY_ex(memory(pem).get(), nullptr, nullptr, nullptr,
                                      crypto::context(), nullptr));
  if (key != nullptr) return key;
  const OwnedCertificate certificate(
      PEM_read_bio_X509(memory(pem).get(), nullptr, nullptr, nullptr));
  return OwnedKey(certificate == nullptr ? nullptr : X509_get_pubkey(certificate.get()));
}

PublicKey key_of_jwk(const nlohmann::json& json) {
  JsonObject jwk(json, "jwk");
  return read_jwk_key(jwk);
}

/// The key in a JWK, or in a JWT's cnf.jwk.
PublicKey read_json_key(const std::string& content) {
  if (content.starts_with("{")) return key_of_jwk(parse_json(content, kMostOfAKeyFile));
  const std::size_t first = content.find('.');
  const std::size_t second = content.find('.', first + 1);
  const auto payload = parse_base64url(content.substr(first + 1, second - first - 1));
  if (!payload) throw JsonError(JsonFault::malformed, "the token's payload is no base64url");
  const nlohmann::json json = parse_json(as_text(*payload), kMostOfAKeyFile);
  JsonObject claims(json, "token");
  return key_of_jwk(claims.object("cnf").at("jwk"));
}

/// A JWK begins with a brace; a token has two dots, and PEM none.
bool is_json(const std::string& content) {
  return content.starts_with("{") || std::ranges::count(content, '.') == 2;
}

}  // namespace

Bytes key_thumbprint(const std::string& text) {
  if (is_hex(text, 2 * kBindingDigestSize)) return parse_hex(text).value();
  const std::string content = read_whole_file(text, kMostOfAKeyFile);
  if (is_json(content)) {
    try {
      return thumbprint(read_json_key(content));
    } catch (const Error& error) {
      throw Failure(kUsage, text + ": " + error.what());
    }
  }
  const OwnedKey key = read_key(content);
  unsigned char* der = nullptr;
  const int size = key == nullptr ? 0 : i2d_PUBKEY(key.get(), &der);
  ERR_clear_error();
  if (size <= 0) {
    throw Failure(
        kUsage, text + " holds no public key: neither in PEM, nor a certificate, a JWK or a token");
  }
  const Bytes info(der, der + size);
  OPENSSL_free(der);
  try {
    return thumbprint(PublicKey::from_subject_public_key_info(info));
  } catch (const Error& error) {
    throw Failure(kUsage, text + ": " + error.what());
  }
}

}  // namespace mayfly::tools
