// General-purpose functions (PKCS#11 3.0, 5.4) and the legacy ones (5.22).
#include <cstdlib>

#include "api/call.h"
#include "api/padded.h"

using namespace mayfly;
using namespace mayfly::api;

namespace {

// CK_C_INITIALIZE_ARGS ends with pReserved. NSS's header calls that place LibraryParameters and
// puts a pReserved of its own behind the end of the standard's structure, which must not be read.
const char* reserved_of(const CK_C_INITIALIZE_ARGS& args) {
  static_assert(offsetof(CK_C_INITIALIZE_ARGS, LibraryParameters) ==
                offsetof(CK_C_INITIALIZE_ARGS, flags) + sizeof(CK_FLAGS));
  return reinterpret_cast<const char*>(args.LibraryParameters);
}

InitializeArguments read_arguments(const CK_C_INITIALIZE_ARGS* args) {
  static constexpr std::size_t kMaxReserved = 4096;
  InitializeArguments result;
  if (args == nullptr) return result;
  const int callbacks = (args->CreateMutex != nullptr) + (args->DestroyMutex != nullptr) +
                        (args->LockMutex != nullptr) + (args->UnlockMutex != nullptr);
  if (callbacks != 0 && callbacks != 4) {
    throw Error(CKR_ARGUMENTS_BAD, "some of the mutex functions are given, but not all four");
  }
  if (callbacks == 4 && (args->flags & CKF_OS_LOCKING_OK) == 0) {
    throw Error(CKR_CANT_LOCK, "only the system's own locks are used; set CKF_OS_LOCKING_OK");
  }
  if (const char* reserved = reserved_of(*args)) {
    const std::size_t size = strnlen(reserved, kMaxReserved);
    if (size == kMaxReserved) throw Error(CKR_ARGUMENTS_BAD, "pReserved is longer than 4 KiB");
    result.reserved.assign(reserved, size);
  }
  return result;
}

}  // namespace

CK_RV C_Initialize(CK_VOID_PTR pInitArgs) {
  return guard("C_Initialize", [&] {
    current_frontend().initialize(
        read_arguments(static_cast<const CK_C_INITIALIZE_ARGS*>(pInitArgs)));
    return CKR_OK;
  });
}

CK_RV C_Finalize(CK_VOID_PTR pReserved) {
  return guard("C_Finalize", [&] {
    if (pReserved != nullptr) throw Error(CKR_ARGUMENTS_BAD, "pReserved must be NULL");
    current_frontend().finalize();
    return CKR_OK;
  });
}

CK_RV C_GetInfo(CK_INFO_PTR pInfo) {
  return call("C_GetInfo", [&](const Entry&) {
    CK_INFO& info = required(pInfo, "pInfo");
    info = {};
    info.cryptokiVersion = {3, 0};
    info.libraryVersion = {MAYFLY_VERSION_MAJOR, MAYFLY_VERSION_MINOR};
    set_padded(info.manufacturerID, "mayfly");
    set_padded(info.libraryDescription, "mayfly: keys that end with a task");
    return CKR_OK;
  });
}

CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE hSession) {
  return with_session("C_GetFunctionStatus", hSession,
                      [](Session&) { return CKR_FUNCTION_NOT_PARALLEL; });
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE hSession) {
  return with_session("C_CancelFunction", hSession,
                      [](Session&) { return CKR_FUNCTION_NOT_PARALLEL; });
}
