// Tasks over SoftHSM2 that keep ledgers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compose/library.h"
#include "core/application.h"
#include "ledger/chain_verifier.h"
#include "support/softhsm_token.h"
#include "support/temp_folder.h"

namespace mayfly::test {

/// A configuration with a SoftHSM2 token and a folder for ledgers.
class LedgerHome {
 public:
  LedgerHome();

  [[nodiscard]] const SoftHsmToken& token() const noexcept { return token_; }
  [[nodiscard]] std::filesystem::path folder() const { return folder_.path() / "ledger"; }
  /// @param more  Lines that are added to the configuration.
  [[nodiscard]] std::filesystem::path config(const std::string& more = "") const;

  /// The chains that there are, by their task.
  [[nodiscard]] std::map<std::string, std::filesystem::path> chains() const;

 private:
  SoftHsmToken token_;
  TempFolder folder_;
};

/// What verifying the chain in a file finds.
[[nodiscard]] ledger::Verification verify_path(const std::filesystem::path& path,
                                               const ledger::Expectations& expected = {},
                                               const ledger::EntryListener& listener = {});

/// The entries of a chain that fit together.
[[nodiscard]] std::vector<ledger::Entry> entries_of(const std::filesystem::path& path);

/// Key templates.
[[nodiscard]] Attributes ec_template(unsigned bits = 256);
[[nodiscard]] Attributes rsa_template();

}  // namespace mayfly::test
