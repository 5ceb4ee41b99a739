#include "tools/grant_approver.h"

#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "grant/approvers.h"
#include "tools/approver_key.h"
#include "tools/commands.h"
#include "tools/failure.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

struct ApproverOptions {
  ApproverKeyOptions key;
  std::string config;
  std::string key_id;
  std::string with;
};

/// The keys of a JWK Set that is good.
nlohmann::json keys_of(const std::string& file) {
  const std::string content = read_whole_file(file, grant::kMaxApproversSize);
  try {
    static_cast<void>(grant::parse_approvers(content));
    return nlohmann::json::parse(content).at("keys");
  } catch (const Error& error) {
    throw Failure(kUsage, file + ": is no JWK Set of approvers: " + error.what());
  }
}

int run_approver(const ApproverOptions& options) {
  const auto config = find_configuration_if_any(options.config);
  const PublicKey key = read_approver_key(options.key, config);
  nlohmann::json keys = options.with.empty() ? nlohmann::json::array() : keys_of(options.with);
  try {
    keys.push_back(nlohmann::json::parse(grant::to_jwk(key, options.key_id)));
    const std::string set = nlohmann::json{{"keys", std::move(keys)}}.dump(2);
    static_cast<void>(grant::parse_approvers(set));
    std::cout << set << '\n';
  } catch (const Error& error) {
    throw Failure(kUsage, error.what());
  }
  return kOk;
}

}  // namespace

void add_grant_approver(CLI::App& grant, int& status) {
  const auto options = std::make_shared<ApproverOptions>();
  CLI::App* command =
      grant.add_subcommand("approver", "Print a public key as a JWK Set, for grants.approvers");
  command->footer(
      "To add a key to a set:\n"
      "  mayfly grant approver new.pem --with approvers.json > new.json && mv new.json "
      "approvers.json");
  command
      ->add_option("key", options->key.key,
                   "The approver's public key: a PEM file, or a PKCS#11 URI such as "
                   "'pkcs11:token=approvers;object=ops'")
      ->required()
      ->type_name("KEY");
  command->add_option("--kid", options->key_id, "What to call the key (default: its thumbprint)")
      ->type_name("NAME");
  command->add_option("--with", options->with, "Print the keys of this set as well")
      ->type_name("FILE");
  add_token_options(*command, options->key);
  add_config_option(*command, options->config);
  command->callback([options, &status] { status = run_approver(*options); });
}

}  // namespace mayfly::tools
