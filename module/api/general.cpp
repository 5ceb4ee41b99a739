// General-purpose functions (PKCS#11 3.0, 5.4) and the legacy ones (5.22).
#include <algorithm>
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

/// C_Initialize and C_Finalize may name no trouble of a token (PKCS#11 3.0, 5.4), and `own` is what
/// they may name beside what every function may.
template <typename Body>
CK_RV without_token(std::initializer_list<CK_RV> own, Body&& body) {
  try {
    body();
    return CKR_OK;
  } catch (const Error& error) {
    const CK_RV rv = error.rv();
    if (rv == CKR_GENERAL_ERROR || rv == CKR_HOST_MEMORY || std::ranges::count(own, rv) != 0) throw;
    throw Error(CKR_FUNCTION_FAILED, error.what());
  }
}

}  // namespace

CK_RV C_Initialize(CK_VOID_PTR pInitArgs) {
  return guard("C_Initialize", [&] {
    const InitializeArguments arguments =
        read_arguments(static_cast<const CK_C_INITIALIZE_ARGS*>(pInitArgs));
    return without_token({CKR_ARGUMENTS_BAD, CKR_CANT_LOCK, CKR_CRYPTOKI_ALREADY_INITIALIZED},
                         [&] { current_frontend().initialize(arguments); });
  });
}

CK_RV C_Finalize(CK_VOID_PTR pReserved) {
  return guard("C_Finalize", [&] {
    if (pReserved != nullptr) throw Error(CKR_ARGUMENTS_BAD, "pReserved must be NULL");
    return without_token({CKR_CRYPTOKI_NOT_INITIALIZED}, [] { current_frontend().finalize(); });
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
