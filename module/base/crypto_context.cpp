#include "base/crypto_context.h"

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "base/hash.h"

namespace mayfly::crypto {
namespace {

constexpr std::size_t kHashes = 5;  // Hash::none among them

struct Context {
  OSSL_LIB_CTX* library = nullptr;
  OSSL_PROVIDER* provider = nullptr;
  std::mutex mutex;  // guards groups
  std::map<std::string, EC_GROUP*> groups;
  std::array<EVP_MD*, kHashes> hashes{};

  Context() : library(OSSL_LIB_CTX_new()) {
    if (library != nullptr) provider = OSSL_PROVIDER_load(library, "default");
    if (provider == nullptr) return;
    for (std::size_t i = 1; i < kHashes; ++i) {
      hashes[i] = EVP_MD_fetch(library, libcrypto_name(static_cast<Hash>(i)), nullptr);
    }
  }
  ~Context() {
    for (const auto& [name, group] : groups) EC_GROUP_free(group);
    for (EVP_MD* hash : hashes) EVP_MD_free(hash);
    if (provider != nullptr) OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(library);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

std::atomic<Context*> current{nullptr};

Context& current_context() {
  if (Context* made = current.load(std::memory_order_acquire)) return *made;
  auto fresh = std::make_unique<Context>();
  if (fresh->provider == nullptr) throw failure(CKR_HOST_MEMORY, "libcrypto's default provider");
  Context* expected = nullptr;
  if (current.compare_exchange_strong(expected, fresh.get())) return *fresh.release();
  return *expected;
}

}  // namespace

OSSL_LIB_CTX* context() { return current_context().library; }

const EC_GROUP* group(const char* name) {
  Context& context = current_context();
  const std::scoped_lock lock(context.mutex);
  EC_GROUP*& known = context.groups[name];
  if (known == nullptr) {
    known = EC_GROUP_new_by_curve_name_ex(context.library, nullptr, EC_curve_nist2nid(name));
    if (known == nullptr) throw failure(CKR_FUNCTION_FAILED, "looking up a curve");
  }
  return known;
}

EVP_MD* hash_algorithm(Hash hash) {
  EVP_MD* known = current_context().hashes.at(static_cast<std::size_t>(hash));
  if (known == nullptr) throw failure(CKR_FUNCTION_FAILED, "looking up a hash");
  return known;
}

void release() noexcept { delete current.exchange(nullptr); }

void abandon() noexcept { current.store(nullptr); }

Error failure(CK_RV rv, const char* what) {
  char reason[256] = "no reason given";
  if (const unsigned long code = ERR_get_error(); code != 0) {
    ERR_error_string_n(code, reason, sizeof reason);
  }
  ERR_clear_error();
  return Error(rv, std::string(what) + " failed in libcrypto: " + reason);
}

}  // namespace mayfly::crypto
