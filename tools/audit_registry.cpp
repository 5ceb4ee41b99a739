#include "tools/audit_registry.h"

#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "base/task_binding.h"
#include "compose/registry.h"
#include "tools/configuration.h"

namespace mayfly::tools {
namespace {

using ledger::Verdict;
using ledger::Verification;

std::string thumbprint_text(const Bytes& public_key_info) {
  try {
    return to_hex(thumbprint(PublicKey::from_subject_public_key_info(public_key_info)));
  } catch (const Error&) {
    return "that is no public key";
  }
}

/// A tampered chain is known up to the line that does not fit only.
bool is_known_whole(const Verification& found) { return found.verdict != Verdict::tampered; }

void compare_keys(const Verification& found, const TaskRecord& task, RegistryOpinion& opinion) {
  const std::optional<PublicKey>& key = found.summary.ledger_key;
  if (task.ledger_key.empty()) {
    if (key) {
      opinion.notes.emplace_back(
          "the registry has no key of this ledger: it could not be written then, or an earlier "
          "mayfly did");
    }
    return;
  }
  if (!key) {
    if (is_known_whole(found)) {
      opinion.problems.push_back(
          "the registry knows the ledger's key " + thumbprint_text(task.ledger_key) +
          ", and the chain has none: its tail was cut off, or it is another");
    }
    return;
  }
  if (key->subject_public_key_info() != task.ledger_key) {
    opinion.problems.push_back("the registry knows another ledger key, " +
                               thumbprint_text(task.ledger_key) + ": this is not the task's chain");
    return;
  }
  opinion.knows_key = found.verdict == Verdict::sealed;
}

void compare_states(const Verification& found, const TaskRecord& task, RegistryOpinion& opinion) {
  if (!is_known_whole(found)) return;
  const std::optional<TaskState>& end = found.summary.end;
  const std::string state = to_string(task.state);
  if (end == task.state || (!end && !is_final(task.state))) return;
  if (task.state == TaskState::lost) {
    // Said by another broker, which did not see how the task ended.
    opinion.notes.push_back("the registry calls the task lost" +
                            (end ? std::string(", and the chain ") + to_string(*end) +
                                       ": its broker could not tell the registry in time"
                                 : std::string()));
    return;
  }
  opinion.may_pass = !end || !is_final(task.state);
  if (!end) {
    opinion.problems.push_back("the registry says that the task has ended (" + state +
                               "), and the chain has no end: it was cut off, or could not be "
                               "written; see the log");
  } else if (!is_final(task.state)) {
    opinion.problems.push_back(std::string("the chain says that the task has ended (") +
                               to_string(*end) + "), and the registry calls it " + state +
                               ": its broker could not tell it yet, or the end is made up");
  } else {
    opinion.problems.push_back(std::string("the chain says that the task is ") + to_string(*end) +
                               ", and the registry " + state);
  }
}

}  // namespace

RegistryOpinion compare(const Verification& found, const std::optional<TaskRecord>& task) {
  RegistryOpinion opinion;
  if (!task) {
    opinion.problems.emplace_back(
        "the registry knows no task of this serial: it is of another registry, from before there "
        "was one, forgotten there, or made up");
    return opinion;
  }
  if (task->id != found.summary.task.id) {
    opinion.problems.push_back("the registry has another task under this serial, " + task->id);
    return opinion;
  }
  compare_keys(found, *task, opinion);
  compare_states(found, *task, opinion);
  return opinion;
}

RegistryToAsk find_registry(const std::optional<Config>& config, bool must) {
  if (!config || !config->registry.is_there()) return {};
  try {
    // Whoever reads ledgers makes no registry where there is none.
    if (const auto& file = config->registry.file; !file.empty()) {
      std::error_code error;
      if (!std::filesystem::exists(file, error)) {
        throw Error(CKR_FUNCTION_FAILED, file.string() + " is not there, or can't be looked at");
      }
    }
    return {open_registry(*config, RegistryUse::host), {}};
  } catch (const Error& error) {
    if (must) throw;
    return {nullptr, error.what()};
  }
}

std::optional<TaskRecord> task_of(Registry& registry, const std::string& serial) {
  TaskFilter filter;
  filter.serial = serial;
  filter.ended_too = true;
  const std::vector<TaskRecord> found = registry.tasks(filter);
  if (found.empty()) return std::nullopt;
  return found.front();
}

std::vector<TaskRecord> tasks_with_ledgers(Registry& registry) {
  std::vector<TaskRecord> tasks;
  TaskFilter filter;
  filter.host = registry.host();
  filter.ended_too = true;
  while (true) {
    std::vector<TaskRecord> page = registry.tasks(filter);
    const bool more = page.size() == filter.most;
    if (more) filter.after = page.back().number;
    for (TaskRecord& task : page) {
      if (!task.ledger_key.empty()) tasks.push_back(std::move(task));
    }
    if (!more) return tasks;
  }
}

}  // namespace mayfly::tools
