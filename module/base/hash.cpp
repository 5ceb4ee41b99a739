#include "base/hash.h"

#include <openssl/evp.h>

#include "base/crypto_context.h"

namespace mayfly {
namespace {

constexpr std::uint8_t kSha224Info[] = {0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                        0x65, 0x03, 0x04, 0x02, 0x04, 0x05, 0x00, 0x04, 0x1c};
constexpr std::uint8_t kSha256Info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
constexpr std::uint8_t kSha384Info[] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                        0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30};
constexpr std::uint8_t kSha512Info[] = {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                        0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40};

struct HashRow {
  const char* name;
  std::size_t size;
  ByteView digest_info;
};

const HashRow& row(Hash hash) noexcept {
  static const HashRow kRows[] = {
      {"", 0, {}},
      {"SHA2-224", 28, kSha224Info},
      {"SHA2-256", 32, kSha256Info},
      {"SHA2-384", 48, kSha384Info},
      {"SHA2-512", 64, kSha512Info},
  };
  return kRows[static_cast<std::size_t>(hash)];
}

}  // namespace

std::size_t digest_size(Hash hash) noexcept { return row(hash).size; }
const char* libcrypto_name(Hash hash) noexcept { return row(hash).name; }
ByteView digest_info_prefix(Hash hash) noexcept { return row(hash).digest_info; }

void Hasher::Free::operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }

Hasher::Hasher(Hash hash) : hash_(hash), context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) throw Error(CKR_HOST_MEMORY, "no memory for a digest");
  if (EVP_DigestInit_ex2(context_.get(), crypto::hash_algorithm(hash), nullptr) != 1) {
    throw crypto::failure(CKR_FUNCTION_FAILED, "starting a digest");
  }
}

void Hasher::update(ByteView data) {
  if (EVP_DigestUpdate(context_.get(), data.data(), data.size()) != 1) {
    throw crypto::failure(CKR_FUNCTION_FAILED, "a digest");
  }
}

Bytes Hasher::finish() {
  Bytes result(size());
  unsigned int written = 0;
  if (EVP_DigestFinal_ex(context_.get(), result.data(), &written) != 1 ||
      written != result.size()) {
    throw crypto::failure(CKR_FUNCTION_FAILED, "finishing a digest");
  }
  return result;
}

Bytes digest(Hash hash, ByteView data) {
  Hasher hasher(hash);
  hasher.update(data);
  return hasher.finish();
}

}  // namespace mayfly
