#include "core/task_opening.h"

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "base/safeguard.h"

namespace mayfly {
namespace {

std::string random_serial() { return random_hex(8, "a serial number"); }

void check_policy(const TaskPolicy& policy, bool has_login) {
  if (policy.login_required && !has_login) {
    throw Error(CKR_FUNCTION_REJECTED,
                "the policy wants a login for the task, and there is no PIN for it; see "
                "login.pin-source");
  }
}

void check_parent(const Task& parent) {
  if (!parent.alive()) {
    throw Error(CKR_DEVICE_REMOVED, "task " + parent.id() + ", the one above, has ended");
  }
  if (parent.awaits_grant()) {
    throw Error(CKR_FUNCTION_REJECTED,
                "task " + parent.id() + ", the one above, still awaits its grant");
  }
  if (parent.policy().max_depth == 0) {
    throw Error(CKR_FUNCTION_REJECTED, "no tasks may be opened below task " + parent.id() +
                                           "; see `children` of its policy and of its grant");
  }
}

/// What a parent lets its children do. Who may open them is the parent's say, not the policy's.
TaskPolicy inherited(const Task& parent) {
  TaskPolicy policy = parent.policy();
  policy.max_depth -= 1;
  policy.openers.clear();
  policy.grant_required = false;
  policy.max_ttl = TaskPolicy().max_ttl;  // its deadline says it
  return policy;
}

/// The time that is left to the parent, in whole seconds.
void check_within(const Task& parent, std::chrono::seconds ttl, BootClock::time_point now) {
  const auto left = std::chrono::floor<std::chrono::seconds>(parent.deadline() - now);
  if (ttl <= left) return;
  throw Error(CKR_ARGUMENTS_BAD, "the ttl of " + std::to_string(ttl.count()) +
                                     " s is longer than task " + parent.id() +
                                     ", the one above, lives; take at most " +
                                     std::to_string(left.count()) + " s");
}

void set_times(TaskPlan& plan, const TaskLimits& limits, const TaskRequest& request,
               const Task* parent) {
  const auto most = std::min(limits.max_ttl, plan.policy.max_ttl);
  const auto ttl = request.ttl.value_or(std::min(limits.default_ttl, most));
  if (kept(Safeguard::ttl_limit)) check_ttl(ttl, most);
  const auto now = BootClock::now();
  if (parent != nullptr && request.ttl) check_within(*parent, ttl, now);
  plan.deadline = now + ttl;
  plan.deadline_unix_s = on_the_wall(plan.deadline);
  if (parent == nullptr) return;
  plan.deadline = std::min(plan.deadline, parent->deadline());
  plan.deadline_unix_s = std::min(plan.deadline_unix_s, parent->deadline_unix_s());
}

}  // namespace

void PlannedTask::record(const Task* parent) const {
  if (admission == nullptr) return;
  admission->record({plan.serial, plan.id, parent == nullptr ? std::string() : parent->serial(),
                     plan.deadline_unix_s});
}

PlannedTask plan_task(const TaskLimits& limits, bool has_login, TaskBook& book,
                      const TaskRequest& request, const Task* parent) {
  check_task_id(request.id);
  PlannedTask planned;
  TaskPlan& plan = planned.plan;
  plan.id = request.id;
  plan.policy = tighter(limits.policy, request.policy);
  if (parent != nullptr) {
    check_parent(*parent);
  } else if (!plan.policy.openers.empty()) {
    check_opener(plan.policy, request.opener ? *request.opener : Peer::self());
  }
  check_policy(plan.policy, has_login);
  if (plan.policy.grant_required && kept(Safeguard::grant_required) && request.grant == nullptr &&
      parent == nullptr) {
    if (!request.grant_may_follow) {
      throw Error(CKR_FUNCTION_REJECTED,
                  "the policy wants a grant for the task, and none was given");
    }
    plan.awaits_grant = true;
  } else {
    const ParentTask above =
        parent == nullptr ? ParentTask() : ParentTask{parent->id(), parent->serial()};
    planned.admission = book.admit(request, parent == nullptr ? nullptr : &above);
    const Terms& terms = planned.admission->terms();
    plan.policy = tighter(plan.policy, terms.policy);
    plan.origin = terms.origin;
  }
  if (parent != nullptr) plan.policy = tighter(plan.policy, inherited(*parent));
  set_times(plan, limits, request, parent);
  plan.serial = random_serial();
  return planned;
}

TaskPlan plan_with(const Task& task, const Terms& terms) {
  TaskPlan plan{task.id(),
                task.serial(),
                task.deadline(),
                task.deadline_unix_s(),
                tighter(task.policy(), terms.policy),
                terms.origin};
  const auto now = BootClock::now();
  // In seconds: the longest ttl there is has no nanoseconds.
  if (plan.policy.max_ttl < std::chrono::ceil<std::chrono::seconds>(plan.deadline - now)) {
    plan.deadline = now + plan.policy.max_ttl;
    plan.deadline_unix_s = std::min(plan.deadline_unix_s, on_the_wall(plan.deadline));
  }
  return plan;
}

}  // namespace mayfly
