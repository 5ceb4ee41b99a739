// Key management (PKCS#11 3.0, 5.18) and random numbers (5.21).
#include <openssl/rand.h>

#include "api/call.h"
#include "base/crypto_context.h"

using namespace mayfly;
using namespace mayfly::api;

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
                        CK_ATTRIBUTE_PTR pPublicKeyTemplate, CK_ULONG ulPublicKeyAttributeCount,
                        CK_ATTRIBUTE_PTR pPrivateKeyTemplate, CK_ULONG ulPrivateKeyAttributeCount,
                        CK_OBJECT_HANDLE_PTR phPublicKey, CK_OBJECT_HANDLE_PTR phPrivateKey) {
  return call("C_GenerateKeyPair", [&](const Entry& entry) {
    const auto session = entry.application().session(SessionHandle{hSession});
    CK_OBJECT_HANDLE& public_key = required(phPublicKey, "phPublicKey");
    CK_OBJECT_HANDLE& private_key = required(phPrivateKey, "phPrivateKey");
    const auto keys =
        session->generate_key_pair(read_mechanism(pMechanism, entry.is_remote()).type,
                                   read_template(pPublicKeyTemplate, ulPublicKeyAttributeCount),
                                   read_template(pPrivateKeyTemplate, ulPrivateKeyAttributeCount));
    public_key = keys.public_key.value;
    private_key = keys.private_key.value;
    return CKR_OK;
  });
}

CK_RV C_SeedRandom(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSeed, CK_ULONG ulSeedLen) {
  return with_session("C_SeedRandom", hSession, [&](Session&) {
    static_cast<void>(in(pSeed, ulSeedLen));
    return CKR_RANDOM_SEED_NOT_SUPPORTED;
  });
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pRandomData, CK_ULONG ulRandomLen) {
  return with_session("C_GenerateRandom", hSession, [&](Session&) {
    const ByteView room = in(pRandomData, ulRandomLen);
    if (RAND_bytes_ex(crypto::context(), pRandomData, room.size(), 0) != 1) {
      throw crypto::failure(CKR_FUNCTION_FAILED, "making random numbers");
    }
    return CKR_OK;
  });
}
