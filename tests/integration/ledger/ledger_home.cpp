#include "integration/ledger/ledger_home.h"

#include <fstream>

namespace mayfly::test {

LedgerHome::LedgerHome() {
  std::filesystem::create_directory(folder());
  std::filesystem::permissions(folder(), std::filesystem::perms::owner_all);
}

std::filesystem::path LedgerHome::config(const std::string& more) const {
  return folder_.write("mayfly.toml",
                       "[device]\nmodule = \"" + SoftHsmToken::module_path().string() +
                           "\"\ntoken = \"" + token_.uri() +
                           "\"\npin-source = \"file:" + token_.pin_file().string() +
                           "\"\n[ledger]\nfolder = \"" + folder().string() + "\"\n" + more);
}

std::map<std::string, std::filesystem::path> LedgerHome::chains() const {
  std::map<std::string, std::filesystem::path> chains;
  for (const auto& file : std::filesystem::directory_iterator(folder())) {
    chains.emplace(verify_path(file.path()).summary.task.id, file.path());
  }
  return chains;
}

ledger::Verification verify_path(const std::filesystem::path& path,
                                 const ledger::Expectations& expected,
                                 const ledger::EntryListener& listener) {
  std::ifstream stream(path, std::ios::binary);
  return ledger::verify_chain(stream, expected, listener);
}

std::vector<ledger::Entry> entries_of(const std::filesystem::path& path) {
  std::vector<ledger::Entry> entries;
  static_cast<void>(
      verify_path(path, {}, [&entries](const ledger::Entry& entry) { entries.push_back(entry); }));
  return entries;
}

Attributes ec_template(unsigned bits) {
  Attributes wanted;
  wanted.set(CKA_EC_PARAMS, ec_params({bits == 255 ? CKK_EC_EDWARDS : CKK_EC, bits}));
  return wanted;
}

Attributes rsa_template() {
  static constexpr std::uint8_t kExponent[] = {1, 0, 1};
  Attributes wanted;
  wanted.set_number(CKA_MODULUS_BITS, 2048);
  wanted.set(CKA_PUBLIC_EXPONENT, kExponent);
  return wanted;
}

}  // namespace mayfly::test
