#include "compose/approved_book.h"

#include <cstdlib>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/program_run.h"

namespace mayfly {
namespace {

constexpr std::size_t kMostSaid = 1024;

std::string question(const TaskRequest& request, const ParentTask* parent, const Terms& terms) {
  const TaskPolicy& policy = terms.policy;
  const Peer opener = request.opener ? *request.opener : Peer::self();
  nlohmann::json json = {
      {"task", request.id}, {"agent", terms.origin.agent}, {"user", opener.user}};
  if (parent != nullptr) json["parent"] = parent->id;
  if (request.ttl) json["ttl"] = request.ttl->count();
  if (policy.max_ttl != TaskPolicy().max_ttl) json["max_ttl"] = policy.max_ttl.count();
  if (terms.origin.granted()) {
    json["grant"] = terms.origin.grant_id;
    json["approver"] = terms.origin.approver;
    json["scope"] = terms.origin.scope;
  }
  if (policy.max_keys != TaskPolicy::kNoLimit) json["max_keys"] = policy.max_keys;
  if (policy.max_signatures != TaskPolicy::kNoLimit) {
    json["max_signatures"] = policy.max_signatures;
  }
  if (policy.mechanisms != MechanismSet::all()) json["mechanisms"] = names_of(policy.mechanisms);
  if (const std::string path = asking_terminal(); !path.empty()) json["terminal"] = path;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string asking_terminal() {
  if (const char* told = secure_getenv("MAYFLY_TERMINAL"); told != nullptr) return told;
  char name[64];
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (ttyname_r(stream, name, sizeof name) == 0) return name;
  }
  return {};
}

std::unique_ptr<Admission> ApprovedBook::admit(const TaskRequest& request,
                                               const ParentTask* parent) {
  std::unique_ptr<Admission> admission = book_->admit(request, parent);
  ask(question(request, parent, admission->terms()), request.id);
  return admission;
}

void ApprovedBook::ask(const std::string& question, const std::string& task_id) const {
  Bytes said(kMostSaid);
  try {
    const std::size_t size = run_program({"approval.command", split_at_spaces(config_.command),
                                          question, "why it approves", config_.timeout},
                                         said);
    log::info("task " + task_id + " is approved: " + std::string(as_text({said.data(), size})));
  } catch (const Error& error) {
    throw Error(CKR_FUNCTION_REJECTED,
                "task " + task_id + " is not approved: " + std::string(error.what()));
  }
}

}  // namespace mayfly
