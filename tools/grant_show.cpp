#include "tools/grant_show.h"

#include <iostream>
#include <memory>

#include "grant/refused.h"
#include "grant/verify.h"
#include "tools/failure.h"
#include "tools/grant_text.h"

namespace mayfly::tools {
namespace {

struct ShowOptions {
  std::string file;
  bool json = false;
};

grant::Unverified read(const std::string& file) {
  const std::string text = read_grant(file);
  try {
    return grant::read_unverified(text);
  } catch (const grant::Refused& refused) {
    throw Failure(kGrantRefused, refused.what());
  }
}

int run_show(const ShowOptions& options) {
  const grant::Unverified shown = read(options.file);
  if (options.json) {
    nlohmann::json result = {
        {"verified", false}, {"alg", shown.algorithm}, {"claims", claims_json(shown.grant)}};
    if (!shown.key_id.empty()) result["kid"] = shown.key_id;
    std::cout << result.dump(2) << '\n';
    return kOk;
  }
  std::cout << "NOT VERIFIED: this is what the text says; anybody can have written it\n";
  print_grant(std::cout, shown.grant);
  std::cout << "signed       " << shown.algorithm
            << (shown.key_id.empty() ? std::string() : ", as if by " + shown.key_id) << '\n';
  return kOk;
}

}  // namespace

void add_grant_show(CLI::App& grant, int& status) {
  const auto options = std::make_shared<ShowOptions>();
  CLI::App* command = grant.add_subcommand("show", "Show what a grant says, without verifying it");
  command->footer(
      "Neither the signature nor the times are looked at: `mayfly grant verify` does that.\n"
      "The exit status is 76 for what is no grant.");
  command->add_option("file", options->file, "The grant; - reads standard input")
      ->required()
      ->type_name("FILE");
  command->add_flag("--json", options->json, "Print the claims as JSON");
  command->callback([options, &status] { status = run_show(*options); });
}

}  // namespace mayfly::tools
