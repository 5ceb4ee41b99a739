// What every test of the suite starts from: a device, a task on it, and a client's view of both.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "conformance/answers.h"
#include "conformance/device_behind.h"
#include "conformance/key_kinds.h"
#include "conformance/provider.h"
#include "conformance/templates.h"

namespace mayfly::test {

/// The argument of C_Initialize in the size that the standard gives it: not a byte behind it may be
/// read. (NSS's header has one member more.)
struct InitializeArgs {
  CK_CREATEMUTEX create_mutex = nullptr;
  CK_DESTROYMUTEX destroy_mutex = nullptr;
  CK_LOCKMUTEX lock_mutex = nullptr;
  CK_UNLOCKMUTEX unlock_mutex = nullptr;
  CK_FLAGS flags = CKF_OS_LOCKING_OK;
  void* reserved = nullptr;
};

/// What a test's mayfly.toml says beside the device.
struct Settings {
  bool login_required = false;
  bool strict_usage = false;
  std::size_t max_tasks = 10'000;
  std::size_t max_sessions = 4'096;
  std::size_t max_objects = 20'000;
  const char* log_level = "info";
  const char* policy = "";  ///< more lines of [policy]
};

/// The two handles of a key pair.
struct KeyPair {
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
};

inline constexpr const char* kTask = "conformance";
/// What clients log in with where Settings::login_required says so.
inline constexpr const char* kClientPin = "a client's PIN";

/// A test of a client that has initialised mayfly and met the task kTask. At its end all tasks are
/// ended, and the device must hold nothing.
class ConformanceTest : public testing::Test {
 protected:
  explicit ConformanceTest(Settings settings = {});

  void SetUp() override;
  void TearDown() override;

  // The library ------------------------------------------------------------------------------

  /// C_Initialize with a task in pReserved; none if the name is empty.
  [[nodiscard]] CK_RV initialize(const std::string& task, const std::string& ttl = "");
  [[nodiscard]] CK_RV finalize() { return p11_->C_Finalize(nullptr); }
  /// The slots, asked for as clients do: the number first.
  [[nodiscard]] std::vector<CK_SLOT_ID> slots();
  /// The slot of the only task.
  [[nodiscard]] CK_SLOT_ID only_slot();
  /// Opens one more task through the vendor interface. 0 if it was refused, which fails the test.
  [[nodiscard]] CK_SLOT_ID open_task(const std::string& id, CK_ULONG ttl = 0);
  /// Ends the task that the test met first, as its owner does.
  [[nodiscard]] CK_RV end_task() { return provider_->end_task(slot_); }
  /// A task to go on with, in slot_: one more, or another one where the client meets one at a time.
  void start_task(const std::string& id, CK_ULONG ttl = 0);
  void end_all_tasks();

  // Sessions and login -----------------------------------------------------------------------

  [[nodiscard]] CK_SESSION_HANDLE open_session(CK_FLAGS flags = CKF_RW_SESSION,
                                               std::optional<CK_SLOT_ID> slot = std::nullopt);
  [[nodiscard]] CK_RV log_in(CK_SESSION_HANDLE session, const std::string& pin = kClientPin,
                             CK_USER_TYPE user = CKU_USER);

  // Keys and objects -------------------------------------------------------------------------

  /// A key pair of a kind, with these attributes and what the kind needs. Null handles if it was
  /// refused, which fails the test.
  KeyPair generate(CK_SESSION_HANDLE session, const KeyKind& kind,
                   const Template& public_wanted = {}, const Template& private_wanted = {});
  /// The same, with the answer to judge.
  CK_RV try_generate(CK_SESSION_HANDLE session, const KeyKind& kind, const Template& public_wanted,
                     const Template& private_wanted, KeyPair& pair);
  /// Handles of all that match, in the order given.
  [[nodiscard]] std::vector<CK_OBJECT_HANDLE> find(CK_SESSION_HANDLE session, Template wanted);
  [[nodiscard]] std::optional<Bytes> get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                         CK_ATTRIBUTE_TYPE type);
  [[nodiscard]] CK_RV get_answer(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                 CK_ATTRIBUTE_TYPE type);

  // Signing ----------------------------------------------------------------------------------

  /// C_SignInit and C_Sign. The first answer that is not CKR_OK, or CKR_OK.
  CK_RV sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism,
             const Bytes& data, Bytes& signature);
  /// Whether the key makes a signature now, by the kind's hashing mechanism.
  [[nodiscard]] CK_RV sign_answer(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                                  const KeyKind& kind);

  // Behind mayfly's back -----------------------------------------------------------------------

  /// Key objects on the device, both halves.
  [[nodiscard]] std::size_t device_keys() {
    return provider_ == nullptr ? device_behind().keys() : provider_->device_keys();
  }
  [[nodiscard]] std::string log_text() const { return read_file(log_file_); }

  const Settings settings_;
  TempFolder folder_;
  std::filesystem::path log_file_;
  std::unique_ptr<Provider> provider_;
  const CK_FUNCTION_LIST_3_0* p11_ = nullptr;
  const MAYFLY_FUNCTION_LIST* vendor_ = nullptr;
  CK_SLOT_ID slot_ = 0;

 private:
  [[nodiscard]] std::filesystem::path write_config() const;
};

/// The same with a login that is required.
class LoginTest : public ConformanceTest {
 protected:
  LoginTest() : ConformanceTest({.login_required = true}) {}
};

}  // namespace mayfly::test
