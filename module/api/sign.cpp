// Signing (PKCS#11 3.0, 5.13) and message-based signing (5.14).
#include "api/call.h"

using namespace mayfly;
using namespace mayfly::api;

CK_RV C_SignInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey) {
  return call("C_SignInit", [&](const Entry& entry) {
    const auto session = entry.application().session(SessionHandle{hSession});
    if (pMechanism == nullptr && session->cancel(CKF_SIGN)) return CKR_OK;
    session->sign_init(read_mechanism(pMechanism, entry.is_remote()), ObjectHandle{hKey});
    return CKR_OK;
  });
}

CK_RV C_Sign(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
             CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen) {
  return with_session("C_Sign", hSession, [&](Session& session) {
    return ending(session, CKF_SIGN, [&] {
      return out(pSignature, pulSignatureLen, session.signature_size(),
                 [&](ByteSpan room) { return session.sign(in(pData, ulDataLen), room); });
    });
  });
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen) {
  return with_session("C_SignUpdate", hSession, [&](Session& session) {
    return ending(session, CKF_SIGN, [&] {
      session.sign_update(in(pPart, ulPartLen));
      return CKR_OK;
    });
  });
}

CK_RV C_SignFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature,
                  CK_ULONG_PTR pulSignatureLen) {
  return with_session("C_SignFinal", hSession, [&](Session& session) {
    return ending(session, CKF_SIGN, [&] {
      return out(pSignature, pulSignatureLen, session.signature_size(),
                 [&](ByteSpan room) { return session.sign_final(room); });
    });
  });
}

CK_RV C_MessageSignInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
                        CK_OBJECT_HANDLE hKey) {
  return call("C_MessageSignInit", [&](const Entry& entry) {
    const auto session = entry.application().session(SessionHandle{hSession});
    if (pMechanism == nullptr && session->cancel(CKF_MESSAGE_SIGN)) return CKR_OK;
    session->message_sign_init(read_mechanism(pMechanism, entry.is_remote()), ObjectHandle{hKey});
    return CKR_OK;
  });
}

CK_RV C_SignMessage(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                    CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pSignature,
                    CK_ULONG_PTR pulSignatureLen) {
  return with_session("C_SignMessage", hSession, [&](Session& session) {
    const std::size_t size = session.message_signature_size();
    refuse_message_parameter(pParameter, ulParameterLen);
    return out(pSignature, pulSignatureLen, size,
               [&](ByteSpan room) { return session.sign_message(in(pData, ulDataLen), room); });
  });
}

CK_RV C_SignMessageBegin(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
                         CK_ULONG ulParameterLen) {
  return with_session("C_SignMessageBegin", hSession, [&](Session& session) {
    refuse_message_parameter(pParameter, ulParameterLen);
    session.sign_message_begin();
    return CKR_OK;
  });
}

CK_RV C_SignMessageNext(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                        CK_BYTE_PTR pDataPart, CK_ULONG ulDataPartLen, CK_BYTE_PTR pSignature,
                        CK_ULONG_PTR pulSignatureLen) {
  return with_session("C_SignMessageNext", hSession, [&](Session& session) {
    const std::size_t size = session.message_signature_size();
    return ending_message(session, CKF_MESSAGE_SIGN, [&] {
      refuse_message_parameter(pParameter, ulParameterLen);
      const ByteView part = in(pDataPart, ulDataPartLen);
      // Without a place for a length, it is not the last part (5.14.4).
      if (pulSignatureLen == nullptr) {
        session.sign_message_next(part);
        return CK_RV{CKR_OK};
      }
      return out(pSignature, pulSignatureLen, size,
                 [&](ByteSpan room) { return session.sign_message_last(part, room); });
    });
  });
}

CK_RV C_MessageSignFinal(CK_SESSION_HANDLE hSession) {
  return with_session("C_MessageSignFinal", hSession, [](Session& session) {
    session.message_sign_final();
    return CKR_OK;
  });
}
