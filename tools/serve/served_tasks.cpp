#include "tools/serve/served_tasks.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <sys/resource.h>
#include <sys/wait.h>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace mayfly::serve {
namespace {

std::size_t descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    throw std::system_error(errno, std::generic_category(), "getrlimit");
  }
  return limit.rlim_cur;
}

}  // namespace

ServedTasks::ServedTasks(EventLoop& loop, TaskBook& book, CurrentConfig config, Sweeper& sweeper,
                         Liveness* liveness, Metrics& metrics)
    : loop_(loop),
      config_(std::move(config)),
      sweeper_(sweeper),
      folder_(config_()->config.broker, broker::FolderAccess::everyone),
      surroundings_{
          loop,
          book,
          folder_.path().string(),
          config_,
          liveness,
          metrics,
          [this](ServedTask& task, pid_t process) { workers_[process] = task.plan().serial; },
          [this](ServedTask& task, const TaskEnd& end) { forget(task, end); }} {}

std::size_t ServedTasks::most() const {
  const std::size_t descriptors = descriptor_limit();
  const std::size_t others = descriptors_for(0);
  const std::size_t room =
      descriptors <= others ? 0 : (descriptors - others) / (descriptors_for(1) - others);
  return std::min(config_()->config.limits.max_tasks, room);
}

void ServedTasks::reserve(uid_t user, const std::string& id) {
  if (ids_.contains({user, id})) {
    throw Error(CKR_FUNCTION_REJECTED, "task " + id + " is open already");
  }
  if (ids_.size() >= most()) {
    throw Error(CKR_SESSION_COUNT,
                "too many open tasks; see limits.tasks, and the limit of open files (LimitNOFILE)");
  }
  const std::size_t most_of_user = config_()->config.serve.max_tasks_per_user;
  if (ids_.size() >= most_of_user && of_user(user) >= most_of_user) {
    throw Error(CKR_SESSION_COUNT, "user " + std::to_string(user) +
                                       " has too many open tasks; see serve.tasks-per-user");
  }
  ids_.emplace(std::pair(user, id), "");
}

std::size_t ServedTasks::of_user(uid_t user) const {
  return static_cast<std::size_t>(
      std::distance(ids_.lower_bound({user, ""}), ids_.lower_bound({user + 1, ""})));
}

void ServedTasks::give_back(uid_t user, const std::string& id) noexcept {
  const auto found = ids_.find({user, id});
  if (found != ids_.end() && found->second.empty()) ids_.erase(found);
}

const ServedTask& ServedTasks::add(TaskPlan plan, uid_t user, std::optional<std::uint64_t> place) {
  const std::string serial = plan.serial;
  const std::string id = plan.id;
  try {
    auto task = std::make_shared<ServedTask>(surroundings_, std::move(plan), user, place);
    const ServedTask& added = *tasks_.emplace(serial, std::move(task)).first->second;
    ids_.at({user, id}) = serial;
    if (place && surroundings_.liveness != nullptr) surroundings_.liveness->opened(serial, *place);
    return added;
  } catch (...) {
    tasks_.erase(serial);
    give_back(user, id);
    throw;
  }
}

const ServedTask* ServedTasks::find(const std::string& serial) const {
  const auto found = tasks_.find(serial);
  return found == tasks_.end() ? nullptr : found->second.get();
}

std::vector<std::string> ServedTasks::serials(
    const std::function<bool(const ServedTask&)>& condition) const {
  std::vector<std::string> chosen;
  for (const auto& [serial, task] : tasks_) {
    if (condition(*task)) chosen.push_back(serial);
  }
  return chosen;
}

std::vector<std::string> ServedTasks::of_id(const std::string& id,
                                            std::optional<uid_t> user) const {
  std::vector<std::string> found;
  const auto look = [&](uid_t whose) {
    const auto entry = ids_.find({whose, id});
    if (entry != ids_.end() && !entry->second.empty()) found.push_back(entry->second);
  };
  if (user) {
    look(*user);
    return found;
  }
  for (auto entry = ids_.begin(); entry != ids_.end();) {  // from user to user
    const uid_t whose = entry->first.first;
    look(whose);
    if (whose == std::numeric_limits<uid_t>::max()) break;
    entry = ids_.lower_bound({whose + 1, ""});
  }
  return found;
}

void ServedTasks::end(const std::string& serial, TaskState state, const std::string& cause,
                      OnEnd on_end) {
  const auto found = tasks_.find(serial);
  if (found == tasks_.end()) return;
  if (on_end) waiting_.emplace(serial, std::move(on_end));
  const std::shared_ptr<ServedTask> task = found->second;  // lives on until this returns
  task->end(state, cause);
}

/// Others than the loop wait for children of their own, so that these are asked for by number.
void ServedTasks::wait_for_children() {
  int status = 0;
  if (const pid_t sweep = sweeper_.process();
      sweep > 0 && waitpid(sweep, &status, WNOHANG) == sweep) {
    sweeper_.has_ended(status);
  }
  std::vector<std::pair<pid_t, int>> ended;
  for (const auto& [process, serial] : workers_) {
    if (waitpid(process, &status, WNOHANG) == process) ended.emplace_back(process, status);
  }
  for (const auto& [process, wait_status] : ended) {
    const auto worker = workers_.extract(process);
    const auto found = tasks_.find(worker.mapped());
    if (found == tasks_.end()) continue;
    const std::shared_ptr<ServedTask> task = found->second;  // lives on until this returns
    task->child_ended(wait_status);
  }
}

/// The task has ended.
void ServedTasks::forget(ServedTask& task, const TaskEnd& end) {
  if (end.unconfirmed || end.pending > 0) {
    sweeper_.sweep(std::max<std::size_t>(end.pending, 1));
  }
  const std::string& serial = task.plan().serial;
  ids_.erase({task.user(), task.plan().id});
  std::vector<OnEnd> waiting;
  for (auto [entry, last] = waiting_.equal_range(serial); entry != last;) {
    waiting.push_back(std::move(entry->second));
    entry = waiting_.erase(entry);
  }
  // It is in the middle of its own function.
  const auto node = tasks_.extract(serial);
  loop_.post([last = node.mapped()] {});
  for (const OnEnd& on_end : waiting) on_end(task.plan(), end);
}

}  // namespace mayfly::serve
