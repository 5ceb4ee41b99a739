#include "tools/serve/control_commands.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/json_reader.h"
#include "base/log.h"
#include "tools/broker/runtime_folder.h"
#include "tools/failure.h"
#include "tools/serve/answers.h"
#include "tools/serve/ordered_tasks.h"

namespace mayfly::serve {
namespace {

using nlohmann::json;
using Kind = RevocationTarget::Kind;

// How long an answer waits for tasks to end: their workers are given 15 s for it.
constexpr std::chrono::seconds kLongestEnd{18};
constexpr std::chrono::seconds kOthersEnd{5};  // the same for tasks of other brokers

std::string text_of(const json& answer) {
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string cannot_say(const std::exception& error) {
  return refusal(tools::kTryAgain, error.what());
}

OpeningRefused being_stopped() { return {tools::kTryAgain, "the broker is being stopped"}; }

/// Whether a revocation is about a task of this broker.
bool is_meant(const RevocationTarget& target, const TaskPlan& plan) {
  switch (target.kind) {
    case Kind::serial:
      return plan.serial == target.value;
    case Kind::task_id:
      return plan.id == target.value;
    case Kind::agent:
      return plan.origin.agent == target.value;
    case Kind::grant:
      return plan.origin.granted() && plan.origin.grant_id == target.value &&
             (target.grant_issuer.empty() || plan.origin.issuer == target.grant_issuer);
    case Kind::all:
      return true;
  }
  return false;
}

/// Whether a revocation names tasks that whoever orders it believes to be open.
bool is_of_some(const RevocationTarget& target) {
  return target.kind == Kind::serial || target.kind == Kind::task_id;
}

/// Ending models tasks that are ended for somebody who waits for all of them.
class Ending : public std::enable_shared_from_this<Ending> {
 public:
  Ending(EventLoop& loop, ServedTasks& tasks, ControlSocket::Answer answer)
      : loop_(loop), tasks_(tasks), answer_(std::move(answer)) {}

  /// From now on the answer may be given at any time, and is given after a while in any case.
  void begin(BootClock::duration patience) {
    limit_ = loop_.after(patience, [self = shared_from_this()] { self->give_up(); });
  }

  void end(const std::string& serial, TaskState state, const std::string& cause) {
    if (!waiting_for_.insert(serial).second) return;
    tasks_.end(serial, state, cause,
               [self = shared_from_this()](const TaskPlan& plan, const TaskEnd& end) {
                 self->waiting_for_.erase(plan.serial);
                 self->ended_.add(plan, end);
                 self->done_.insert(plan.serial);
                 if (end.may_seem_alive) {
                   self->ended_.add_problem(
                       "the files in status.folder could be neither replaced nor removed, and say "
                       "that task " +
                       plan.id + " goes on; remove them");
                 }
                 self->settle();
               });
  }

  /// Something else is waited for, until release().
  void hold() { ++held_; }
  void release() {
    --held_;
    settle();
  }

  [[nodiscard]] EndedTasks& ended() noexcept { return ended_; }
  [[nodiscard]] bool found_some() const noexcept { return !waiting_for_.empty() || !done_.empty(); }
  [[nodiscard]] bool has_ended(const std::string& serial) const { return done_.contains(serial); }

 private:
  void settle() {
    if (held_ == 0 && waiting_for_.empty()) give_answer();
  }

  void give_up() {
    for (const std::string& serial : waiting_for_) {
      if (const ServedTask* task = tasks_.find(serial)) {
        ended_.add(task->plan(), {task->state(), 0, 0, true});
      }
    }
    if (held_ > 0) ended_.add_problem("not all brokers were heard of in time");
    give_answer();
  }

  void give_answer() {
    if (const auto answer = std::exchange(answer_, {})) answer(text_of(ended_.to_json()));
    limit_.stop();
  }

  EventLoop& loop_;
  ServedTasks& tasks_;
  ControlSocket::Answer answer_;
  EventLoop::Timer limit_;
  std::set<std::string> waiting_for_;
  std::set<std::string> done_;
  std::size_t held_ = 0;
  EndedTasks ended_;
};

}  // namespace

ControlCommands::ControlCommands(EventLoop& loop, CurrentConfig config, TaskBook& book,
                                 RegistryBook* registered, const Jobs& jobs, ServedTasks& tasks,
                                 Liveness* liveness, Metrics& metrics)
    : loop_(loop),
      config_(std::move(config)),
      book_(book),
      registered_(registered),
      registry_(registered == nullptr ? nullptr : &registered->registry()),
      jobs_(jobs),
      tasks_(tasks),
      liveness_(liveness),
      metrics_(metrics) {}

bool ControlCommands::is_operator(const Caller& caller) const {
  return serve::is_operator(config_()->config.serve, caller.peer);
}

void ControlCommands::handle(const Caller& caller, std::string_view text, const Answer& answer) {
  ControlRequest request;
  try {
    request = ControlRequest::parse(text);
  } catch (const JsonError& error) {
    static log::LimitedLog log;
    log.warn([&] {
      return "a request of " + caller.name() + ", process " + std::to_string(caller.process) +
             ", was refused: " + error.what();
    });
    return answer(refusal(tools::kUsage, error.what()));
  }
  try {
    dispatch(caller, request, answer);
  } catch (const tools::Failure& failure) {
    if (request.verb == Verb::open) metrics_.opening_refused();
    answer(refusal(failure.status(), failure.what()));
  }
}

void ControlCommands::dispatch(const Caller& caller, const ControlRequest& request,
                               const Answer& answer) {
  switch (request.verb) {
    case Verb::open:
      return open(caller, request, answer);
    case Verb::close:
      return close(caller, request, answer);
    case Verb::list:
      return list(caller, request, answer);
    case Verb::show:
      return show(caller, request, answer);
    case Verb::revoke:
      return revoke(caller, request, answer);
  }
}

void ControlCommands::open(const Caller& caller, const ControlRequest& request,
                           const Answer& answer) {
  const std::shared_ptr<const AcceptedConfig> accepted = config_();
  if (!may_open(accepted->config.serve, caller.peer)) {
    log::warn("refused to open a task for " + caller.name() + "; see serve.users and serve.groups");
    throw tools::Failure(tools::kNotAllowed, caller.name() +
                                                 " may not open tasks here; see serve.users and "
                                                 "serve.groups of the broker's configuration");
  }
  const uid_t user = request.user.value_or(caller.peer.user);
  if (user != caller.peer.user && !is_operator(caller)) {
    throw tools::Failure(tools::kNotAllowed,
                         "only operators open tasks for others; see serve.operators");
  }
  if (is_stopping_) throw tools::Failure(being_stopped().status, being_stopped().why);
  try {
    tasks_.reserve(user, request.task);
  } catch (const Error& error) {
    throw tools::Failure(error.rv() == CKR_SESSION_COUNT ? tools::kTryAgain : tools::kTaskExists,
                         error.what());
  }
  PendingOpenings::Number opening = 0;
  try {
    opening = openings_.begin(caller.peer.user, is_operator(caller), request.task);
  } catch (...) {
    tasks_.give_back(user, request.task);
    throw;
  }
  jobs_.openings.add([this, accepted, caller, request, user, opening, answer] {
    auto result = is_stopping_
                      ? OpeningResult(being_stopped())
                      : open_task(*accepted, book_, liveness_ == nullptr ? nullptr : registry_,
                                  request, caller, user);
    loop_.post([this, result = std::move(result), id = request.task, user, opening, answer] {
      const std::vector<PendingOpenings::Revocation> revocations = openings_.end(opening);
      if (const auto* const refused = std::get_if<OpeningRefused>(&result)) {
        tasks_.give_back(user, id);
        metrics_.opening_refused();
        answer(refusal(refused->status, refused->why));
      } else if (!end_if_revoked(std::get<RecordedTask>(result).plan, revocations)) {
        opened(std::get<RecordedTask>(result), user, answer);
      } else {
        tasks_.give_back(user, id);
        metrics_.opening_refused();
        answer(refusal(tools::kNotAllowed, "the task was revoked while it was being opened"));
      }
      opening_over_();
    });
  });
}

/// Ends a task that has not appeared yet, if a revocation since it was asked for means it.
bool ControlCommands::end_if_revoked(const TaskPlan& plan,
                                     const std::vector<PendingOpenings::Revocation>& since) {
  const auto meant =
      std::ranges::find_if(since, [&](const auto& one) { return is_meant(one.target, plan); });
  if (meant == since.end()) return false;
  TaskMove end{plan.serial, plan.id, TaskState::revoked};
  end.cause = meant->cause;
  book_.record(end);
  log::warn("task " + plan.id + " was revoked while it was being opened: " + meant->cause);
  return true;
}

/// A task has been recorded, and is to appear now.
void ControlCommands::opened(RecordedTask recorded, uid_t user, const Answer& answer) {
  TaskPlan& plan = recorded.plan;
  TaskMove failure{plan.serial, plan.id, TaskState::closed};
  failure.cause = "it could not be opened after all";
  try {
    const ServedTask& task = tasks_.add(std::move(plan), user, recorded.number);
    json description = describe(task);
    description["status"] = 0;
    description["p11_kit_address"] = broker::p11kit_address(task.sockets().socket_path());
    log::info("task " + task.plan().id + " opened for user " + std::to_string(user) +
              ", token serial " + task.plan().serial);
    if (liveness_ == nullptr) return answer(text_of(description));
    // Whoever has the answer can have a credential issued, which is looked up.
    liveness_->when_published([answer, text = text_of(description)](bool) { answer(text); });
  } catch (const std::exception& error) {
    book_.record(failure);
    log::error("task " + failure.id + " could not be opened: " + error.what());
    metrics_.opening_refused();
    answer(refusal(tools::kSystem, error.what()));
  }
}

/// The tasks that a request names, as far as the caller may deal with them.
std::vector<std::string> ControlCommands::find(const Caller& caller,
                                               const ControlRequest& request) const {
  const bool all = is_operator(caller);
  const uid_t user = caller.peer.user;
  if (request.serial.empty()) {
    return tasks_.of_id(request.task, all ? std::nullopt : std::optional(user));
  }
  const ServedTask* const task = tasks_.find(request.serial);
  if (task == nullptr || (!all && task->user() != user)) return {};
  return {request.serial};
}

void ControlCommands::close(const Caller& caller, const ControlRequest& request,
                            const Answer& answer) {
  const std::vector<std::string> found = find(caller, request);
  if (found.empty()) throw tools::Failure(tools::kNoInput, "no such task is open here");
  if (found.size() > 1) {
    throw tools::Failure(tools::kUsage, "several tasks of that ID are open; say which by --serial");
  }
  const auto ending = std::make_shared<Ending>(loop_, tasks_, answer);
  ending->begin(kLongestEnd);
  ending->end(found.front(), TaskState::closed, "closed by " + caller.name());
}

void ControlCommands::list(const Caller& caller, const ControlRequest& request,
                           const Answer& answer) {
  if (registry_ != nullptr && is_operator(caller)) {
    jobs_.queries.add([this, request, answer] {
      std::string text;
      try {
        json tasks = json::array();
        std::uint64_t last = request.after;
        for (const TaskRecord& task : registry_->tasks({.ended_too = request.ended_too,
                                      .after = request.after,
                                      .most = static_cast<std::uint32_t>(kMostListed)})) {
          last = task.number;
          tasks.push_back(describe(task));
        }
        const bool more = tasks.size() == kMostListed;
        text =
            text_of({{"status", 0}, {"tasks", std::move(tasks)}, {"more", more}, {"last", last}});
      } catch (const std::exception& error) {
        text = cannot_say(error);
      }
      loop_.post([answer, text] { answer(text); });
    });
    return;
  }
  const bool all = is_operator(caller);
  std::vector<std::string> found = tasks_.serials(
      [&](const ServedTask& task) { return all || task.user() == caller.peer.user; });
  std::sort(found.begin(), found.end());
  json tasks = json::array();
  std::uint64_t last = request.after;
  for (std::size_t i = request.after; i < found.size() && tasks.size() < kMostListed; ++i) {
    tasks.push_back(describe(*tasks_.find(found[i])));
    last = i + 1;
  }
  const bool more = last < found.size();
  answer(text_of({{"status", 0}, {"tasks", std::move(tasks)}, {"more", more}, {"last", last}}));
}

/// Where a task stands in the status list, as credentials say it.
json ControlCommands::where_listed(const ServedTask& task) const {
  if (liveness_ == nullptr || !task.place()) return json::object();
  return {{"status_list", {{"uri", liveness_->uri()}, {"idx", *task.place()}}}};
}

void ControlCommands::show(const Caller& caller, const ControlRequest& request,
                           const Answer& answer) {
  json here = json::array();
  std::map<std::string, json> serials;  // with what the registry does not know
  for (const std::string& serial : find(caller, request)) {
    if (here.size() == kMostListed) break;
    const ServedTask& task = *tasks_.find(serial);
    json listed = where_listed(task);
    here.push_back(describe(task));
    here.back().update(listed);
    serials.emplace(serial, std::move(listed));
  }
  const bool all = is_operator(caller);
  if (registry_ == nullptr || (!all && serials.empty())) {
    if (here.empty()) throw tools::Failure(tools::kNoInput, "no such task is known here");
    return answer(text_of({{"status", 0}, {"tasks", std::move(here)}}));
  }
  jobs_.queries.add([this, request, all, serials, answer] {
    std::string text;
    try {
      std::vector<TaskRecord> records;
      if (all) {
        records = registry_->tasks({.serial = request.serial,
                                    .id = request.task,
                                    .ended_too = true,
                                    .most = static_cast<std::uint32_t>(kMostListed)});
      } else {
        for (const auto& [serial, more] : serials) {
          for (TaskRecord& record : registry_->tasks({.serial = serial, .ended_too = true})) {
            records.push_back(std::move(record));
          }
        }
      }
      json tasks = json::array();
      for (const TaskRecord& record : records) {
        json task = describe(record);
        if (const auto more = serials.find(record.serial); more != serials.end()) {
          task.update(more->second);
        }
        task["transitions"] = json::array();
        for (const TaskTransition& transition : registry_->transitions(record.serial)) {
          task["transitions"].push_back(describe(transition));
        }
        tasks.push_back(std::move(task));
      }
      text = tasks.empty() ? refusal(tools::kNoInput, "no such task is known")
                           : text_of({{"status", 0}, {"tasks", std::move(tasks)}});
      if (text.size() > kMostAnswer) {
        text = refusal(tools::kUsage, "too many tasks have that ID; say which by --serial");
      }
    } catch (const std::exception& error) {
      text = cannot_say(error);
    }
    loop_.post([answer, text] { answer(text); });
  });
}

/// Sees to it that the registry is told later.
/// @return what that means, for people.
std::string ControlCommands::owe(RevocationOrdered revocation, const std::exception& why) {
  std::string problem =
      "the registry could not be told, so other brokers know nothing of it and a grant could still "
      "be used; it is told when it answers, if this broker is not stopped before";
  try {
    registered_->owe(std::move(revocation));
  } catch (const Error& error) {
    problem = "the registry could not be told, and will not be: " + std::string(error.what());
  }
  problem += ": ";
  problem += why.what();
  log::error("a revocation is not recorded: " + problem);
  return problem;
}

void ControlCommands::revoke(const Caller& caller, const ControlRequest& request,
                             const Answer& answer) {
  if (!is_operator(caller)) {
    log::warn("refused a revocation by " + caller.name());
    throw tools::Failure(tools::kNotAllowed,
                         "only operators revoke; who opened a task ends it with: mayfly close");
  }
  const std::string cause = "revoked by " + caller.name() + ": " + request.reason;
  log::warn("revocation by " + caller.name() + ", process " + std::to_string(caller.process) +
            ": " + request.reason);
  const auto ending = std::make_shared<Ending>(loop_, tasks_, answer);
  ending->begin(kLongestEnd);
  ending->hold();
  // What is here ends at once, whatever the registry says of it.
  for (const std::string& serial : tasks_.serials(
           [&](const ServedTask& task) { return is_meant(request.target, task.plan()); })) {
    ending->end(serial, TaskState::revoked, cause);
  }
  const std::size_t opening = openings_.revoke(request.target, cause);
  if (opening > 0) {
    ending->ended().add_problem(std::to_string(opening) +
                                " openings are under way; what is meant of them ends when it is "
                                "decided on, before it can be used");
  }
  if (registry_ == nullptr) {
    if (!ending->found_some() && opening == 0 && is_of_some(request.target)) {
      ending->ended().add_problem(
          "no such task is open here; tasks below others are found only with a registry, see "
          "registry.file");
    }
    return ending->release();
  }
  jobs_.revocations.add([this, request, caller, cause, ending] {
    std::vector<TaskRecord> ordered;
    std::string problem;
    try {
      ordered = registry_->request_revocation(request.target, request.reason, caller.name());
    } catch (const std::exception& error) {
      problem = owe({request.target, request.reason, caller.name()}, error);
    }
    loop_.post([this, ordered, problem, cause, ending] {
      if (!problem.empty()) ending->ended().add_problem(problem);
      std::vector<TaskRecord> others;
      for (const TaskRecord& task : ordered) {
        if (tasks_.find(task.serial) != nullptr) {
          ending->end(task.serial, TaskState::revoked, cause);
        } else if (!ending->has_ended(task.serial)) {
          others.push_back(task);
        }
      }
      if (others.empty()) return ending->release();
      jobs_.revocations.add([this, others, ending] {
        std::vector<TaskRecord> ended = others;
        std::string why;
        try {
          ended = wait_for_ordered(*registry_, others, kOthersEnd);
        } catch (const std::exception& error) {
          why = error.what();
        }
        loop_.post([ended, why, ending] {
          for (const TaskRecord& task : ended) ending->ended().add(task);
          if (!why.empty()) ending->ended().add_problem(why);
          ending->release();
        });
      });
    });
  });
}

}  // namespace mayfly::serve
