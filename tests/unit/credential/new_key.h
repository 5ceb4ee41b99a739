// A new key of any kind, for tests that need somebody who signs.
#pragma once

#include <memory>

#include "base/jws_algorithm.h"
#include "base/pem_signer.h"
#include "support/test_signer.h"

namespace mayfly::test {

inline std::unique_ptr<Signer> new_key(const KeySpec& spec) {
  return signer_of_pem(as_bytes(TestSigner(jws_algorithm_of(spec).value()).pem()));
}

/// One kind of each way of signing certificates.
inline constexpr KeySpec kKindsOfKeys[] = {
    {CKK_EC, 256}, {CKK_EC, 384}, {CKK_EC, 521}, {CKK_EC_EDWARDS, 255}, {CKK_RSA, 2048}};

}  // namespace mayfly::test
