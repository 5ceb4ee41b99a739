#include "tools/audit_chains.h"

#include <iostream>
#include <memory>

#include "base/process_identity.h"
#include "base/task_binding.h"
#include "base/utf8.h"
#include "ledger/chain_stream.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

nlohmann::json keys_json(const ledger::ChainSummary& summary) {
  nlohmann::json keys = nlohmann::json::array();
  for (const auto& [name, key] : summary.keys) {
    nlohmann::json one = {{"key", name},
                          {"kind", key.kind},
                          {"public_key", to_hex(key.public_key)},
                          {"made", key.made_ms},
                          {"signatures", key.signatures},
                          {"endorses", key.endorses},
                          {"pending", key.pending}};
    if (key.destroyed_ms) one["destroyed"] = *key.destroyed_ms;
    keys.push_back(std::move(one));
  }
  return keys;
}

}  // namespace

ledger::Verification verify_file(const std::string& path, const ledger::Expectations& expected,
                                 const ledger::EntryListener& listener) {
  if (path == "-") return ledger::verify_chain(std::cin, expected, listener);
  std::unique_ptr<ledger::ChainStream> file;
  try {
    file = std::make_unique<ledger::ChainStream>(path);
  } catch (const Error& error) {
    throw Failure(kNoInput, error.what());
  }
  return ledger::verify_chain(*file, expected, listener);
}

nlohmann::json chain_json(const std::string& path, const ledger::Verification& found) {
  const ledger::ChainSummary& summary = found.summary;
  nlohmann::json json = {{"file", printable_utf8(path)},
                         {"verdict", to_string(found.verdict)},
                         {"task", summary.task.id},
                         {"serial", summary.task.serial},
                         {"deadline", summary.deadline_unix_s},
                         {"owner", summary.owner},
                         {"opened", summary.opened_ms},
                         {"last", summary.last_ms},
                         {"logins", summary.logins},
                         {"signatures", summary.signatures},
                         {"refusals", summary.refusals},
                         {"entries", summary.head.entries},
                         {"head", to_hex(summary.head.hash)},
                         {"keys", keys_json(summary)}};
  if (!found.problem.empty()) json["problem"] = {{"line", found.line}, {"reason", found.problem}};
  if (summary.end) json["end"] = to_string(*summary.end);
  if (summary.ledger_key) json["ledger_key"] = to_hex(thumbprint(*summary.ledger_key));
  const ledger::Permission& permission = summary.permission;
  if (!permission.agent.empty()) json["agent"] = permission.agent;
  if (!permission.approver.empty()) json["approver"] = permission.approver;
  if (!permission.grant.empty()) json["grant"] = permission.grant;
  if (!permission.scope.empty()) json["scope"] = permission.scope;
  if (!permission.parent.empty()) json["parent"] = permission.parent;
  return json;
}

std::string owner_text(const std::string& owner) {
  const auto process = ProcessIdentity::parse(owner);
  if (!process) return "an unknown process";
  const std::string name = "process " + std::to_string(process->pid);
  try {
    switch (liveness(*process, ProcessIdentity::self())) {
      case Liveness::alive:
        return name + ", which lives";
      case Liveness::dead:
        return name + ", which is dead";
      case Liveness::out_of_sight:
        break;
    }
  } catch (const Error&) {  // it can't be told
  }
  return name + " of another boot or another machine";
}

std::string problem_text(const ledger::Verification& found) {
  if (found.problem.empty()) return {};
  return "line " + std::to_string(found.line) + ": " + found.problem;
}

}  // namespace mayfly::tools
