#include "tools/broker/worker_process.h"

#include <cerrno>
#include <exception>
#include <signal.h>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "compose/approved_book.h"
#include "tools/broker/child_process.h"
#include "tools/broker/worker.h"

namespace mayfly::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

}  // namespace

WorkerProcess::WorkerProcess(const Config& config, const RunRequest& request, Descriptor p11kit,
                             Descriptor agents, Descriptor grant,
                             std::vector<int> pin_descriptors) {
  auto [ours, theirs] = ControlChannel::make_pair();
  WorkerArguments arguments;
  arguments.control = theirs.descriptor();
  arguments.p11kit = p11kit.number();
  arguments.agents = agents.number();
  arguments.supervisor = getpid();
  arguments.config = config.file.string();
  arguments.task_id = request.task_id;
  arguments.ttl = request.ttl;
  arguments.policy = request.policy;
  arguments.grant = grant.number();
  std::vector<int> descriptors = std::move(pin_descriptors);
  descriptors.insert(descriptors.end(), {arguments.control, arguments.agents});
  if (p11kit) descriptors.push_back(arguments.p11kit);
  if (grant) descriptors.push_back(arguments.grant);
  std::vector<std::string> variables;
  // For who is asked whether the task may be opened: the worker itself has no terminal.
  if (const std::string terminal = asking_terminal(); !terminal.empty()) {
    variables.push_back("MAYFLY_TERMINAL=" + terminal);
  }
  start(to_strings(arguments), descriptors, variables);
  channel_ = std::move(ours);
}

WorkerProcess::WorkerProcess(const WorkerOrders& orders) {
  auto [ours, theirs] = ControlChannel::make_pair();
  const Descriptor file = make_orders_file(to_json(orders));
  std::vector<int> descriptors = {theirs.descriptor(), file.number(), orders.p11kit, orders.agents};
  if (orders.first >= 0) descriptors.push_back(orders.first);
  start(ordered_worker_strings(theirs.descriptor(), getpid(), file.number()), descriptors, {});
  channel_ = std::move(ours);
}

void WorkerProcess::start(const std::vector<std::string>& strings,
                          const std::vector<int>& descriptors,
                          const std::vector<std::string>& variables) {
  Program program{"/proc/self/exe", {"mayfly", kWorkerCommand}, environment_of_this_process()};
  program.arguments.insert(program.arguments.end(), strings.begin(), strings.end());
  program.environment.insert(program.environment.end(), variables.begin(), variables.end());
  number_ = spawn(program, [&] { set_apart(STDOUT_FILENO, descriptors); });
}

WorkerProcess::~WorkerProcess() { kill(); }

std::optional<Message> WorkerProcess::receive() noexcept {
  try {
    if (auto message = channel_.receive()) return message;
  } catch (const std::exception&) {  // what it says makes no sense
  }
  channel_.close();
  if (number_ > 0) ::kill(number_, SIGKILL);
  return std::nullopt;
}

void WorkerProcess::ask_to_end(TaskState state) noexcept {
  Message wish;
  wish.kind = MessageKind::end;
  wish.state = state;
  channel_.send(wish);
}

WorkerEnd WorkerProcess::end(milliseconds timeout) noexcept {
  const auto deadline = steady_clock::now() + timeout;
  ask_to_end(TaskState::closed);
  // A channel that is closed was found at its end before.
  WorkerEnd result{channel_.descriptor() < 0 ? WorkerEnd::How::died : WorkerEnd::How::killed};
  // To confirm is its last act: the end of the channel that follows is the end of the process.
  while (result.how != WorkerEnd::How::died && channel_.wait(deadline)) {
    const std::optional<Message> message = receive();
    if (!message) {
      if (result.how == WorkerEnd::How::killed) result.how = WorkerEnd::How::died;
      break;
    }
    if (message->kind == MessageKind::ended) {
      result = {WorkerEnd::How::confirmed, message->pending};
    }
  }
  kill();
  return result;
}

void WorkerProcess::forget() noexcept { number_ = -1; }

void WorkerProcess::kill() noexcept {
  channel_.close();
  if (number_ < 0) return;
  ::kill(number_, SIGKILL);
  while (waitpid(number_, nullptr, 0) < 0 && errno == EINTR) {
  }
  number_ = -1;
}

}  // namespace mayfly::broker
