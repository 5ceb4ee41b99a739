// The function lists and the interfaces (PKCS#11 3.0, 5.4.4 to 5.4.6).
#include "api/function_lists.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "api/call.h"
#include "base/safeguard.h"

namespace mayfly::api {
namespace {

/// The name of a function, as a template argument.
template <std::size_t kSize>
struct Name {
  char text[kSize];
  constexpr Name(const char (&from)[kSize]) {
    std::copy_n(from, kSize, text);
  }  // NOLINT(google-explicit-constructor)
};

/// A function that the module does not offer. It answers what the standard puts first: whether the
/// module is initialised and the session (or the slot) is there.
template <Name kName, typename Function>
struct NotOffered;

template <Name kName, typename... Arguments>
struct NotOffered<kName, CK_RV (*)(CK_SESSION_HANDLE, Arguments...)> {
  static CK_RV for_session(CK_SESSION_HANDLE session, Arguments...) {
    return with_session(kName.text, session, [](Session&) {
      return kept(Safeguard::calls_not_offered) ? CKR_FUNCTION_NOT_SUPPORTED : CKR_OK;
    });
  }
  static CK_RV for_slot(CK_SLOT_ID slot, Arguments...) {
    return call(kName.text, [&](const Entry& entry) {
      static_cast<void>(entry.application().task(SlotId{slot}));
      return CKR_FUNCTION_NOT_SUPPORTED;
    });
  }
};

#define OFFERED(name) .name = name
#define NOT_OFFERED(name) \
  .name = NotOffered<#name, decltype(CK_FUNCTION_LIST_3_0::name)>::for_session
#define NOT_OFFERED_SLOT(name) \
  .name = NotOffered<#name, decltype(CK_FUNCTION_LIST_3_0::name)>::for_slot

constexpr CK_FUNCTION_LIST_3_0 kFunctions = {
    .version = {3, 0},
    OFFERED(C_Initialize),
    OFFERED(C_Finalize),
    OFFERED(C_GetInfo),
    OFFERED(C_GetFunctionList),
    OFFERED(C_GetSlotList),
    OFFERED(C_GetSlotInfo),
    OFFERED(C_GetTokenInfo),
    OFFERED(C_GetMechanismList),
    OFFERED(C_GetMechanismInfo),
    NOT_OFFERED_SLOT(C_InitToken),
    NOT_OFFERED(C_InitPIN),
    NOT_OFFERED(C_SetPIN),
    OFFERED(C_OpenSession),
    OFFERED(C_CloseSession),
    OFFERED(C_CloseAllSessions),
    OFFERED(C_GetSessionInfo),
    NOT_OFFERED(C_GetOperationState),
    NOT_OFFERED(C_SetOperationState),
    OFFERED(C_Login),
    OFFERED(C_Logout),
    OFFERED(C_CreateObject),
    OFFERED(C_CopyObject),
    OFFERED(C_DestroyObject),
    OFFERED(C_GetObjectSize),
    OFFERED(C_GetAttributeValue),
    OFFERED(C_SetAttributeValue),
    OFFERED(C_FindObjectsInit),
    OFFERED(C_FindObjects),
    OFFERED(C_FindObjectsFinal),
    NOT_OFFERED(C_EncryptInit),
    NOT_OFFERED(C_Encrypt),
    NOT_OFFERED(C_EncryptUpdate),
    NOT_OFFERED(C_EncryptFinal),
    NOT_OFFERED(C_DecryptInit),
    NOT_OFFERED(C_Decrypt),
    NOT_OFFERED(C_DecryptUpdate),
    NOT_OFFERED(C_DecryptFinal),
    OFFERED(C_DigestInit),
    OFFERED(C_Digest),
    OFFERED(C_DigestUpdate),
    NOT_OFFERED(C_DigestKey),
    OFFERED(C_DigestFinal),
    OFFERED(C_SignInit),
    OFFERED(C_Sign),
    OFFERED(C_SignUpdate),
    OFFERED(C_SignFinal),
    NOT_OFFERED(C_SignRecoverInit),
    NOT_OFFERED(C_SignRecover),
    OFFERED(C_VerifyInit),
    OFFERED(C_Verify),
    OFFERED(C_VerifyUpdate),
    OFFERED(C_VerifyFinal),
    NOT_OFFERED(C_VerifyRecoverInit),
    NOT_OFFERED(C_VerifyRecover),
    NOT_OFFERED(C_DigestEncryptUpdate),
    NOT_OFFERED(C_DecryptDigestUpdate),
    NOT_OFFERED(C_SignEncryptUpdate),
    NOT_OFFERED(C_DecryptVerifyUpdate),
    NOT_OFFERED(C_GenerateKey),
    OFFERED(C_GenerateKeyPair),
    NOT_OFFERED(C_WrapKey),
    NOT_OFFERED(C_UnwrapKey),
    NOT_OFFERED(C_DeriveKey),
    OFFERED(C_SeedRandom),
    OFFERED(C_GenerateRandom),
    OFFERED(C_GetFunctionStatus),
    OFFERED(C_CancelFunction),
    OFFERED(C_WaitForSlotEvent),
    OFFERED(C_GetInterfaceList),
    OFFERED(C_GetInterface),
    OFFERED(C_LoginUser),
    OFFERED(C_SessionCancel),
    NOT_OFFERED(C_MessageEncryptInit),
    NOT_OFFERED(C_EncryptMessage),
    NOT_OFFERED(C_EncryptMessageBegin),
    NOT_OFFERED(C_EncryptMessageNext),
    NOT_OFFERED(C_MessageEncryptFinal),
    NOT_OFFERED(C_MessageDecryptInit),
    NOT_OFFERED(C_DecryptMessage),
    NOT_OFFERED(C_DecryptMessageBegin),
    NOT_OFFERED(C_DecryptMessageNext),
    NOT_OFFERED(C_MessageDecryptFinal),
    OFFERED(C_MessageSignInit),
    OFFERED(C_SignMessage),
    OFFERED(C_SignMessageBegin),
    OFFERED(C_SignMessageNext),
    OFFERED(C_MessageSignFinal),
    OFFERED(C_MessageVerifyInit),
    OFFERED(C_VerifyMessage),
    OFFERED(C_VerifyMessageBegin),
    OFFERED(C_VerifyMessageNext),
    OFFERED(C_MessageVerifyFinal),
};
#undef OFFERED
#undef NOT_OFFERED
#undef NOT_OFFERED_SLOT

/// The functions of 2.40: the same, as far as that version had them.
constexpr CK_FUNCTION_LIST kFunctions240 = {
    {2, 40},
#define CK_PKCS11_2_0_ONLY 1
#define CK_PKCS11_FUNCTION_INFO(name) kFunctions.name,
#include <nss/pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
#undef CK_PKCS11_2_0_ONLY
};

// The standard's types want pointers to what may be changed; nobody does.
CK_FUNCTION_LIST_3_0 list_3_0 = kFunctions;
CK_FUNCTION_LIST list_2_40 = kFunctions240;
CK_UTF8CHAR standard_name[] = "PKCS 11";
CK_UTF8CHAR vendor_name[] = MAYFLY_INTERFACE_NAME;

std::array<CK_INTERFACE, 3>& interfaces() noexcept {
  static std::array<CK_INTERFACE, 3> all = {{
      {standard_name, &list_3_0, 0},
      {standard_name, &list_2_40, 0},
      {vendor_name, vendor_function_list(), 0},
  }};
  return all;
}

std::string_view name_of(const CK_UTF8CHAR* name) { return reinterpret_cast<const char*>(name); }

/// Every function list starts with its version.
CK_VERSION version_of(const CK_INTERFACE& interface) {
  return *static_cast<const CK_VERSION*>(interface.pFunctionList);
}

bool is_wanted(const CK_INTERFACE& interface, const CK_UTF8CHAR* name, const CK_VERSION* version,
               CK_FLAGS flags) {
  if (name != nullptr && name_of(name) != name_of(interface.pInterfaceName)) return false;
  if (version != nullptr) {
    const CK_VERSION offered = version_of(interface);
    if (offered.major != version->major || offered.minor != version->minor) return false;
  }
  return (interface.flags & flags) == flags;
}

}  // namespace

CK_FUNCTION_LIST* function_list() noexcept { return &list_2_40; }
CK_FUNCTION_LIST_3_0* function_list_3_0() noexcept { return &list_3_0; }

}  // namespace mayfly::api

