#include "base/crypto_context.h"

#include <atomic>
#include <memory>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>

namespace mayfly::crypto {
namespace {

struct Context {
  OSSL_LIB_CTX* library = nullptr;
  OSSL_PROVIDER* provider = nullptr;

  Context() : library(OSSL_LIB_CTX_new()) {
    if (library != nullptr) provider = OSSL_PROVIDER_load(library, "default");
  }
  ~Context() {
    if (provider != nullptr) OSSL_PROVIDER_unload(provider);
    OSSL_LIB_CTX_free(library);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

std::atomic<Context*> current{nullptr};

}  // namespace

OSSL_LIB_CTX* context() {
  if (const Context* made = current.load(std::memory_order_acquire)) return made->library;
  auto fresh = std::make_unique<Context>();
  if (fresh->provider == nullptr) throw failure(CKR_HOST_MEMORY, "libcrypto's default provider");
  Context* expected = nullptr;
  if (current.compare_exchange_strong(expected, fresh.get())) return fresh.release()->library;
  return expected->library;
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
