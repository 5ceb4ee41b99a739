#include "tools/serve/answers.h"

#include "tools/serve/control_request.h"

namespace mayfly::serve {

using nlohmann::json;

std::string refusal(tools::ExitStatus status, const std::string& why) {
  return json({{"status", static_cast<int>(status)}, {"error", why}})
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

json describe(const TaskRecord& task) {
  json object = {
      {"number", task.number},          {"task", task.id},
      {"serial", task.serial},          {"agent", task.agent},
      {"parent", task.parent},          {"broker", task.broker},
      {"state", to_string(task.state)}, {"opened_ms", task.opened},
      {"deadline", task.deadline},      {"revocation_requested", task.revocation_requested}};
  if (task.ended != 0) object["ended_ms"] = task.ended;
  if (task.grant) object["grant"] = {{"issuer", task.grant->issuer}, {"id", task.grant->id}};
  return object;
}

json describe(const ServedTask& task) {
  const TaskPlan& plan = task.plan();
  json object = {{"task", plan.id},
                 {"serial", plan.serial},
                 {"agent", plan.origin.agent},
                 {"user", task.user()},
                 {"state", to_string(task.state())},
                 {"deadline", plan.deadline_unix_s},
                 {"door", task.sockets().door_path().string()}};
  if (plan.origin.granted()) {
    object["grant"] = {{"issuer", plan.origin.issuer}, {"id", plan.origin.grant_id}};
  }
  return object;
}

json describe(const TaskTransition& transition) {
  json object = {{"to", to_string(transition.to)},
                 {"at_ms", transition.at},
                 {"cause", transition.cause},
                 {"actor", transition.actor}};
  if (transition.from) object["from"] = to_string(*transition.from);
  return object;
}

void EndedTasks::add(const TaskPlan& plan, const TaskEnd& end) {
  destroyed_ += end.destroyed;
  pending_ += end.pending;
  const bool done = end.pending == 0 && !end.unconfirmed;
  add({{"task", plan.id},
       {"serial", plan.serial},
       {"state", to_string(end.state)},
       {"destroyed", end.destroyed},
       {"pending", end.pending},
       {"confirmed", !end.unconfirmed}},
      done);
}

void EndedTasks::add(const TaskRecord& task) {
  add({{"task", task.id},
       {"serial", task.serial},
       {"state", to_string(task.state)},
       {"broker", task.broker}},
      is_final(task.state));
}

void EndedTasks::add(json task, bool done) {
  ++count_;
  json& list = done ? done_ : undone_;
  if (!done) all_done_ = false;
  if (list.size() < kMostListed) list.push_back(std::move(task));
}

json EndedTasks::to_json() const {
  nlohmann::json tasks = undone_;
  for (const auto& task : done_) {
    if (tasks.size() < kMostListed) tasks.push_back(task);
  }
  const bool done = all_done_ && problems_.empty();
  return {{"status", static_cast<int>(done ? tools::kOk : tools::kTryAgain)},
          {"more", count_ - tasks.size()},
          {"destroyed", destroyed_},
          {"pending", pending_},
          {"problems", problems_},
          {"tasks", std::move(tasks)}};
}

}  // namespace mayfly::serve
