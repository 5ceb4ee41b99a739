#include "tools/audit_verify.h"

#include <chrono>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/task_binding.h"
#include "base/utf8.h"
#include "ledger/chain_folder.h"
#include "tools/approver_key.h"
#include "tools/audit_chains.h"
#include "tools/audit_covered.h"
#include "tools/audit_folder.h"
#include "tools/audit_registry.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/key_thumbprint.h"
#include "tools/utc_text.h"

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
  std::string config_file;
  std::string folder;
  CheckpointOptions checkpoints;
  bool no_registry = false;
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
std::string caveat(const Verification& found, const Expectations& expected, bool registry_knows) {
  const std::string entries = std::to_string(found.anchored_entries);
  if (found.anchored() || registry_knows) return {};
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

/// Whoever can write the folder has chosen what files are called.
void print_field(const char* name, const std::string& value) {
  std::cout << name << printable_utf8(value) << '\n';
}

/// Verifies chains one after the other, beside the registry if there is one.
class AuditVerify {
 public:
  explicit AuditVerify(const AuditVerifyOptions& options)
      : options_(options),
        expected_(expectations(options)),
        config_(find_configuration(options)),
        registry_(find_registry(options.no_registry ? std::nullopt : config_,
                                !options.config_file.empty())) {}

  int run() {
    std::vector<TaskRecord> known;
    if (options_.files.empty()) {
      covered_.emplace(folder(), options_.checkpoints);
      // Before the files are looked for: a task that the registry knows by now has one.
      ask_registry([&](Registry& registry) { known = tasks_with_ledgers(registry); });
    }
    for (const std::string& file : files()) verify(file);
    for (const TaskRecord& task : known) {
      require_chain(task.serial, task.id, task.ended, story_of(task));
    }
    if (covered_) check_covered();
    if (options_.json) {
      print_json();
    } else if (!registry_.why_not.empty()) {
      std::cerr << "mayfly: not compared with the registry: " << registry_.why_not << '\n';
    }
    return all_hold_ ? kOk : kChecksFailed;
  }

 private:
  /// Readers of single files need no configuration, and may not be allowed to read the one there
  /// is.
  static std::optional<Config> find_configuration(const AuditVerifyOptions& options) {
    const bool is_needed =
        !options.config_file.empty() || (options.files.empty() && options.folder.empty());
    if (is_needed) return load_configuration(options.config_file);
    try {
      return find_configuration_if_any("");
    } catch (const Failure& failure) {
      std::cerr << "mayfly: not compared with a registry: " << failure.what() << '\n';
      return std::nullopt;
    }
  }

  [[nodiscard]] std::filesystem::path folder() const {
    if (!options_.folder.empty()) return options_.folder;
    return ledger_folder("", *config_);
  }

  [[nodiscard]] std::vector<std::string> files() const {
    if (!options_.files.empty()) return options_.files;
    std::vector<std::string> files;
    for (const std::filesystem::path& path : ledger::chain_files(folder())) {
      files.push_back(path.string());
    }
    return files;
  }

  /// What is expected of a file; its name counts where nobody has named it.
  [[nodiscard]] Expectations expected_of(const std::string& file) const {
    Expectations expected = expected_;
    if (!covered_) return expected;
    expected.serial = std::filesystem::path(file).stem().string();
    if (const auto* chain = covered_->find(*expected.serial)) expected.head = chain->head;
    return expected;
  }

  /// Does without one that goes away, unless it was named.
  template <typename Question>
  void ask_registry(Question&& question) {
    if (!registry_.registry) return;
    try {
      question(*registry_.registry);
    } catch (const Error& error) {
      if (!options_.config_file.empty()) throw;
      registry_ = {nullptr, error.what()};
    }
  }

  [[nodiscard]] std::optional<RegistryOpinion> opinion_of(const Verification& found) {
    std::optional<RegistryOpinion> opinion;
    if (found.summary.head.entries == 0) return opinion;
    ask_registry([&](Registry& registry) {
      opinion = compare(found, task_of(registry, found.summary.task.serial));
    });
    return opinion;
  }

  void verify(const std::string& file) {
    const Expectations expected = expected_of(file);
    Verification found = verify_file(file, expected);
    std::optional<RegistryOpinion> opinion = opinion_of(found);
    // A task that ends just now is told to the registry a moment after its chain is closed.
    for (int tries = 0; opinion && opinion->may_pass && file != "-" && tries < kLooks; ++tries) {
      std::this_thread::sleep_for(kBetweenLooks);
      found = verify_file(file, expected);
      opinion = opinion_of(found);
    }
    const std::string change = change_since_checkpoint(expected, found);
    const bool contradicted = !change.empty() || (opinion && !opinion->problems.empty());
    all_hold_ = all_hold_ && holds(found, options_) && !contradicted;
    serials_.insert(expected.serial.value_or(found.summary.task.serial));
    if (options_.json) {
      add_json(file, found, opinion, change);
    } else {
      print(file, found, expected, opinion);
      if (!change.empty()) print_field("checkpoint   ", "contradicts: " + change);
    }
  }

  [[nodiscard]] std::string change_since_checkpoint(const Expectations& expected,
                                                    const Verification& found) const {
    const auto* const chain = covered_ ? covered_->find(*expected.serial) : nullptr;
    return chain == nullptr ? std::string() : CoveredChains::change(*chain, found);
  }

  static std::string story_of(const TaskRecord& task) {
    return "the registry knows it, opened " + utc_text_ms(task.opened) + ", " +
           to_string(task.state) +
           (task.ended == 0 ? std::string() : " since " + utc_text_ms(task.ended));
  }

  /// Tells of a chain that should be there and is not.
  void require_chain(const std::string& serial, const std::string& id, std::uint64_t ended_ms,
                     const std::string& story) {
    if (!serials_.insert(serial).second) return;
    const CoveredChains::Removal removal = covered_->removal(serial, ended_ms);
    all_hold_ = all_hold_ && removal.is_right;
    if (options_.json) {
      missing_.push_back({{"task", id},
                          {"serial", serial},
                          {"known", story},
                          {"removal", removal.text},
                          {"accepted", removal.is_right}});
      return;
    }
    begin_block();
    print_field("chain        ", serial + ".jsonl is missing");
    print_field("task         ", id + ", serial " + serial);
    print_field("             ", story);
    print_field("             ", removal.text);
  }

  void check_covered() {
    for (const ledger::ClosedChain& chain : covered_->chains()) {
      require_chain(chain.task.serial, chain.task.id, chain.time_ms,
                    "a checkpoint covers it, " + std::to_string(chain.head.entries) +
                        " entries up to " + utc_text_ms(chain.time_ms));
    }
    all_hold_ = all_hold_ && covered_->problem().empty();
    for (const CheckedCheckpoint& checked : covered_->checkpoints()) {
      all_hold_ = all_hold_ && checked.problem.empty();
    }
    if (!options_.json) print_checkpoints();
  }

  void print_checkpoints() {
    if (!covered_->problem().empty()) {
      begin_block();
      print_field("closed list  ", covered_->problem());
    }
    for (const CheckedCheckpoint& checked : covered_->checkpoints()) {
      begin_block();
      print_field("checkpoint   ", checked.file);
      if (!checked.problem.empty()) {
        print_field("verdict      ", "does not hold: " + checked.problem);
        continue;
      }
      print_field("verdict      ", "the folder's list goes on from it");
      print_field("covers       ", std::to_string(checked.checkpoint.size) + " records of " +
                                       checked.checkpoint.origin);
    }
  }

  [[nodiscard]] nlohmann::json checkpoints_json() const {
    nlohmann::json list = nlohmann::json::array();
    for (const CheckedCheckpoint& checked : covered_->checkpoints()) {
      list.push_back({{"file", printable_utf8(checked.file)},
                      {"origin", checked.checkpoint.origin},
                      {"size", checked.checkpoint.size},
                      {"problem", checked.problem}});
    }
    return list;
  }

  void begin_block() {
    if (!std::exchange(is_first_, false)) std::cout << '\n';
  }

  void print(const std::string& file, const Verification& found, const Expectations& expected,
             const std::optional<RegistryOpinion>& opinion) {
    begin_block();
    print_field("chain        ", file);
    print_field("verdict      ", to_string(found.verdict));
    if (!found.problem.empty()) print_field("             ", problem_text(found));
    const ledger::ChainSummary& summary = found.summary;
    if (summary.head.entries == 0) return;
    print_field("task         ", summary.task.id + ", serial " + summary.task.serial);
    if (!summary.end) print_field("written by   ", owner_text(summary.owner));
    print_field("entries      ", std::to_string(summary.head.entries) + " that fit, head " +
                                     std::to_string(summary.head.entries) + ":" +
                                     to_hex(summary.head.hash));
    if (summary.ledger_key) print_field("ledger key   ", to_hex(thumbprint(*summary.ledger_key)));
    if (opinion) print_opinion(*opinion);
    const std::string text = caveat(found, expected, opinion && opinion->knows_key);
    if (!text.empty()) print_field("checked      ", text);
  }

  static void print_opinion(const RegistryOpinion& opinion) {
    for (const std::string& problem : opinion.problems) {
      print_field("registry     ", "contradicts: " + problem);
    }
    for (const std::string& note : opinion.notes) print_field("registry     ", note);
    if (opinion.knows_key) print_field("registry     ", "knows the ledger's key as this one");
  }

  void add_json(const std::string& file, const Verification& found,
                const std::optional<RegistryOpinion>& opinion, const std::string& change) {
    nlohmann::json chain = chain_json(file, found);
    chain["anchored"] = found.anchored();
    chain["anchored_entries"] = found.anchored_entries;
    if (opinion) {
      chain["registry"] = {{"problems", opinion->problems},
                           {"notes", opinion->notes},
                           {"knows_key", opinion->knows_key}};
    }
    if (!change.empty()) chain["changed_since_checkpoint"] = change;
    chains_.push_back(std::move(chain));
  }

  void print_json() const {
    nlohmann::json all = {{"verified", all_hold_}, {"chains", chains_}, {"missing", missing_}};
    if (!registry_.why_not.empty()) all["registry_not_asked"] = registry_.why_not;
    if (covered_) {
      all["checkpoints"] = checkpoints_json();
      if (!covered_->problem().empty()) all["closed_list_problem"] = covered_->problem();
    }
    std::cout << all.dump(2) << '\n';
  }

  static constexpr int kLooks = 5;
  static constexpr std::chrono::milliseconds kBetweenLooks{200};

  const AuditVerifyOptions& options_;
  const Expectations expected_;
  const std::optional<Config> config_;
  RegistryToAsk registry_;
  std::optional<CoveredChains> covered_;  // where all chains of a folder are looked at
  std::set<std::string> serials_;         // of the chains that are there
  nlohmann::json chains_ = nlohmann::json::array();
  nlohmann::json missing_ = nlohmann::json::array();
  bool all_hold_ = true;
  bool is_first_ = true;
};

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
      "Where the configuration has a registry, each chain is compared with what that knows of the\n"
      "task; and without FILE, so is that no chain is missing of the tasks that it knows.\n"
      "The exit status is 0 if all chains are sealed, none is missing and nothing contradicts "
      "them;\n"
      "else 1.");
  command
      ->add_option("files", options->files,
                   "The chains; - reads standard input (default: all chains of the folder)")
      ->type_name("FILE");
  CLI::Option* folder =
      command
          ->add_option("--folder", options->folder, "The ledgers' folder (default: ledger.folder)")
          ->type_name("FOLDER");
  command->get_option("files")->excludes(folder);
  CLI::Option* checkpoint =
      command
          ->add_option("--checkpoint", options->checkpoints.files,
                       "A checkpoint that was kept apart: all that it covers must be there and "
                       "unchanged; may be given again")
          ->type_name("FILE")
          ->expected(1)
          ->allow_extra_args(false)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  CLI::Option* checkpoint_key =
      command
          ->add_option("--checkpoint-key", options->checkpoints.key,
                       "The public key, in PEM, that signs the checkpoints")
          ->type_name("FILE");
  checkpoint->needs(checkpoint_key)->excludes(command->get_option("files"));
  checkpoint_key->needs(checkpoint);
  command
      ->add_option("--retention", options->checkpoints.retention,
                   "Accept that chains are missing that were purged so long after their end: 90d")
      ->type_name("TIME")
      ->excludes(command->get_option("files"));
  add_config_option(*command, options->config_file);
  command->add_flag("--no-registry", options->no_registry,
                    "Don't compare with the registry: it is another one's than the chains'");
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
      ->allow_extra_args(false)
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
  command->callback([options, &status] { status = AuditVerify(*options).run(); });
}

}  // namespace mayfly::tools
