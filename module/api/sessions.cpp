// Session management (PKCS#11 3.0, 5.6) and login.
#include "api/call.h"

using namespace mayfly;
using namespace mayfly::api;

namespace {

CK_RV log_in(Session& session, CK_USER_TYPE user, const CK_UTF8CHAR* pin, CK_ULONG pin_size) {
  const ByteView given = in(pin, pin_size);
  switch (user) {
    case CKU_USER:
      session.login(given);
      return CKR_OK;
    case CKU_CONTEXT_SPECIFIC:
      throw Error(CKR_OPERATION_NOT_INITIALIZED, "no key here asks for a login for each use");
    case CKU_SO:
      throw Error(CKR_USER_TYPE_INVALID, "a task's token has no security officer");
    default:
      throw Error(CKR_USER_TYPE_INVALID, "there is no such type of user");
  }
}

}  // namespace

CK_RV C_OpenSession(CK_SLOT_ID slotID, CK_FLAGS flags, CK_VOID_PTR, CK_NOTIFY,
                    CK_SESSION_HANDLE_PTR phSession) {
  return call("C_OpenSession", [&](const Entry& entry) {
    CK_SESSION_HANDLE& handle = required(phSession, "phSession");
    if ((flags & CKF_SERIAL_SESSION) == 0) {
      throw Error(CKR_SESSION_PARALLEL_NOT_SUPPORTED, "CKF_SERIAL_SESSION is not set");
    }
    handle = entry.application().open_session(SlotId{slotID}, (flags & CKF_RW_SESSION) != 0).value;
    return CKR_OK;
  });
}

CK_RV C_CloseSession(CK_SESSION_HANDLE hSession) {
  return call("C_CloseSession", [&](const Entry& entry) {
    entry.application().close_session(SessionHandle{hSession});
    return CKR_OK;
  });
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slotID) {
  return call("C_CloseAllSessions", [&](const Entry& entry) {
    entry.application().close_all_sessions(SlotId{slotID});
    return CKR_OK;
  });
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE hSession, CK_SESSION_INFO_PTR pInfo) {
  return with_session("C_GetSessionInfo", hSession, [&](const Session& session) {
    CK_SESSION_INFO& info = required(pInfo, "pInfo");
    info = {};
    info.slotID = session.token().task().slot().value;
    info.state = session.state();
    info.flags = CKF_SERIAL_SESSION | (session.read_write() ? CKF_RW_SESSION : 0);
    return CKR_OK;
  });
}

CK_RV C_SessionCancel(CK_SESSION_HANDLE hSession, CK_FLAGS flags) {
  return with_session("C_SessionCancel", hSession, [&](Session& session) {
    session.cancel(flags);
    return CKR_OK;
  });
}

CK_RV C_Login(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR_PTR pPin,
              CK_ULONG ulPinLen) {
  return with_session("C_Login", hSession,
                      [&](Session& session) { return log_in(session, userType, pPin, ulPinLen); });
}

CK_RV C_LoginUser(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR_PTR pPin,
                  CK_ULONG ulPinLen, CK_UTF8CHAR_PTR pUsername, CK_ULONG ulUsernameLen) {
  return with_session("C_LoginUser", hSession, [&](Session& session) {
    const std::string_view user = as_text(in(pUsername, ulUsernameLen));
    if (!user.empty() && user != session.token().task().id()) {
      throw Error(CKR_PIN_INCORRECT, "the only user of a task's token is the task, by its ID");
    }
    return log_in(session, userType, pPin, ulPinLen);
  });
}

CK_RV C_Logout(CK_SESSION_HANDLE hSession) {
  return with_session("C_Logout", hSession, [](Session& session) {
    session.logout();
    return CKR_OK;
  });
}
