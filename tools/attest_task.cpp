#include "tools/attest_task.h"

#include <iostream>
#include <map>
#include <memory>
#include <vector>

#include "compose/broker_host.h"
#include "tools/commands.h"
#include "tools/failure.h"
#include "tools/key_choice.h"
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

/// The key that is meant.
std::uint64_t find_key(TaskHost& host, const std::string& wanted) {
  const std::map<std::uint64_t, HostedObject> keys = private_keys(host);
  std::vector<KeyName> names;
  std::vector<std::uint64_t> handles;
  for (const auto& [number, key] : keys) {
    const auto value = [&key](CK_ATTRIBUTE_TYPE type) {
      return key.attributes.find(type).value_or(ByteView());
    };
    names.push_back({std::string(as_text(value(CKA_LABEL))), to_bytes(value(CKA_ID))});
    handles.push_back(key.handle);
  }
  return handles[choose_key(names, wanted, ", which asks by MAYFLY_Attest")];
}

int run_attest(const TaskOptions& options) {
  if (options.nonce.empty()) {
    throw Failure(kUsage, "the verifier's nonce is missing: --nonce HEX");
  }
  const Bytes nonce = parse_nonce(options.nonce);
  BrokerHost host(find_task_door(options.task, options.config).link);
  std::cout << host.attest(find_key(host, options.key), nonce);
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
  add_key_option(attest, options->key);
  add_config_option(attest, options->config);
  attest.callback([&attest, options, &status] {
    if (attest.get_subcommands().empty()) status = run_attest(*options);
  });
}

}  // namespace mayfly::tools
