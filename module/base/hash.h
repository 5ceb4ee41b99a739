// Hash functions, computed by libcrypto in this process.
#pragma once

#include <cstddef>
#include <memory>

#include <openssl/types.h>

#include "base/bytes.h"

namespace mayfly {

/// The hash functions that signatures and C_Digest use.
enum class Hash { none, sha224, sha256, sha384, sha512 };

/// Bytes of a digest; 0 for Hash::none.
[[nodiscard]] std::size_t digest_size(Hash hash) noexcept;

/// The name that libcrypto knows the hash by; empty for Hash::none.
[[nodiscard]] const char* libcrypto_name(Hash hash) noexcept;

/// One digest in the making.
class Hasher {
 public:
  /// @throws Error CKR_FUNCTION_FAILED when libcrypto refuses the hash; hash must not be none.
  explicit Hasher(Hash hash);

  void update(ByteView data);
  /// The digest. The hasher is spent after it.
  [[nodiscard]] Bytes finish();

  [[nodiscard]] std::size_t size() const noexcept { return digest_size(hash_); }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept;
  };

  Hash hash_;
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

/// The digest of `data` in one step.
[[nodiscard]] Bytes digest(Hash hash, ByteView data);

/// The DER of a DigestInfo up to the digest itself (RFC 8017, 9.2, note 1); empty for Hash::none.
[[nodiscard]] ByteView digest_info_prefix(Hash hash) noexcept;

}  // namespace mayfly
