#include "credential/proof_of_possession.h"

#include <array>

#include "base/error.h"
#include "base/random.h"
#include "base/task_binding.h"
#include "credential/checked_signature.h"

namespace mayfly::credential {
namespace {

constexpr std::string_view kDomain = "mayfly-credential-v1";
constexpr std::size_t kNonceSize = 32;

}  // namespace

Bytes possession_challenge(ByteView nonce, const PublicKey& key) {
  Bytes challenge = to_bytes(as_bytes(kDomain));
  challenge.push_back(0);
  challenge.insert(challenge.end(), nonce.begin(), nonce.end());
  const Bytes print = thumbprint(key);
  challenge.insert(challenge.end(), print.begin(), print.end());
  return challenge;
}

void prove_possession(Signer& key, const SignatureScheme& scheme) {
  std::array<std::uint8_t, kNonceSize> nonce{};
  fill_random(nonce, "a challenge");
  try {
    static_cast<void>(
        checked_signature(key, scheme, possession_challenge(nonce, key.public_key())));
  } catch (const Error& error) {
    if (error.rv() != CKR_DEVICE_ERROR) throw;
    throw Error(CKR_SIGNATURE_INVALID,
                std::string("the key did not prove that it is there: ") + error.what());
  }
}

}  // namespace mayfly::credential
