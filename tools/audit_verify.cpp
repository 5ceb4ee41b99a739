#include "tools/audit_verify.h"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/task_binding.h"
#include "tools/audit_chains.h"
#include "tools/failure.h"
#include "tools/key_thumbprint.h"

namespace mayfly::tools {
namespace {

using ledger::Expectations;
using ledger::Verification;

struct AuditVerifyOptions {
  std::vector<std::string> files;
  std::string task_id;
  std::string serial;
  std::vector<std::string> keys;
  std::string ledger_key;
  std::string head;
  bool accept_unsealed = false;
  bool json = false;
};

ledger::ChainHead parse_head(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string number = text.substr(0, colon);
  const std::string hash = colon == text.npos ? std::string() : text.substr(colon + 1);
  const bool good = !number.empty() && number.size() < 16 &&
                    number.find_first_not_of("0123456789") == number.npos &&
                    is_hex(hash, 2 * ledger::kHashSize);
  const std::uint64_t entries = good ? std::stoull(number) : 0;
  if (entries == 0) {
    throw Failure(kUsage, "--head is NUMBER:HASH, as this command prints it; numbers begin at 1");
  }
  return {entries, parse_hex(hash).value()};
}

bool knows_key(const Expectations& expected) {
  return expected.ledger_key || !expected.keys.empty();
}

Expectations expectations(const AuditVerifyOptions& options) {
  Expectations expected;
  if (!options.task_id.empty()) expected.task_id = options.task_id;
  if (!options.serial.empty()) expected.serial = options.serial;
  if (!options.ledger_key.empty()) expected.ledger_key = key_thumbprint(options.ledger_key);
  for (const std::string& key : options.keys) expected.keys.push_back(key_thumbprint(key));
  if (!options.head.empty()) expected.head = parse_head(options.head);
  const bool any = knows_key(expected) || expected.head || expected.task_id || expected.serial;
  if (any && options.files.size() != 1) {
    throw Failure(kUsage, "what is known of a task from elsewhere goes with one FILE only");
  }
  return expected;
}

bool holds(const Verification& found, const AuditVerifyOptions& options) {
  if (found.verdict == ledger::Verdict::sealed) return true;
  return options.accept_unsealed && found.verdict != ledger::Verdict::tampered;
}

/// What a verdict rests on, where that is less than a reader may think; else nothing.
std::string caveat(const Verification& found, const Expectations& expected) {
  const std::string entries = std::to_string(found.anchored_entries);
  if (found.anchored()) return {};
  if (found.anchored_entries != 0) {
    return "anchored up to entry " + entries +
           " only: what comes after can have been rebuilt with another ledger key, or has no seal; "
           "see --key, --ledger-key and a later --head";
  }
  if (knows_key(expected) || expected.head) {
    if (found.verdict == ledger::Verdict::tampered) return {};
    return "the ledger's key is the expected one, but without a seal it vouches for no entry";
  }
  return "against nothing but itself: whoever has the file can have rebuilt it with another ledger "
         "key; see --key, --ledger-key and --head";
}

void print(const std::string& file, const Verification& found, const Expectations& expected) {
  const auto line = [](const char* name, const std::string& value) {
    std::cout << name << value << '\n';
  };
  line("chain        ", file);
  line("verdict      ", to_string(found.verdict));
  if (!found.problem.empty()) line("             ", problem_text(found));
  const ledger::ChainSummary& summary = found.summary;
  if (summary.head.entries == 0) return;
  line("task         ", summary.task.id + ", serial " + summary.task.serial);
  if (!summary.end) line("written by   ", owner_text(summary.owner));
  line("entries      ", std::to_string(summary.head.entries) + " that fit, head " +
                            std::to_string(summary.head.entries) + ":" + to_hex(summary.head.hash));
  if (summary.ledger_key) line("ledger key   ", to_hex(thumbprint(*summary.ledger_key)));
  const std::string text = caveat(found, expected);
  if (!text.empty()) line("checked      ", text);
}

int run_audit_verify(const AuditVerifyOptions& options) {
  const Expectations expected = expectations(options);
  nlohmann::json chains = nlohmann::json::array();
  bool all_hold = true;
  for (const std::string& file : options.files) {
    const Verification found = verify_file(file, expected);
    all_hold = all_hold && holds(found, options);
    if (options.json) {
      nlohmann::json chain = chain_json(file, found);
      chain["anchored"] = found.anchored();
      chain["anchored_entries"] = found.anchored_entries;
      chains.push_back(std::move(chain));
    } else {
      if (&file != &options.files.front()) std::cout << '\n';
      print(file, found, expected);
    }
  }
  if (options.json) {
    std::cout << nlohmann::json({{"verified", all_hold}, {"chains", chains}}).dump(2) << '\n';
  }
  return all_hold ? kOk : kChecksFailed;
}

}  // namespace

void add_audit_verify(CLI::App& audit, int& status) {
  const auto options = std::make_shared<AuditVerifyOptions>();
  CLI::App* command =
      audit.add_subcommand("verify", "Check that ledgers are whole and were not changed");
  command->footer(
      "A chain is sealed, keyless (its task never had a key), unsealed (still open, its owner "
      "died,\n"
      "or its tail was cut off), truncated (so is its last line) or tampered with. What a file "
      "says\n"
      "of itself proves nothing against somebody who rebuilt all of it: give what you know from\n"
      "elsewhere, a key of the task or of its ledger. docs/ledger.md says what is checked.\n"
      "The exit status is 0 if all chains are sealed, 1 if one is not.");
  command->add_option("files", options->files, "The chains; - reads standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--task", options->task_id, "Accept this task only")->type_name("ID");
  command->add_option("--serial", options->serial, "Accept the token of this serial only")
      ->type_name("HEX");
  command
      ->add_option(
          "--key", options->keys,
          "A key of the task, from its credential: a PEM public key, an X.509 certificate, a "
          "token with cnf.jwk, a JWK, or the key's thumbprint; may be given again")
      ->type_name("FILE|HEX")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      ->add_option("--ledger-key", options->ledger_key,
                   "The key that seals the chain, kept apart from it: PEM, or its thumbprint")
      ->type_name("FILE|HEX");
  command
      ->add_option("--head", options->head,
                   "The number and the hash of an entry, kept apart from the chain")
      ->type_name("NUMBER:HASH");
  command->add_flag("--accept-unsealed", options->accept_unsealed,
                    "Let chains without a seal pass, if all that is there fits together");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, &status] { status = run_audit_verify(*options); });
}

}  // namespace mayfly::tools
