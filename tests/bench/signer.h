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
  std::string pin;           ///< empty: the token wants no login
  bool stored_keys = false;  ///< for a module that has no session keys
};

/// Loads a module and gives its 2.40 functions; the library stays loaded.
[[nodiscard]] CK_FUNCTION_LIST_PTR load(const std::string& path);

/// C_Initialize; a module that the process has initialised already is fine.
/// @param reserved  The text that pReserved points to; empty for none.
void initialize(CK_FUNCTION_LIST_PTR functions, const std::string& reserved = "");

/// The slot of the token with this label.
[[nodiscard]] CK_SLOT_ID find_slot(CK_FUNCTION_LIST_PTR functions, const std::string& label);

/// A session, logged in where the token wants that.
class Session {
 public:
  explicit Session(const Target& target);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// C_GenerateKeyPair of a P-256 key. @return the private half.
  CK_OBJECT_HANDLE generate();
  /// C_SignInit and C_Sign over a digest of 32 bytes.
  void sign(CK_OBJECT_HANDLE key);

 private:
  const Target& target_;
  CK_SESSION_HANDLE handle_ = CK_INVALID_HANDLE;
};

/// Signs with one P-256 key in a session of its own.
class Signer {
 public:
  explicit Signer(const Target& target) : session_(target), key_(session_.generate()) {}

  void sign() { session_.sign(key_); }

 private:
  Session session_;
  CK_OBJECT_HANDLE key_;
};

/// C_OpenSession, C_GenerateKeyPair, one signature, C_CloseSession.
void cycle(const Target& target);

}  // namespace mayfly::bench
