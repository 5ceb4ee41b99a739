#include "tools/attest_task.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>

#include "base/utf8.h"
#include "compose/broker_host.h"
#include "tools/commands.h"
#include "tools/failure.h"
#include "tools/nonce.h"
#include "tools/task_door.h"

namespace mayfly::tools {
namespace {

struct TaskOptions {
  std::string task;
  std::string nonce;
  std::string key;
  std::string config;
};

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
  BrokerHost host(find_task_door(options.task, options.config).link);
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
