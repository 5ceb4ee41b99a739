#include "tools/grant_verify.h"

#include <iostream>
#include <memory>

#include "base/clock.h"
#include "grant/refused.h"
#include "grant/trusted_approvers.h"
#include "grant/verify.h"
#include "tools/approver_key.h"
#include "tools/commands.h"
#include "tools/failure.h"
#include "tools/grant_text.h"

namespace mayfly::tools {
namespace {

struct VerifyOptions {
  std::string file;
  std::string config;
  std::string approvers;
  std::string audience;
  std::string task;
  std::string parent;
  std::uint64_t at = 0;
  bool json = false;
};

/// What the configuration says, where the command line says nothing.
struct Measure {
  std::string approvers;
  grant::Expectations expected;
};

Measure make_measure(const VerifyOptions& options) {
  const std::optional<Config> config = find_configuration_if_any(options.config);
  Measure measure{options.approvers, {}};
  grant::Expectations& expected = measure.expected;
  expected.audience = options.audience;
  if (config) {
    if (measure.approvers.empty()) measure.approvers = config->grants.approvers.string();
    if (expected.audience.empty()) expected.audience = config->grants.audience;
    expected.clock_skew = config->grants.clock_skew;
    expected.max_life = config->grants.max_life;
    expected.max_ttl = config->task.max_ttl;
  }
  if (measure.approvers.empty()) {
    throw Failure(kUsage, "say whom to trust: --approvers FILE, or grants.approvers");
  }
  if (expected.audience.empty()) {
    throw Failure(kUsage, "say who the broker is: --audience NAME, or grants.audience");
  }
  if (!options.task.empty()) expected.task = options.task;
  if (!options.parent.empty()) expected.parent = options.parent;
  expected.now_unix_s = options.at != 0 ? options.at : unix_now_s();
  return measure;
}

void print(const grant::Verified& verified, bool json) {
  if (json) {
    std::cout << nlohmann::json{{"verified", true},
                                {"approver", verified.approver},
                                {"kid", verified.key_id},
                                {"claims", claims_json(verified.grant)}}
                     .dump(2)
              << '\n';
    return;
  }
  std::cout << "verified     but for whether it was used before, which only its broker knows\n";
  print_grant(std::cout, verified.grant);
  std::cout << "signed by    " << (verified.key_id.empty() ? verified.approver : verified.key_id)
            << '\n';
}

int refuse(const grant::Refused& refused, bool json) {
  if (json) {
    const bool expired = refused.rv() == CKR_PIN_EXPIRED;
    std::cout << nlohmann::json{{"verified", false},
                                {"reason", grant::name_of(refused.reason())},
                                {"message", refused.what()},
                                {"answer", expired ? "CKR_PIN_EXPIRED" : "CKR_PIN_INCORRECT"}}
                     .dump(2)
              << '\n';
  } else {
    std::cerr << "mayfly: not verified (" << grant::name_of(refused.reason())
              << "): " << refused.what() << '\n';
  }
  return kGrantRefused;
}

int run_verify(const VerifyOptions& options) {
  const Measure measure = make_measure(options);
  const std::string text = read_grant(options.file);
  try {
    const auto approvers = grant::TrustedApprovers(measure.approvers).current();
    print(grant::verify(text, *approvers, measure.expected), options.json);
    return kOk;
  } catch (const grant::Refused& refused) {
    return refuse(refused, options.json);
  }
}

}  // namespace

void add_grant_verify(CLI::App& grant, int& status) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = grant.add_subcommand("verify", "Verify a grant as a broker does");
  command->footer(
      "Everything is checked but whether the grant was used before. docs/grants.md lists the\n"
      "reasons. The exit status is 0 if the grant holds, 76 if it does not.");
  command->add_option("file", options->file, "The grant; - reads standard input")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--approvers", options->approvers,
                   "The JWK Set of those to trust (default: grants.approvers)")
      ->type_name("FILE");
  command
      ->add_option("--audience", options->audience, "The broker's name (default: grants.audience)")
      ->type_name("NAME");
  command->add_option("--task", options->task, "Accept this task only")->type_name("ID");
  command
      ->add_option("--parent", options->parent,
                   "Accept a child of this task only; without it, no child")
      ->type_name("ID");
  command
      ->add_option("--at", options->at,
                   "When to verify it for, in seconds since 1970 (default: now)")
      ->type_name("SECONDS");
  add_config_option(*command, options->config);
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, &status] { status = run_verify(*options); });
}

}  // namespace mayfly::tools
