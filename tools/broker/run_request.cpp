#include "tools/broker/run_request.h"

#include "base/error.h"
#include "compose/policies.h"
#include "core/task_request.h"
#include "tools/broker/own_library.h"
#include "tools/failure.h"

namespace mayfly::broker {
namespace {

template <typename Check>
void check_or_fail(tools::ExitStatus status, Check&& check) {
  try {
    check();
  } catch (const Error& error) {
    throw tools::Failure(status, error.what());
  }
}

}  // namespace

void check(const RunRequest& request, const Config& config) {
  if (request.command.empty() || request.command.front().empty()) {
    throw tools::Failure(tools::kUsage, "no command to run; write it after --");
  }
  if (request.module_only && !find_own_library()) {
    throw tools::Failure(tools::kInternal,
                         "libmayfly.so, for --module-only, is not where it should be; see: "
                         "mayfly doctor");
  }
  check_or_fail(tools::kBadTaskId, [&] { check_task_id(request.task_id); });
  if (!request.above.empty()) return;  // the rest is for the worker of the task above to say
  TaskPolicy policy;
  check_or_fail(tools::kBadPolicy, [&] { policy = task_policy(config, request.policy); });
  check_or_fail(tools::kNotAllowed, [&] { check_opener(policy, Peer::self()); });
  if (policy.grant_required && request.grant_file.empty()) {
    throw tools::Failure(tools::kGrantRefused,
                         "the policy wants a grant for the task, and none was given; get one from "
                         "an approver and give it by --grant FILE");
  }
  check_or_fail(tools::kBadTtl, [&] {
    if (request.ttl) check_ttl(*request.ttl, policy.max_ttl);
  });
}

}  // namespace mayfly::broker
