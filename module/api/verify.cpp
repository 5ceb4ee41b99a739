// Verification (PKCS#11 3.0, 5.15) and message-based verification (5.16).
#include "api/call.h"

using namespace mayfly;
using namespace mayfly::api;

CK_RV C_VerifyInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey) {
  return call("C_VerifyInit", [&](const Entry& entry) {
    const auto session = entry.application().session(SessionHandle{hSession});
    if (pMechanism == nullptr && session->cancel(CKF_VERIFY)) return CKR_OK;
    session->verify_init(read_mechanism(pMechanism, entry.is_remote()), ObjectHandle{hKey});
    return CKR_OK;
  });
}

CK_RV C_Verify(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
               CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen) {
  return with_session("C_Verify", hSession, [&](Session& session) {
    return ending(session, CKF_VERIFY, [&] {
      session.verify(in(pData, ulDataLen), in(pSignature, ulSignatureLen));
      return CKR_OK;
    });
  });
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen) {
  return with_session("C_VerifyUpdate", hSession, [&](Session& session) {
    return ending(session, CKF_VERIFY, [&] {
      session.verify_update(in(pPart, ulPartLen));
      return CKR_OK;
    });
  });
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen) {
  return with_session("C_VerifyFinal", hSession, [&](Session& session) {
    return ending(session, CKF_VERIFY, [&] {
      session.verify_final(in(pSignature, ulSignatureLen));
      return CKR_OK;
    });
  });
}

CK_RV C_MessageVerifyInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
                          CK_OBJECT_HANDLE hKey) {
  return call("C_MessageVerifyInit", [&](const Entry& entry) {
    const auto session = entry.application().session(SessionHandle{hSession});
    if (pMechanism == nullptr && session->cancel(CKF_MESSAGE_VERIFY)) return CKR_OK;
    session->message_verify_init(read_mechanism(pMechanism, entry.is_remote()), ObjectHandle{hKey});
    return CKR_OK;
  });
}

CK_RV C_VerifyMessage(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
                      CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pSignature,
                      CK_ULONG ulSignatureLen) {
  return with_session("C_VerifyMessage", hSession, [&](Session& session) {
    refuse_message_parameter(pParameter, ulParameterLen);
    session.verify_message(in(pData, ulDataLen), in(pSignature, ulSignatureLen));
    return CKR_OK;
  });
}

CK_RV C_VerifyMessageBegin(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
                           CK_ULONG ulParameterLen) {
  return with_session("C_VerifyMessageBegin", hSession, [&](Session& session) {
    refuse_message_parameter(pParameter, ulParameterLen);
    session.verify_message_begin();
    return CKR_OK;
  });
}

CK_RV C_VerifyMessageNext(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
                          CK_ULONG ulParameterLen, CK_BYTE_PTR pDataPart, CK_ULONG ulDataPartLen,
                          CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen) {
  return with_session("C_VerifyMessageNext", hSession, [&](Session& session) {
    return ending_message(session, CKF_MESSAGE_VERIFY, [&] {
      refuse_message_parameter(pParameter, ulParameterLen);
      const ByteView part = in(pDataPart, ulDataPartLen);
      // Without a signature, it is not the last part (5.16.4).
      if (pSignature == nullptr) {
        session.verify_message_next(part);
      } else {
        session.verify_message_last(part, in(pSignature, ulSignatureLen));
      }
      return CKR_OK;
    });
  });
}

CK_RV C_MessageVerifyFinal(CK_SESSION_HANDLE hSession) {
  return with_session("C_MessageVerifyFinal", hSession, [](Session& session) {
    session.message_verify_final();
    return CKR_OK;
  });
}
