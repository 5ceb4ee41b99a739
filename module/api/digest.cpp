// Message digesting (PKCS#11 3.0, 5.12).
#include "api/call.h"

using namespace mayfly;
using namespace mayfly::api;

namespace {

std::size_t put(const Bytes& bytes, ByteSpan out) {
  std::ranges::copy(bytes, out.begin());
  return bytes.size();
}

}  // namespace

CK_RV C_DigestInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism) {
  return call("C_DigestInit", [&](const Entry& entry) {
    const auto session = entry.application().session(SessionHandle{hSession});
    if (pMechanism == nullptr && session->cancel(CKF_DIGEST)) return CKR_OK;
    session->digest_init(read_mechanism(pMechanism, entry.is_remote()));
    return CKR_OK;
  });
}

CK_RV C_Digest(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
               CK_BYTE_PTR pDigest, CK_ULONG_PTR pulDigestLen) {
  return with_session("C_Digest", hSession, [&](Session& session) {
    return ending(session, CKF_DIGEST, [&] {
      return out(pDigest, pulDigestLen, session.digest_size(),
                 [&](ByteSpan room) { return put(session.digest(in(pData, ulDataLen)), room); });
    });
  });
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen) {
  return with_session("C_DigestUpdate", hSession, [&](Session& session) {
    return ending(session, CKF_DIGEST, [&] {
      session.digest_update(in(pPart, ulPartLen));
      return CKR_OK;
    });
  });
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pDigest, CK_ULONG_PTR pulDigestLen) {
  return with_session("C_DigestFinal", hSession, [&](Session& session) {
    return ending(session, CKF_DIGEST, [&] {
      return out(pDigest, pulDigestLen, session.digest_size(),
                 [&](ByteSpan room) { return put(session.digest_final(), room); });
    });
  });
}
