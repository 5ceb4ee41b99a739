#include "tools/key_choice.h"

#include "base/utf8.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

std::string list_of(const std::vector<KeyName>& keys) {
  std::string list;
  for (const KeyName& key : keys) {
    list += (list.empty() ? "\"" : ", \"") + printable_utf8(key.label) + "\" (ID " +
            to_hex(key.id) + ")";
  }
  return list;
}

}  // namespace

void add_key_option(CLI::App& command, std::string& key) {
  command
      .add_option("--key", key, "The key's label, or its ID in hexadecimal (default: the only one)")
      ->type_name("LABEL-or-ID");
}

void add_task_key_options(CLI::App& command, std::string& task, std::string& key) {
  command.add_option("--task", task, "The task (default: the one we are in)")->type_name("ID");
  add_key_option(command, key);
}

std::size_t choose_key(const std::vector<KeyName>& keys, const std::string& wanted,
                       const std::string& hint) {
  std::vector<std::size_t> meant;
  for (std::size_t place = 0; place < keys.size(); ++place) {
    const KeyName& key = keys[place];
    if (wanted.empty() || key.label == wanted || to_hex(key.id) == wanted) meant.push_back(place);
  }
  if (meant.size() == 1) return meant.front();
  if (keys.empty()) {
    throw Failure(kNoInput,
                  "the task has no private key on its token; keys of a session (CKA_TOKEN false) "
                  "are seen by their own process only" +
                      hint);
  }
  throw Failure(kNoInput, (meant.empty() ? "no key of the task has that label or ID; it has "
                                         : "say which key is meant, by --key LABEL or ID: ") +
                              list_of(keys));
}

}  // namespace mayfly::tools
