// A SoftHSM2 token of a test's own.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/pkcs11.h"
#include "base/secret.h"
#include "support/environment.h"
#include "support/temp_folder.h"

namespace mayfly::test {

/// A token with a random PIN in a folder of its own, with SOFTHSM2_CONF set to it as long as this
/// lives. SoftHSM2 reads that variable in C_Initialize only: make one when nothing in the process
/// has SoftHSM2 initialised, and let go of all devices before the next one.
class SoftHsmToken {
 public:
  explicit SoftHsmToken(const std::string& label = "mayfly-test");

  /// Makes one more token beside the first, with the same PIN. Same conditions.
  void add_token(const std::string& label);

  /// SoftHSM2's library.
  [[nodiscard]] static std::filesystem::path module_path();

  /// "pkcs11:token=LABEL".
  [[nodiscard]] std::string uri() const { return "pkcs11:token=" + label_; }
  [[nodiscard]] const std::string& label() const noexcept { return label_; }
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_.path(); }
  [[nodiscard]] const std::filesystem::path& config_file() const noexcept { return config_file_; }

  /// A file, mode 0600, with the user PIN and no newline.
  [[nodiscard]] const std::filesystem::path& pin_file() const noexcept { return pin_file_; }
  [[nodiscard]] SecretBuffer pin() const;

  /// What a process needs in its environment to find the token.
  [[nodiscard]] std::map<std::string, std::string> environment() const;

  /// How many objects of a class this process can find on the token, private ones too, asked of
  /// SoftHSM2 directly. Session objects of all sessions of the process are among them.
  [[nodiscard]] std::size_t count_objects(CK_OBJECT_CLASS object_class) const;

  /// How many sessions this process has. SoftHSM2's C_GetTokenInfo does not tell, but it counts its
  /// handles up from 1, so each can be asked for.
  [[nodiscard]] std::size_t count_sessions() const;

 private:
  TempFolder folder_;
  std::string label_;
  std::filesystem::path config_file_;
  std::filesystem::path pin_file_;
  ScopedVariable variable_;
};

}  // namespace mayfly::test
