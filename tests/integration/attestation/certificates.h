// Certificates of a test's own authority.
#pragma once

#include <memory>
#include <string>

#include <openssl/evp.h>

#include "base/bytes.h"

namespace mayfly::test {

/// An authority with a new P-256 key, certified by itself or by another.
class Authority {
 public:
  explicit Authority(const std::string& name, const Authority* issuer = nullptr,
                     bool is_authority = true);

  /// Its own certificate, as PEM.
  [[nodiscard]] const std::string& certificate() const noexcept { return certificate_; }

  struct Leaf {
    std::string usage = "2.23.133.8.3";  ///< extended key usage; empty for none
    long valid_from = -60;               ///< seconds from kMadeAt
    long valid_until = 3600;
  };
  /// A certificate for a key that it is given, as PEM.
  [[nodiscard]] std::string certify(ByteView key_info, const Leaf& leaf) const;
  [[nodiscard]] std::string certify(ByteView key_info) const { return certify(key_info, Leaf{}); }

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  };

  std::string name_;
  std::unique_ptr<EVP_PKEY, FreeKey> key_;
  std::string certificate_;
};

}  // namespace mayfly::test
