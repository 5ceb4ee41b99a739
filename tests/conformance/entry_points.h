// Every function of PKCS#11 3.0 as one row of data: how it is called, and what it must answer.
#pragma once

#include <array>
#include <initializer_list>
#include <span>

#include "base/pkcs11.h"

namespace mayfly::test {

#define CK_PKCS11_3_0 1

/// The functions, in the order of the standard's header.
enum class Function {
#define CK_PKCS11_FUNCTION_INFO(name) name,
#include <nss/pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
};

inline constexpr std::size_t kFunctions = 0
#define CK_PKCS11_FUNCTION_INFO(name) +1
#include <nss/pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
    ;

#undef CK_PKCS11_3_0

/// One call with good arguments, of which one can be spoiled.
struct Call {
  static constexpr int kNoNull = -1;

  const CK_FUNCTION_LIST_3_0& p11;
  CK_SLOT_ID slot;
  CK_SESSION_HANDLE session;
  CK_OBJECT_HANDLE public_key;
  CK_OBJECT_HANDLE private_key;
  int null = kNoNull;  ///< which of the row's required pointers is NULL

  CK_BYTE data[32] = {};
  CK_BYTE out[512] = {};
  CK_ULONG length = sizeof out;
  CK_OBJECT_HANDLE made[2] = {};

  /// The row's required pointer number `index`, NULL if that is the one to spoil.
  template <typename T>
  [[nodiscard]] T* need(int index, T* pointer) const noexcept {
    return index == null ? nullptr : pointer;
  }
};

/// What a function needs before it looks at anything else.
enum class Needs {
  nothing,  ///< may be called before C_Initialize
  library,  ///< an initialised library
  slot,     ///< and a slot
  session,  ///< and a session
};

/// The operation that is begun before a NULL is tried.
enum class Begin {
  nothing,
  digest,
  sign,
  verify,
  find,
  message_sign,
  sign_message,
  message_verify,
  verify_message
};

struct EntryPoint {
  /// The answer for each required pointer that is NULL.
  struct Nulls {
    std::array<CK_RV, 4> answers{};
    int count = 0;
    constexpr Nulls(std::initializer_list<CK_RV> list) {
      for (const CK_RV rv : list) answers[static_cast<std::size_t>(count++)] = rv;
    }
  };

  Function function;
  const char* name;
  Needs needs;
  CK_RV plain;  ///< the answer in a new session, with good arguments and no operation begun
  Begin begin;  ///< for `nulls`
  Nulls nulls;
  CK_RV (*call)(Call&);
};

/// All rows, one for each function, in the order of Function; up to C_WaitForSlotEvent where the
/// front door has 2.40 only.
[[nodiscard]] std::span<const EntryPoint> entry_points();

}  // namespace mayfly::test
