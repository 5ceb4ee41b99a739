// What is measured: the same calls over any PKCS#11 module.
#pragma once

#include <string>

#include "base/pkcs11.h"

namespace mayfly::bench {

/// A module to measure, and the token in it.
struct Target {
  std::string name;
  CK_FUNCTION_LIST_PTR functions = nullptr;
  CK_SLOT_ID slot = 0;
  std::string pin;  ///< empty: the token wants no login
};

/// Loads a module and gives its 2.40 functions; the library stays loaded.
[[nodiscard]] CK_FUNCTION_LIST_PTR load(const std::string& path);

/// C_Initialize; a module that the process has initialised already is fine.
/// @param reserved  The text that pReserved points to; empty for none.
void initialize(CK_FUNCTION_LIST_PTR functions, const std::string& reserved = "");

/// The slot of the token with this label.
[[nodiscard]] CK_SLOT_ID find_slot(CK_FUNCTION_LIST_PTR functions, const std::string& label);

/// Signs with one P-256 key in a session of its own.
class Signer {
 public:
  explicit Signer(const Target& target);
  ~Signer();
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  /// C_SignInit and C_Sign over a digest of 32 bytes.
  void sign();

 private:
  CK_FUNCTION_LIST_PTR functions_;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key_ = CK_INVALID_HANDLE;
};

/// C_OpenSession, C_GenerateKeyPair, one signature, C_CloseSession.
void cycle(const Target& target);

}  // namespace mayfly::bench
