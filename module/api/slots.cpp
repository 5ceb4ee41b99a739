// Slot and token management (PKCS#11 3.0, 5.5).
#include "api/call.h"
#include "api/padded.h"
#include "base/secret.h"

using namespace mayfly;
using namespace mayfly::api;

CK_RV C_GetSlotList(CK_BBOOL, CK_SLOT_ID_PTR pSlotList, CK_ULONG_PTR pulCount) {
  // A slot is there for as long as its token is, so the list is the same with and without a token.
  return call("C_GetSlotList", [&](const Entry& entry) {
    CK_ULONG& count = required(pulCount, "pulCount");
    entry.tasks().look_after_host();
    const std::vector<SlotId> slots = entry.tasks().slots();
    const CK_ULONG room = count;
    count = slots.size();
    if (pSlotList == nullptr) return CKR_OK;
    if (room < slots.size()) return CKR_BUFFER_TOO_SMALL;
    std::ranges::transform(slots, pSlotList, &SlotId::value);
    return CKR_OK;
  });
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slotID, CK_SLOT_INFO_PTR pInfo) {
  return call("C_GetSlotInfo", [&](const Entry& entry) {
    CK_SLOT_INFO& info = required(pInfo, "pInfo");
    entry.tasks().look_after_host();
    const std::shared_ptr<Task> task = entry.tasks().find(SlotId{slotID});
    if (task == nullptr && !entry.tasks().ended_lately(SlotId{slotID})) {
      throw Error(CKR_SLOT_ID_INVALID, "there is no such slot");
    }
    info = {};
    set_padded(info.slotDescription, "mayfly task");
    set_padded(info.manufacturerID, "mayfly");
    info.flags = CKF_REMOVABLE_DEVICE;
    if (task != nullptr) info.flags |= CKF_TOKEN_PRESENT;
    if (entry.tasks().device().info().hardware) info.flags |= CKF_HW_SLOT;
    info.hardwareVersion = info.firmwareVersion = {MAYFLY_VERSION_MAJOR, MAYFLY_VERSION_MINOR};
    return CKR_OK;
  });
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slotID, CK_TOKEN_INFO_PTR pInfo) {
  return call("C_GetTokenInfo", [&](const Entry& entry) {
    CK_TOKEN_INFO& info = required(pInfo, "pInfo");
    const Application& application = entry.application();
    const std::shared_ptr<Task> task = application.task(SlotId{slotID});
    const Token::SessionCounts sessions = application.session_counts(SlotId{slotID});
    info = {};
    set_padded(info.label, task->label());
    set_padded(info.manufacturerID, "mayfly");
    set_padded(info.model, "task token");
    set_padded(info.serialNumber, task->serial());
    set_padded(info.utcTime, "");
    info.flags = CKF_RNG | CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED |
                 task->keeper().status(*task).login_flags;
    info.ulMaxSessionCount = info.ulMaxRwSessionCount = application.max_sessions();
    info.ulSessionCount = sessions.all;
    info.ulRwSessionCount = sessions.read_write;
    info.ulMaxPinLen = kMaxPinSize;
    info.ulTotalPublicMemory = info.ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
    info.ulTotalPrivateMemory = info.ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
    info.hardwareVersion = info.firmwareVersion = {MAYFLY_VERSION_MAJOR, MAYFLY_VERSION_MINOR};
    return CKR_OK;
  });
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR pSlot, CK_VOID_PTR pReserved) {
  return call("C_WaitForSlotEvent", [&](const Entry& entry) {
    CK_SLOT_ID& slot = required(pSlot, "pSlot");
    if (pReserved != nullptr) throw Error(CKR_ARGUMENTS_BAD, "pReserved must be NULL");
    entry.tasks().look_after_host();
    Application& application = entry.application();
    const bool block = (flags & CKF_DONT_BLOCK) == 0;
    if (block && entry.is_remote()) {
      // It would block all calls of the connection.
      throw Error(CKR_FUNCTION_NOT_SUPPORTED, "waiting for events is not offered to a connection");
    }
    slot = (block ? application.wait_for_slot_event() : application.next_slot_event()).value;
    if (slot != CK_INVALID_HANDLE) return CKR_OK;
    // A wait ends without an event only when the module is being finalised.
    return block ? CKR_CRYPTOKI_NOT_INITIALIZED : CKR_NO_EVENT;
  });
}

CK_RV C_GetMechanismList(CK_SLOT_ID slotID, CK_MECHANISM_TYPE_PTR pMechanismList,
                         CK_ULONG_PTR pulCount) {
  return call("C_GetMechanismList", [&](const Entry& entry) {
    CK_ULONG& count = required(pulCount, "pulCount");
    const Application& application = entry.application();
    const auto task = application.task(SlotId{slotID});
    const std::vector<CK_MECHANISM_TYPE> mechanisms =
        application.shown_keys().mechanisms(task->offer());
    const CK_ULONG room = count;
    count = mechanisms.size();
    if (pMechanismList == nullptr) return CKR_OK;
    if (room < mechanisms.size()) return CKR_BUFFER_TOO_SMALL;
    std::ranges::copy(mechanisms, pMechanismList);
    return CKR_OK;
  });
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slotID, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR pInfo) {
  return call("C_GetMechanismInfo", [&](const Entry& entry) {
    CK_MECHANISM_INFO& info = required(pInfo, "pInfo");
    const Application& application = entry.application();
    const auto task = application.task(SlotId{slotID});
    info = application.shown_keys().mechanism_info(type, task->offer());
    return CKR_OK;
  });
}