using namespace mayfly::api;

// The linker's version script lets these through, but can't make a hidden symbol visible.
#define EXPORTED __attribute__((visibility("default")))

EXPORTED CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ppFunctionList) {
  return guard("C_GetFunctionList", [&] {
    required(ppFunctionList, "ppFunctionList") = function_list();
    return CKR_OK;
  });
}

EXPORTED CK_RV C_GetInterfaceList(CK_INTERFACE_PTR pInterfacesList, CK_ULONG_PTR pulCount) {
  return guard("C_GetInterfaceList", [&] {
    CK_ULONG& count = required(pulCount, "pulCount");
    const CK_ULONG room = count;
    count = interfaces().size();
    if (pInterfacesList == nullptr) return CKR_OK;
    if (room < interfaces().size()) return CKR_BUFFER_TOO_SMALL;
    std::ranges::copy(interfaces(), pInterfacesList);
    return CKR_OK;
  });
}

EXPORTED CK_RV C_GetInterface(CK_UTF8CHAR_PTR pInterfaceName, CK_VERSION_PTR pVersion,
                              CK_INTERFACE_PTR_PTR ppInterface, CK_FLAGS flags) {
  return guard("C_GetInterface", [&]() -> CK_RV {
    CK_INTERFACE_PTR& result = required(ppInterface, "ppInterface");
    for (CK_INTERFACE& interface : interfaces()) {
      if (!is_wanted(interface, pInterfaceName, pVersion, flags)) continue;
      result = &interface;
      return CKR_OK;
    }
    return CKR_FUNCTION_FAILED;  // clients ask for what they would like best, one after the other
  });
}
