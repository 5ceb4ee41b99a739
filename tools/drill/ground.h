// Where attacks are made: the device that is configured, and throw-away everything else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/signer.h"
#include "config/config.h"
#include "grant/grant.h"
#include "tools/drill/scenario.h"

namespace mayfly::drill {

/// Names of policies that every ground has.
inline constexpr char kFewSignatures[] = "drill-few";       // max-signatures = kFew
inline constexpr char kFewKeys[] = "drill-keys";            // max-keys = kFew
inline constexpr char kSlow[] = "drill-slow";               // max-rate = kFew
inline constexpr char kOneMechanism[] = "drill-mechanism";  // one mechanism only
inline constexpr char kShort[] = "drill-short";             // max-ttl of ten seconds
inline constexpr char kWithLogin[] = "drill-login";         // login-required
inline constexpr char kWithGrant[] = "drill-grant";         // grant-required
inline constexpr unsigned kFew = 10;

/// Ground models the place of one drill: a folder with a configuration that has the device, the
/// policy and the lengths of time of the one that is drilled, and a registry, ledgers, approvers
/// and an issuer of its own.
class Ground {
 public:
  /// Makes one in a new folder.
  /// @param drilled  The configuration that is drilled.
  /// @throws tools::Failure for a device whose PIN can be read once only; kCannotWrite.
  [[nodiscard]] static Ground make(const Config& drilled);

  /// One that was made before, in this process or another.
  explicit Ground(std::filesystem::path folder);

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  [[nodiscard]] const Config& config() const noexcept { return config_; }
  [[nodiscard]] std::filesystem::path config_file() const { return folder_ / "mayfly.toml"; }
  [[nodiscard]] std::filesystem::path log_file() const { return folder_ / "log"; }

  /// The PIN that tasks with a login want.
  [[nodiscard]] std::string login_pin() const;

  [[nodiscard]] std::unique_ptr<Signer> approver() const;
  /// Claims of a grant that opens the task, for an approver to sign.
  [[nodiscard]] grant::Grant claims(const std::string& task) const;
  /// A grant that holds.
  [[nodiscard]] std::string grant_for(const std::string& task) const;
  /// Whether a task is opened by grant only, under a policy; empty for none.
  [[nodiscard]] bool wants_grant(const std::string& policy) const;

  /// The key that signs credentials here.
  [[nodiscard]] std::unique_ptr<Signer> issuer() const;

 private:
  std::filesystem::path folder_;
  Config config_;
};

/// A new private key as PEM.
[[nodiscard]] std::string new_key_pem();

}  // namespace mayfly::drill
