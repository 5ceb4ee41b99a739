#include "tools/serve/task_opener.h"

#include <algorithm>

#include "base/log.h"
#include "base/utf8.h"
#include "compose/policies.h"
#include "core/task_opening.h"
#include "tools/failure.h"
#include "tools/serve/liveness.h"

namespace mayfly::serve {
namespace {

using tools::ExitStatus;

/// Who asks learns of a grant only that it was refused, in one of two ways.
OpeningRefused refusal_of(const Error& error) {
  switch (error.rv()) {
    case CKR_PIN_INCORRECT:
      return {tools::kGrantRefused, "the grant is refused; the broker's log says why"};
    case CKR_PIN_EXPIRED:
      return {tools::kGrantRefused,
              "the grant is over or was used already; the broker's log says more"};
    case CKR_FUNCTION_REJECTED:
      return {tools::kNotAllowed, error.what()};
    case CKR_FUNCTION_FAILED:
    case CKR_SESSION_COUNT:
      return {tools::kTryAgain, error.what()};
    default:
      return {tools::status_of(error), error.what()};
  }
}

/// What a check refuses, with a status of its own.
template <typename Check>
void check_or_refuse(ExitStatus status, Check&& check) {
  try {
    check();
  } catch (const Error& error) {
    throw tools::Failure(status, error.what());
  }
}

TaskPlan plan_and_record(const AcceptedConfig& accepted, TaskBook& book,
                         const ControlRequest& request, const Caller& caller, uid_t user) {
  check_or_refuse(tools::kBadTaskId, [&] { check_task_id(request.task); });
  TaskLimits limits;
  check_or_refuse(tools::kBadPolicy,
                  [&] { limits = task_limits(accepted.config, request.policy); });
  check_or_refuse(tools::kBadTtl, [&] {
    if (request.ttl) check_ttl(*request.ttl, std::min(limits.max_ttl, limits.policy.max_ttl));
  });
  TaskRequest wanted{request.task, request.ttl};
  check_or_refuse(tools::kUsage, [&] {
    wanted.opener = user == caller.peer.user ? caller.peer : peer_of_user(user);
  });
  wanted.grant = request.grant;
  const PlannedTask planned =
      plan_task(limits, accepted.config.asks_for_login(), book, wanted, nullptr);
  planned.record(nullptr);
  return planned.plan;
}

/// The number of a task that was just recorded. A task without one could not be told to have ended.
std::uint64_t number_of(const TaskPlan& plan, Registry& registry, TaskBook& book) {
  try {
    const auto records = registry.tasks({.serial = plan.serial});
    if (records.size() == 1 && records.front().number <= Liveness::kMostPlaces) {
      return records.front().number;
    }
    throw Error(CKR_FUNCTION_FAILED,
                "the registry gives the task no number that has a place in a status list");
  } catch (...) {
    TaskMove end{plan.serial, plan.id, TaskState::closed};
    end.cause = "it could not be opened after all";
    book.record(end);
    throw;
  }
}

}  // namespace

OpeningResult open_task(const AcceptedConfig& accepted, TaskBook& book, Registry* numbers,
                        const ControlRequest& request, const Caller& caller, uid_t user) {
  OpeningRefused refused;
  std::string reason;
  try {
    RecordedTask task{plan_and_record(accepted, book, request, caller, user), {}};
    if (numbers != nullptr) task.number = number_of(task.plan, *numbers, book);
    return task;
  } catch (const tools::Failure& failure) {
    refused = {failure.status(), failure.what()};
    reason = failure.what();
  } catch (const Error& error) {
    refused = refusal_of(error);
    reason = error.what();
  } catch (const std::exception& error) {
    refused = {tools::kInternal, "the task could not be opened; the broker's log says why"};
    reason = error.what();
  }
  log::warn("task " + printable_utf8(utf8_prefix(request.task, 255)) + " was refused to " +
            caller.name() + ", process " + std::to_string(caller.process) + ": " + reason);
  return refused;
}

}  // namespace mayfly::serve
