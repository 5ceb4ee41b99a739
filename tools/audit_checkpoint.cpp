#include "tools/audit_checkpoint.h"

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/replace_file.h"
#include "base/utf8.h"
#include "ledger/chain_stream.h"
#include "ledger/checkpoint.h"
#include "ledger/closed_chains.h"
#include "tools/approver_key.h"
#include "tools/as_owner.h"
#include "tools/audit_folder.h"
#include "tools/commands.h"
#include "tools/failure.h"
#include "tools/host_name.h"

namespace mayfly::tools {
namespace {

struct AuditCheckpointOptions {
  ApproverKeyOptions key{"", "", "", "the checkpoints' key"};
  std::string config_file;
  std::string folder;
  std::string origin;
  std::string output;
  bool new_key = false;
};

/// A checkpoint that was made before, in one of its two places.
struct Earlier {
  std::filesystem::path path;
  ledger::Checkpoint checkpoint;
};

/// Two checkpoints that contradict one another must never be signed.
/// @throws Failure kChecksFailed
void require_extension(const Earlier& earlier, const ledger::ChainLog& log,
                       const std::filesystem::path& folder) {
  const ledger::Checkpoint& before = earlier.checkpoint;
  if (before.size <= log.size() && log.root(before.size) == before.root) return;
  throw Failure(kChecksFailed, ledger::chain_log_path(folder).string() +
                                   " does not begin as it did at the checkpoint of " +
                                   std::to_string(before.size) + " records in " +
                                   earlier.path.string() +
                                   ": it was changed; look at it before anything is signed again");
}

/// Before anything is looked at or written.
/// @throws Failure kUsage
void require_checkpoint_key(const PublicKey& key, const std::string& name) {
  if (key.spec().type == CKK_EC_EDWARDS && key.spec().bits == 255) return;
  throw Failure(kUsage,
                "--key " + name + " is a key of the kind " + to_string(key.spec()) +
                    ", but signed notes, which checkpoints are, take Ed25519 only. A TPM has none, "
                    "and some HSMs neither; a key in a file will do, which whoever writes the "
                    "ledgers can't read: openssl genpkey -algorithm ed25519 -out checkpoints.key");
}

/// The name for the next checkpoint.
std::string origin_of(const AuditCheckpointOptions& options, const std::vector<Earlier>& before) {
  std::string origin = options.origin;
  for (const Earlier& earlier : before) {
    if (origin.empty()) origin = earlier.checkpoint.origin;
    if (origin == earlier.checkpoint.origin) continue;
    throw Failure(kUsage, "the checkpoint in " + earlier.path.string() + " is of " +
                              earlier.checkpoint.origin +
                              "; another origin takes another folder, and another --out");
  }
  return origin.empty() ? host_name() + "/mayfly" : origin;
}

/// The checkpoint in a file, if there is the file.
/// @throws Failure kChecksFailed for anything else.
std::optional<Earlier> earlier_at(const std::filesystem::path& path, const PublicKey& key) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return std::nullopt;
  try {
    ledger::ChainStream stream(path);
    std::string note(ledger::kMaxCheckpoint + 1, '\0');
    stream.read(note.data(), static_cast<std::streamsize>(note.size()));
    note.resize(static_cast<std::size_t>(stream.gcount()));
    return Earlier{path, ledger::open_checkpoint(note, key)};
  } catch (const Error& problem) {
    throw Failure(kChecksFailed,
                  path.string() + ": " + problem.what() + "; if the key is a new one: --new-key");
  }
}

int run_audit_checkpoint(const AuditCheckpointOptions& options) {
  const std::optional<Config> config = find_configuration_if_any(options.config_file);
  const std::filesystem::path folder = config ? ledger_folder(options.folder, *config)
                                              : ledger_folder(options.folder, options.config_file);
  const std::unique_ptr<Signer> signer = open_approver_key(options.key, config);
  require_checkpoint_key(signer->public_key(), options.key.key);
  // Whoever has the folder can take away what lies there: what lies elsewhere must hold as well.
  std::vector<Earlier> before;
  if (!options.new_key && !options.output.empty()) {
    if (auto kept = earlier_at(options.output, signer->public_key())) {
      before.push_back(std::move(*kept));
    }
  }
  std::optional<AsOwner> as_owner(folder);
  ledger::ChainLogFile file(folder);  // nobody else signs meanwhile
  if (!options.new_key) {
    if (auto latest = earlier_at(checkpoint_path(folder), signer->public_key())) {
      before.push_back(std::move(*latest));
    }
  }
  for (const Earlier& earlier : before) require_extension(earlier, file.log(), folder);
  ledger::Checkpoint checkpoint{origin_of(options, before), 0, {}};
  const ledger::NewlyClosed found = ledger::find_closed(folder, file.log());
  file.add(found.chains);
  checkpoint.size = file.log().size();
  checkpoint.root = file.log().root(checkpoint.size);
  as_owner.reset();
  const std::string note = ledger::sign_checkpoint(checkpoint, *signer);
  as_owner.emplace(folder);
  replace_file(checkpoint_path(folder).string(), as_bytes(note));
  as_owner.reset();
  if (options.output.empty()) {
    std::cout << note;
  } else {
    replace_file(options.output, as_bytes(note));
  }
  for (const ledger::BrokenChain& broken : found.broken) {
    std::cerr << "mayfly: not covered: " << printable_utf8(broken.path.string()) << ": "
              << broken.problem << '\n';
  }
  std::cerr << "mayfly: " << checkpoint.size << " records, " << found.chains.size()
            << " of them new; " << found.open << " chains are open\n";
  return found.broken.empty() ? kOk : kChecksFailed;
}

}  // namespace

std::filesystem::path checkpoint_path(const std::filesystem::path& folder) {
  return folder / "checkpoint";
}

void add_audit_checkpoint(CLI::App& audit, int& status) {
  const auto options = std::make_shared<AuditCheckpointOptions>();
  CLI::App* command =
      audit.add_subcommand("checkpoint", "Sign which ledgers there are, so that none can vanish");
  command->footer(
      "Chains that ended since the last time are added to the folder's list, and a checkpoint of\n"
      "the whole list is signed (c2sp.org/tlog-checkpoint), written to the folder and printed.\n"
      "Keep it where whoever can write the folder can't: `mayfly audit verify --checkpoint` finds\n"
      "with it whether a chain is missing or was changed. To be run now and then, by a timer.\n"
      "The exit status is 1 if a chain was tampered with, which is not covered then; nothing is\n"
      "signed if the list was changed.");
  add_config_option(*command, options->config_file);
  command->add_option("--folder", options->folder, "The ledgers (default: ledger.folder)")
      ->type_name("FOLDER");
  command
      ->add_option("--key", options->key.key,
                   "The Ed25519 private key that signs: a PEM file, or the PKCS#11 URI of a key "
                   "in an HSM")
      ->required()
      ->type_name("FILE|URI");
  add_token_options(*command, options->key);
  command
      ->add_option("--origin", options->origin,
                   "The list's name: DOMAIN/PATH (default: as before, or HOST/mayfly)")
      ->type_name("NAME");
  command
      ->add_option("--out", options->output,
                   "Write it to this file instead of printing it; what is there must be an earlier "
                   "one, which it goes on from")
      ->type_name("FILE");
  command->add_flag("--new-key", options->new_key,
                    "The last checkpoint, in the folder and in --out, may be of another key");
  command->callback([options, &status] { status = run_audit_checkpoint(*options); });
}

}  // namespace mayfly::tools
