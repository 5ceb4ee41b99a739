#include "base/hash_mechanism.h"

#include <array>

namespace mayfly {
namespace {

struct Numbers {
  CK_MECHANISM_TYPE alone;
  CK_RSA_PKCS_MGF_TYPE mgf;
};

// In the order of the enumerators of Hash.
constexpr std::array<Numbers, 5> kNumbers = {{{0, 0},
                                              {CKM_SHA224, CKG_MGF1_SHA224},
                                              {CKM_SHA256, CKG_MGF1_SHA256},
                                              {CKM_SHA384, CKG_MGF1_SHA384},
                                              {CKM_SHA512, CKG_MGF1_SHA512}}};

const Numbers& numbers_of(Hash hash) noexcept { return kNumbers[static_cast<std::size_t>(hash)]; }

}  // namespace

CK_MECHANISM_TYPE hash_mechanism(Hash hash) noexcept { return numbers_of(hash).alone; }

CK_RSA_PKCS_MGF_TYPE mgf_of(Hash hash) noexcept { return numbers_of(hash).mgf; }

}  // namespace mayfly
