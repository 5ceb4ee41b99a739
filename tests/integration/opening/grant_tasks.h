// A client of libmayfly.so where tasks are opened by grants only.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/pkcs11.h"
#include "conformance/provider.h"
#include "registry/registry.h"
#include "support/softhsm_token.h"
#include "support/temp_folder.h"
#include "support/test_approver.h"

namespace mayfly::test {

inline constexpr const char* kGrantedTask = "invoice-4711";
inline constexpr const char* kBroker = "broker.example";

/// Claims that hold now, with everything in them.
[[nodiscard]] nlohmann::json good_claims(const std::string& id = "grant-1");

/// A test whose mayfly.toml requires grants of one approver, and records them in a registry.
class GrantTasksTest : public ::testing::Test {
 protected:
  /// @param more  Further tables of the configuration.
  explicit GrantTasksTest(const std::string& more = "");
  ~GrantTasksTest() override;

  /// @param reserved  What pReserved says beside the configuration.
  [[nodiscard]] CK_RV initialize(const std::string& reserved = "");
  [[nodiscard]] CK_RV open(const std::string& grant, const std::string& task = kGrantedTask,
                           const CK_SLOT_ID* parent = nullptr);
  [[nodiscard]] std::string grant(const nlohmann::json& claims) const {
    return approver_.token(claims.dump());
  }
  /// Writes a file that only its owner can read.
  std::filesystem::path write_secret(const std::string& name, const std::string& text) const;
  [[nodiscard]] std::string log() const;
  [[nodiscard]] std::vector<TaskRecord> recorded() const;
  [[nodiscard]] std::size_t slots() const;
  /// The slot of the only task.
  [[nodiscard]] CK_SLOT_ID only_slot() const;
  [[nodiscard]] CK_SESSION_HANDLE open_session(CK_SLOT_ID slot) const;
  [[nodiscard]] CK_RV generate(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE& key) const;
  [[nodiscard]] CK_RV sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) const;
  [[nodiscard]] CK_RV login(CK_SESSION_HANDLE session, const std::string& pin) const;

  SoftHsmToken token_;
  TempFolder folder_;
  TestApprover approver_{grant::Algorithm::es256, "boss"};
  std::filesystem::path config_file_;
  std::unique_ptr<Registry> registry_;
  std::optional<ModuleProvider> module_;
  CK_SLOT_ID slot_ = 0;  // of the task that was opened last
};

}  // namespace mayfly::test
