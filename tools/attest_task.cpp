#include "tools/attest_task.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>

#include "base/utf8.h"
#include "compose/broker_host.h"
#include "tools/broker/runtime_folder.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/nonce.h"

namespace mayfly::tools {
namespace {

using agent::BrokerLink;

struct TaskOptions {
  std::string task;
  std::string nonce;
  std::string key;
  std::string config;
};

/// A worker that runs answers at once; one that is stopped must not keep those that come after.
constexpr BrokerLink::Patience kPatience{std::chrono::seconds(10), std::chrono::minutes(10)};

/// The worker behind a door, if it holds the task. Empty asks for any.
std::shared_ptr<BrokerLink> ask_at(const std::string& door, const std::string& task) {
  auto link = std::make_shared<BrokerLink>(door, kPatience);
  return task.empty() || link->hello().task_id == task ? link : nullptr;
}

/// The worker of a task of this user's: that of the task we are in, or one that is found.
std::shared_ptr<BrokerLink> find_worker(const TaskOptions& options) {
  if (const char* const door = std::getenv("MAYFLY_SOCKET"); door != nullptr && *door != '\0') {
    if (auto link = ask_at(door, options.task)) return link;
  }
  if (options.task.empty()) throw Failure(kUsage, "say which task, by --task ID");
  std::vector<std::shared_ptr<BrokerLink>> found;
  for (const auto& door : broker::doors_of_runs(load_configuration(options.config).broker)) {
    try {
      if (auto link = ask_at(door, options.task)) found.push_back(std::move(link));
    } catch (const Error&) {  // its run has just ended, or has not begun
    }
  }
  if (found.empty()) {
    throw Failure(kNoInput, "no task \"" + printable_utf8(options.task) +
                                "\" of this user's runs now by `mayfly run` and this "
                                "configuration");
  }
  if (found.size() > 1) {
    throw Failure(kUsage,
                  "several tasks of that ID run now; ask inside of the one that is meant, or set "
                  "MAYFLY_SOCKET to its door");
  }
  return found.front();
}

/// The private keys of the token, by their numbers.
std::map<std::uint64_t, HostedObject> private_keys(TaskHost& host) {
  // More than the objects that a task's quota lets in.
  static constexpr int kMostAnswers = 10'000;
  std::map<std::uint64_t, HostedObject> keys;
  ChangeLog::Position told;
  for (int answers = 0; answers < kMostAnswers; ++answers) {
    TaskHost::Changes changes = host.changes_since(told);
    if (changes.from_start) keys.clear();
    for (const std::uint64_t number : changes.removed) keys.erase(number);
    for (HostedObject& object : changes.changed) {
      if (object.attributes.number(CKA_CLASS) == CKO_PRIVATE_KEY) {
        keys.insert_or_assign(object.number, std::move(object));
      }
    }
    told = changes.now;
    if (!changes.more) return keys;
  }
  throw host.give_up("there is no end of changes");
}

std::string label_of(const HostedObject& key) {
  return std::string(as_text(key.attributes.find(CKA_LABEL).value_or(ByteView())));
}

std::string id_of(const HostedObject& key) {
  return to_hex(key.attributes.find(CKA_ID).value_or(ByteView()));
}

std::string list_of(const std::map<std::uint64_t, HostedObject>& keys) {
  std::string list;
  for (const auto& [number, key] : keys) {
    list += (list.empty() ? "\"" : ", \"") + printable_utf8(label_of(key)) + "\" (ID " +
            id_of(key) + ")";
  }
  return list;
}

/// The key that is meant: by its label, or by its ID in hexadecimal; empty means the only one.
std::uint64_t choose_key(std::map<std::uint64_t, HostedObject> keys, const std::string& wanted) {
  const std::string all = list_of(keys);
  if (!wanted.empty()) {
    std::erase_if(keys, [&](const auto& entry) {
      return label_of(entry.second) != wanted && id_of(entry.second) != wanted;
    });
  }
  if (keys.size() == 1) return keys.begin()->second.handle;
  if (all.empty()) {
    throw Failure(kNoInput,
                  "the task has no private key on its token; keys of a session (CKA_TOKEN false) "
                  "are seen by their own process only, which asks by MAYFLY_Attest");
  }
  throw Failure(kNoInput, (keys.empty() ? "no key of the task has that label or ID; it has "
                                        : "say which key is meant, by --key LABEL or ID: ") +
                              all);
}

int run_attest(const TaskOptions& options) {
  if (options.nonce.empty()) {
    throw Failure(kUsage, "the verifier's nonce is missing: --nonce HEX");
  }
  const Bytes nonce = parse_nonce(options.nonce);
  BrokerHost host(find_worker(options));
  std::cout << host.attest(choose_key(private_keys(host), options.key), nonce);
  return kOk;
}

}  // namespace

void add_attest_task(CLI::App& attest, int& status) {
  const auto options = std::make_shared<TaskOptions>();
  attest.footer(
      "Without a subcommand, evidence of a key of a task that runs now goes to standard output:\n\n"
      "  mayfly attest --task ID --nonce HEX > evidence.json\n\n"
      "Inside of the task itself, --task may be left out. The key must be on the token.");
  attest.add_option("--task", options->task, "The task, of this user's `mayfly run`")
      ->type_name("ID");
  attest.add_option("--nonce", options->nonce, "The verifier's nonce, in hexadecimal")
      ->type_name("HEX");
  attest
      .add_option("--key", options->key,
                  "The key's label, or its ID in hexadecimal (default: the only one)")
      ->type_name("LABEL-or-ID");
  add_config_option(attest, options->config);
  attest.callback([&attest, options, &status] {
    if (attest.get_subcommands().empty()) status = run_attest(*options);
  });
}

}  // namespace mayfly::tools
