// The token of a task, met as any client of PKCS#11 meets it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/pkcs11.h"
#include "base/secret.h"
#include "base/signer.h"
#include "device/pkcs11/vendor_module.h"
#include "tools/token_session.h"

namespace mayfly::tools {

/// What names the tokens of tasks, as a PKCS#11 URI.
inline constexpr char kTaskTokens[] = "pkcs11:manufacturer=mayfly;model=task%20token";

/// TaskToken models the one token that libmayfly.so shows in a client of a task's worker. Its
/// functions throw Error with what the token answered.
class TaskToken {
 public:
  /// A private key of the token.
  struct Key {
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    PublicKey public_key;  ///< as the private key itself tells it
    std::string label;
    Bytes id;
  };

  /// Loads libmayfly.so as a client of a worker. MAYFLY_SOCKET is set in this process; to be called
  /// before any thread is started, and once in a process.
  /// @param door  The worker's socket.
  /// @param pin   What the task wants for a login; it is needed where the task wants one.
  /// @throws Failure kNotFound without libmayfly.so.
  TaskToken(const std::filesystem::path& door, std::optional<SecretBuffer> pin);
  ~TaskToken();
  TaskToken(const TaskToken&) = delete;
  TaskToken& operator=(const TaskToken&) = delete;

  [[nodiscard]] std::string task_id() const { return info().task_id; }
  [[nodiscard]] std::string serial() const { return info().serial; }

  /// A moment, in seconds since 1970 by the wall clock as it is now, that is no later than the
  /// task's deadline, and up to two seconds before it. Nothing if the task is over.
  [[nodiscard]] std::optional<std::uint64_t> deadline_unix_s() const;

  /// The private key with that label, or that ID in hexadecimal; empty means the only one.
  /// @throws Failure kNoInput if there is none, or more than one.
  [[nodiscard]] Key find_key(const std::string& wanted) const;

  /// Whether the token signs so.
  [[nodiscard]] bool can_sign(const SignatureScheme& scheme) const;

  /// What signs with a key. It must not outlive the token.
  [[nodiscard]] std::unique_ptr<Signer> signer(const Key& key) const;

  /// The device's evidence of a key (MAYFLY_Attest); nothing by a device that gives none.
  [[nodiscard]] std::optional<std::string> attest(const Key& key, ByteView nonce) const;

  /// Puts a certificate of a key on the token, under the key's label and ID, where TLS clients look
  /// for it. Certificates of the same issuer for the same ID are taken away: a client would find
  /// either.
  void put_certificate(const Key& key, ByteView der);

 private:
  [[nodiscard]] MAYFLY_TASK_INFO info() const;
  [[nodiscard]] std::vector<Key> keys() const;

  pkcs11::VendorModule module_;
  MAYFLY_FUNCTION_LIST* vendor_ = nullptr;
  CK_SLOT_ID slot_ = 0;
  std::unique_ptr<TokenSession> session_;
};

}  // namespace mayfly::tools
