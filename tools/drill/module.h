// libmayfly.so as an attacker uses it: whatever it answers is looked at, nothing is mended.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/pkcs11.h"
#include "base/public_key.h"
#include "mayfly/mayfly.h"
#include "tools/drill/ground.h"

namespace mayfly::drill {

/// "C_Sign answered CKR_…": for a Outcome's detail.
[[nodiscard]] std::string answered(const std::string& call, CK_RV rv);

/// @throws std::runtime_error unless it is CKR_OK: what is allowed did not work either.
void expect_ok(const std::string& call, CK_RV rv);

/// Module models libmayfly.so in this process. Load it once; never unloaded.
class Module {
 public:
  /// Makes keys in this process, by the ground's configuration.
  explicit Module(const Ground& ground);
  /// A client of the worker behind a door.
  explicit Module(const std::filesystem::path& door);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  [[nodiscard]] const CK_FUNCTION_LIST_3_0& functions() const noexcept { return *functions_; }
  const CK_FUNCTION_LIST_3_0* operator->() const noexcept { return functions_; }
  [[nodiscard]] const MAYFLY_FUNCTION_LIST& vendor() const noexcept { return *vendor_; }

  [[nodiscard]] CK_RV initialize() const;
  void finalize() const;

  /// The slot of the only token. @throws std::runtime_error if there is none.
  [[nodiscard]] CK_SLOT_ID slot() const;

 private:
  void load();

  const CK_FUNCTION_LIST_3_0* functions_ = nullptr;
  const MAYFLY_FUNCTION_LIST* vendor_ = nullptr;
};

/// A task that is opened in this process.
struct TaskWish {
  std::string id = "drill";
  std::string policy;          ///< a [policy.NAME]; empty for none
  CK_ULONG ttl_seconds = 120;  ///< 0: as configured
  std::string grant;           ///< empty: one of the ground's own where one is needed
};
[[nodiscard]] CK_RV try_open_task(const Module& module, const Ground& ground, const TaskWish& wish,
                                  CK_SLOT_ID& slot);
[[nodiscard]] CK_SLOT_ID open_task(const Module& module, const Ground& ground,
                                   const TaskWish& wish = {});

/// Attributes of a template, with their values.
class Template {
 public:
  Template& flag(CK_ATTRIBUTE_TYPE type, bool value);
  Template& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Template& bytes(CK_ATTRIBUTE_TYPE type, ByteView value);

  [[nodiscard]] CK_ATTRIBUTE* data();
  [[nodiscard]] CK_ULONG size() const noexcept { return values_.size(); }

 private:
  std::vector<std::pair<CK_ATTRIBUTE_TYPE, Bytes>> values_;
  std::vector<CK_ATTRIBUTE> attributes_;
};

/// A kind of key that a token makes, and a mechanism that it signs with.
struct Kind {
  KeySpec spec;
  CK_MECHANISM_TYPE generate;
  CK_MECHANISM_TYPE sign;  ///< one that hashes, so that it also takes a message in parts
  SignatureScheme scheme;
};

struct KeyPair {
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
};

/// A session on a token.
class Session {
 public:
  /// Opens one, and logs in where the token wants that.
  Session(const Module& module, const Ground& ground, CK_SLOT_ID slot);
  /// One that others opened.
  Session(const Module& module, CK_SESSION_HANDLE handle, Kind kind)
      : module_(&module), handle_(handle), kind_(kind) {}

  [[nodiscard]] CK_SESSION_HANDLE handle() const noexcept { return handle_; }
  [[nodiscard]] const Kind& kind() const noexcept { return kind_; }
  [[nodiscard]] const Module& module() const noexcept { return *module_; }

  /// @param wanted  Of the private key.
  [[nodiscard]] CK_RV try_generate(Template& wanted, KeyPair& made) const;
  /// A key pair. @param on_token  CKA_TOKEN.
  [[nodiscard]] KeyPair generate(bool on_token = false) const;

  /// C_SignInit and C_Sign. @return what the first that failed answered.
  [[nodiscard]] CK_RV sign(CK_OBJECT_HANDLE key) const;
  [[nodiscard]] CK_RV sign_init(CK_OBJECT_HANDLE key) const;
  [[nodiscard]] CK_RV sign_update() const;
  [[nodiscard]] CK_RV sign_final() const;

  /// An attribute; nothing if it is not told.
  [[nodiscard]] std::optional<Bytes> get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const;
  [[nodiscard]] bool is_true(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const;
  [[nodiscard]] PublicKey public_key(CK_OBJECT_HANDLE object) const;

  /// What C_FindObjects gives for all objects of a class.
  [[nodiscard]] std::vector<CK_OBJECT_HANDLE> find(CK_OBJECT_CLASS object_class) const;

 private:
  const Module* module_;
  CK_SESSION_HANDLE handle_ = CK_INVALID_HANDLE;
  Kind kind_{};
};

/// The outcome of a call that must be refused.
/// @throws NotTried if something went wrong instead.
[[nodiscard]] Outcome must_refuse(const std::string& call, CK_RV rv);

}  // namespace mayfly::drill
