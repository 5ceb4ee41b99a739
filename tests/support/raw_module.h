// A PKCS#11 module spoken to directly: what tests use to look behind mayfly's back.
#pragma once

#include <filesystem>
#include <string>

#include "base/pkcs11.h"

namespace mayfly::test {

/// Throws std::runtime_error with the name of the call unless the answer is CKR_OK.
void expect_ok(CK_RV rv, const char* call);

/// A module, loaded and initialised as long as this lives. If the process has initialised it
/// before, it is left initialised.
class RawModule {
 public:
  explicit RawModule(const std::filesystem::path& path);
  ~RawModule();
  RawModule(const RawModule&) = delete;
  RawModule& operator=(const RawModule&) = delete;

  CK_FUNCTION_LIST_PTR operator->() const noexcept { return functions_; }
  [[nodiscard]] CK_FUNCTION_LIST_PTR functions() const noexcept { return functions_; }

  /// The slot of the initialised token with this label.
  [[nodiscard]] CK_SLOT_ID slot_of(const std::string& label) const;

  /// The first slot whose token is not initialised.
  [[nodiscard]] CK_SLOT_ID free_slot() const;

  /// Whether nobody else in this process had it initialised.
  [[nodiscard]] bool initialized_here() const noexcept { return initialized_here_; }

 private:
  void* library_;
  CK_FUNCTION_LIST_PTR functions_ = nullptr;
  bool initialized_here_ = false;
};

/// A session on a slot, read-write, closed at the end.
class RawSession {
 public:
  RawSession(const RawModule& module, CK_SLOT_ID slot);
  ~RawSession();
  RawSession(const RawSession&) = delete;
  RawSession& operator=(const RawSession&) = delete;

  [[nodiscard]] CK_SESSION_HANDLE handle() const noexcept { return handle_; }

 private:
  const RawModule& module_;
  CK_SESSION_HANDLE handle_ = CK_INVALID_HANDLE;
};

/// Signs something with a P-256 key.
void sign(const RawModule& module, const RawSession& session, CK_OBJECT_HANDLE key);

}  // namespace mayfly::test
