#include "tools/broker/worker.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <functional>
#include <memory>
#include <poll.h>
#include <set>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/limited_log.h"
#include "base/safeguard.h"
#include "compose/books.h"
#include "compose/grant_file.h"
#include "compose/library.h"
#include "tools/broker/agent_door.h"
#include "tools/broker/boot_timer.h"
#include "tools/broker/child_process.h"
#include "tools/broker/child_tasks.h"
#include "tools/broker/connection_set.h"
#include "tools/broker/control_channel.h"
#include "tools/broker/end_notice.h"
#include "tools/broker/key_notice.h"
#include "tools/broker/memory_limit.h"
#include "tools/broker/p11kit_door.h"
#include "tools/broker/registry_news.h"
#include "tools/broker/reporting_book.h"
#include "tools/broker/use_report.h"
#include "tools/broker/worker_orders.h"
#include "tools/configuration.h"
#include "tools/exit_status.h"

namespace mayfly::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Between attempts to destroy what the device owes: the first, doubled each time that none is gone.
constexpr milliseconds kFirstRetry{1'000};
constexpr milliseconds kLongestRetry{60'000};
constexpr milliseconds kLookForOwed{15'000};    // between looks whether it owes something
constexpr milliseconds kHangUpTime{5'000};      // for calls under way when the task has ended
constexpr milliseconds kBetweenReports{5'000};  // of how much the task is used
constexpr milliseconds kNoRoomPause{100};       // when no descriptor is left for a connection
constexpr std::size_t kOrderedArguments = 3;    // as ordered_worker_strings() gives them

template <typename Number>
bool parse(const std::string& text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

std::optional<WorkerArguments> parse_arguments(std::span<const std::string> strings) {
  WorkerArguments arguments;
  long long ttl = 0;
  if (strings.size() != 9 || !parse(strings[0], arguments.control) ||
      !parse(strings[1], arguments.p11kit) || !parse(strings[2], arguments.agents) ||
      !parse(strings[3], arguments.supervisor) || !parse(strings[6], ttl) ||
      !parse(strings[8], arguments.grant)) {
    return std::nullopt;
  }
  arguments.config = strings[4];
  arguments.task_id = strings[5];
  arguments.policy = strings[7];
  if (ttl > 0) arguments.ttl = std::chrono::seconds(ttl);
  return arguments;
}

/// Leaves no core dump, also where the system writes those of processes that are not dumpable.
void harden() {
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) {
    throw std::system_error(errno, std::generic_category(), "core dumps can't be switched off");
  }
  prctl(PR_SET_NAME, "mayfly-worker");
  umask(077);
  // Only the control channel ends a worker in order; kill(1) aimed at all of a user's processes
  // must not be faster than the supervisor.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(signal, SIG_IGN);
}

/// A connection that was accepted before there was a worker.
struct FirstConnection {
  Descriptor socket;
  bool is_p11kits = false;
};

/// What a worker works with.
struct Setup {
  Descriptor p11kit;
  Descriptor agents;
  Config config;
  std::string policy;  ///< as RunRequest::policy
  uid_t user = geteuid();
  FirstConnection first{};
  std::shared_ptr<TaskBook> book{};          ///< null: as the configuration says
  std::shared_ptr<RegistryNews> registry{};  ///< of tasks below, where `book` is not null
  std::shared_ptr<KeyNotice> keys{};         ///< null where nobody publishes them
  std::function<std::shared_ptr<Task>(TaskTable&)> open_task;
};

/// The refusal of a grant, as against a PIN of the device's.
class GrantRefused final : public Error {
 public:
  using Error::Error;
};

std::shared_ptr<Task> open_task(TaskTable& tasks, const WorkerArguments& arguments) {
  try {
    TaskRequest request{arguments.task_id, arguments.ttl};
    if (arguments.grant >= 0) {
      request.grant = read_grant(Descriptor(arguments.grant), "the file of --grant");
    }
    return tasks.open(request);
  } catch (const Error& error) {
    tasks.book().close();  // nobody needs to find out that this process is gone
    if (!refuses_grant(error)) throw;
    throw GrantRefused(error.rv(), error.what());
  }
}

/// The worker of `mayfly run`, which opens its task itself.
Setup setup_of(const WorkerArguments& arguments) {
  Setup setup{.p11kit = Descriptor(arguments.p11kit),
              .agents = Descriptor(arguments.agents),
              .config = Config::load(arguments.config),
              .policy = arguments.policy,
              .open_task = {}};
  setup.open_task = [arguments](TaskTable& tasks) { return open_task(tasks, arguments); };
  return setup;
}

/// The worker of `mayfly serve`, whose task is open already.
Setup setup_of(const WorkerOrders& orders, ControlChannel& channel) {
  Setup setup{.p11kit = Descriptor(orders.p11kit),
              .agents = Descriptor(orders.agents),
              .config = Config::parse(orders.config_text, orders.config_file),
              .policy = {},
              .user = orders.user,
              .first = {Descriptor(orders.first), orders.first_is_p11kits},
              .open_task = {}};
  setup.registry = std::make_shared<RegistryNews>(setup.config.registry.lease);
  setup.book = std::make_shared<ReportingBook>(
      channel, orders.plan.serial, [config = setup.config, news = setup.registry] {
        const Books below = open_books(config, BookUpkeep::thread);
        if (below.registry != nullptr) news->start(below.registry);
        return below.all;
      });
  if (setup.config.status.has_list() || setup.config.status.listen)
    setup.keys = std::make_shared<KeyNotice>(channel);
  for (const Descriptor* kept : {&setup.p11kit, &setup.agents, &setup.first.socket}) {
    set_close_on_exec(kept->number(), true);
  }
  setup.open_task = [plan = orders.plan](TaskTable& tasks) { return tasks.open_planned(plan); };
  return setup;
}

Library open_library(Config& config, const std::string& policy, std::shared_ptr<TaskBook> book) {
  tools::set_device_environment(config.device.environment);
  if (book != nullptr) return Library(std::move(config), std::move(book));
  return Library(std::move(config), policy, BookUpkeep::thread);
}

/// Worker serves one task from its opening to its end.
class Worker {
 public:
  Worker(Setup setup, ControlChannel& channel);

  /// Bounds what clients can make this process take.
  void limit_memory() const { broker::limit_memory(library_.config().limits.max_connections); }

  /// Serves until the supervisor says that the task shall end, or is gone; then ends it.
  void run();

 private:
  void serve();
  void accept_one(const Descriptor& listening, FrontDoor& door);
  void expire();
  void hear_of_end();
  void hear_of_registry();
  void clear_up() noexcept;
  void report_end(MessageKind kind);
  void look_after_owed() noexcept;
  void report_use() noexcept;
  [[nodiscard]] int pause() const noexcept;
  bool obey();
  void end();

  ControlChannel& channel_;
  Descriptor p11kit_;
  Descriptor agents_;
  FirstConnection first_;
  Library library_;
  std::shared_ptr<Task> task_;
  std::shared_ptr<EndNotice> ended_ = std::make_shared<EndNotice>();
  const std::shared_ptr<KeyNotice> keys_;  // null where nobody publishes them
  Descriptor deadline_;
  ConnectionSet connections_;
  ChildTasks children_;
  P11kitDoor p11kit_door_;
  AgentDoor agent_door_;
  const bool is_served_;                    // by a broker that keeps the record of the task
  std::shared_ptr<RegistryNews> registry_;  // null where this process records nothing
  std::vector<TakenOver> inherited_;        // of dead brokers, and not cleared up yet
  std::size_t owed_ = 0;
  milliseconds retry_pause_ = kFirstRetry;
  std::optional<BootClock::time_point> next_child_;  // whose deadline comes first
  steady_clock::time_point next_look_ = steady_clock::now() + kLookForOwed;
  log::LimitedLog log_;
  Use reported_use_;
  steady_clock::time_point next_report_ = steady_clock::now() + kBetweenReports;
  bool no_room_ = false;  // whether to leave the socket alone for a moment
  TaskState end_state_ = TaskState::closed;
};

Worker::Worker(Setup setup, ControlChannel& channel)
    : channel_(channel),
      p11kit_(std::move(setup.p11kit)),
      agents_(std::move(setup.agents)),
      first_(std::move(setup.first)),
      library_(open_library(setup.config, setup.policy, std::move(setup.book))),
      task_(setup.open_task(library_.tasks())),
      keys_(std::move(setup.keys)),
      deadline_(make_boot_timer(task_->deadline())),
      connections_({.connections = library_.config().limits.max_connections, .user = setup.user}),
      children_(library_.tasks(), library_.config().limits.max_sessions, connections_, setup.user),
      p11kit_door_(library_.tasks(), library_.config().limits.max_sessions),
      agent_door_(library_.tasks(), task_, library_.config().limits.max_sessions, children_),
      is_served_(setup.registry != nullptr),
      registry_(std::move(setup.registry)) {
  task_->add_observer(ended_);
  if (keys_ != nullptr) task_->add_observer(keys_);
  if (library_.book() != nullptr) {
    registry_ = std::make_shared<RegistryNews>(library_.config().registry.lease);
    registry_->start(library_.book());
  }
}

void Worker::run() {
  try {
    serve();
  } catch (...) {
    end();
    throw;
  }
  end();
}

/// Serves until the task shall end.
void Worker::serve() {
  std::array<pollfd, 9> entries{};
  bool open = true;
  if (first_.socket) {
    FrontDoor& door = first_.is_p11kits ? static_cast<FrontDoor&>(p11kit_door_) : agent_door_;
    connections_.serve(std::move(first_.socket), door);
  }
  while (open) {
    entries = {{{channel_.descriptor(), POLLIN, 0},
                {deadline_.number(), POLLIN, 0},
                {connections_.finished(), POLLIN, 0},
                {connections_.dead_peers(), POLLIN, 0},
                {no_room_ ? -1 : p11kit_.number(), POLLIN, 0},
                {no_room_ ? -1 : agents_.number(), POLLIN, 0},
                {ended_->descriptor(), POLLIN, 0},
                {no_room_ ? -1 : children_.descriptor(), POLLIN, 0},
                {registry_ == nullptr ? -1 : registry_->descriptor(), POLLIN, 0}}};
    const int ready = poll(entries.data(), entries.size(), pause());
    if (ready < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "poll");
    }
    no_room_ = false;
    if (ready > 0) {
      if (entries[6].revents != 0) hear_of_end();
      if (entries[1].revents != 0) expire();
      if (entries[2].revents != 0) connections_.reap();
      if (entries[3].revents != 0) connections_.hang_up_on_dead();
      if (entries[4].revents != 0) accept_one(p11kit_, p11kit_door_);
      if (entries[5].revents != 0) accept_one(agents_, agent_door_);
      if (entries[7].revents != 0) children_.work();
      if (entries[8].revents != 0) hear_of_registry();
      if (entries[0].revents != 0) open = obey();
    }
    next_child_ = children_.expire_due(BootClock::now());
    look_after_owed();
    if (keys_ != nullptr && steady_clock::now() >= next_report_) report_use();
  }
}

int Worker::pause() const noexcept {
  if (no_room_) return static_cast<int>(kNoRoomPause.count());
  const auto next = keys_ == nullptr ? next_look_ : std::min(next_look_, next_report_);
  auto left = std::chrono::ceil<milliseconds>(next - steady_clock::now());
  if (next_child_) {
    // The clock of poll(2) stands still while the machine sleeps; after that it looks again soon.
    left = std::min(left, std::chrono::ceil<milliseconds>(*next_child_ - BootClock::now()));
  }
  return static_cast<int>(std::max(left, milliseconds(0)).count());
}

void Worker::accept_one(const Descriptor& listening, FrontDoor& door) {
  Descriptor socket(accept4(listening.number(), nullptr, nullptr, SOCK_CLOEXEC));
  if (socket) {
    connections_.serve(std::move(socket), door);
    return;
  }
  no_room_ = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
  if (no_room_) {
    log_.warn([] {
      return std::string("no descriptor is left for a connection; raise the limit (ulimit -n)");
    });
  }
}

void Worker::expire() {
  if (!kept(Safeguard::deadline)) return deadline_.reset();
  // Also waits for a client's call that noticed first and is at it.
  library_.tasks().end_all(TaskState::expired);
  if (task_->state() == TaskState::expired) report_end(MessageKind::expired);
  deadline_.reset();
}

void Worker::hear_of_end() {
  const auto cause = ended_->take();
  if (cause == TaskState::exhausted) report_end(MessageKind::exhausted);
  if (cause == TaskState::revoked) report_end(MessageKind::revoked);
}

void Worker::hear_of_registry() {
  const RegistryNews::News news = registry_->take();
  library_.tasks().obey(news.ordered);
  children_.obey(news.ordered);
  inherited_.insert(inherited_.end(), news.inherited.begin(), news.inherited.end());
  clear_up();
  if (!news.lost) return;
  // Tasks below this one end before it. That one of a broker of its own is not lost with them.
  if (is_served_) return children_.end_all(TaskState::lost);
  library_.tasks().end_all(TaskState::lost);
}

/// Destroys what brokers that are gone left on the device.
void Worker::clear_up() noexcept {
  std::erase_if(inherited_, [this](const TakenOver& left) {
    try {
      std::set<std::string> serials;
      for (const StoredKeyRecord& key : left.stored_keys) serials.insert(key.task_serial);
      if (library_.device().reap_tasks(serials).pending > 0) return false;
      registry_->finished(left.broker.id);
      return true;
    } catch (const std::exception& error) {
      log::warn("what a dead broker left on the device is looked for again", error);
      return false;
    }
  });
}

void Worker::report_end(MessageKind kind) {
  owed_ = library_.device().retry_pending();
  Message message;
  message.kind = kind;
  message.pending = owed_;
  channel_.send(message);
}

void Worker::look_after_owed() noexcept {
  if (steady_clock::now() < next_look_) return;
  clear_up();
  const std::size_t before = std::exchange(owed_, library_.device().retry_pending());
  const bool stuck = before > 0 && owed_ >= before;
  retry_pause_ = stuck ? std::min(2 * retry_pause_, kLongestRetry) : kFirstRetry;
  next_look_ = steady_clock::now() + (owed_ == 0 ? kLookForOwed : retry_pause_);
}

/// For those who watch the broker.
void Worker::report_use() noexcept {
  next_report_ = steady_clock::now() + kBetweenReports;
  const Use use = task_->meter().read();
  if (use == reported_use_) return;
  try {
    Message message;
    message.kind = MessageKind::used;
    message.text = to_json(use);
    if (channel_.send(message)) reported_use_ = use;
  } catch (const std::exception& error) {
    log::warn("the broker could not be told how much the task is used", error);
  }
}

/// False if the task shall end.
bool Worker::obey() {
  const std::optional<Message> message = channel_.receive();
  if (message && message->kind != MessageKind::end) return true;
  if (!message && !kept(Safeguard::worker_follows)) return true;
  if (message && is_final(message->state)) end_state_ = message->state;
  return false;
}

void Worker::end() {
  p11kit_.reset();
  agents_.reset();
  children_.close();
  library_.tasks().end_all(end_state_);
  const bool quiet = connections_.shut_down(kHangUpTime);
  if (keys_ != nullptr) report_use();
  Message message;
  message.kind = MessageKind::ended;
  message.pending = library_.device().retry_pending();
  // What the registry is told of tasks below is nothing that the end of this one waits for. Without
  // a broker it is the last act: the process may be killed then.
  if (is_served_) channel_.send(message);
  if (registry_ != nullptr) registry_->stop();
  // A call that hangs in the device forbids taking the device down; the process's end does it.
  if (quiet) library_.close();
  if (!is_served_) channel_.send(message);
}

void report_failure(ControlChannel& channel, MessageKind kind, CK_RV rv, const char* text) {
  Message message;
  message.kind = kind;
  message.rv = rv;
  message.text = text;
  channel.send(message);
}

/// Serves the task. @return the process's exit status.
/// @param set_up  Gives what to work with.
int serve(ControlChannel channel, pid_t supervisor,
          const std::function<Setup(ControlChannel&)>& set_up) {
  try {
    harden();
    // Never destroyed: a call that hangs in the device may still use what it holds.
    const auto worker = std::make_unique<Worker>(set_up(channel), channel).release();
    // Not earlier: SoftHSM2 writes to its token's file when it is opened, and a death in the middle
    // of that destroys the token. Until now there was no key that a dead supervisor could leave
    // behind.
    follow_parent(supervisor, SIGKILL);
    // Nor this: what the device takes for itself is not the clients'.
    worker->limit_memory();
    channel.send({});
    worker->run();
    return tools::kOk;
  } catch (const GrantRefused& error) {
    log::warn("no task was opened", error);
    report_failure(channel, MessageKind::grant_refused, error.rv(), error.what());
  } catch (const Error& error) {
    report_failure(channel, MessageKind::failed, error.rv(), error.what());
  } catch (const std::exception& error) {
    report_failure(channel, MessageKind::failed, CKR_GENERAL_ERROR, error.what());
  }
  return tools::kInternal;
}

/// The worker of `mayfly serve`: its control channel, its broker, and the file with its orders.
int run_ordered_worker(std::span<const std::string> strings) {
  int control = -1;
  pid_t broker = -1;
  int file = -1;
  if (!parse(strings[0], control) || !parse(strings[1], broker) || !parse(strings[2], file)) {
    return tools::kUsage;
  }
  set_close_on_exec(control, true);
  const Descriptor orders(file);
  _exit(serve(ControlChannel(Descriptor(control)), broker, [&](ControlChannel& channel) {
    return setup_of(parse_orders(read_orders_file(orders)), channel);
  }));
}

}  // namespace

int run_worker(std::span<const std::string> strings) {
  if (strings.size() == kOrderedArguments) return run_ordered_worker(strings);
  const std::optional<WorkerArguments> arguments = parse_arguments(strings);
  if (!arguments) return tools::kUsage;
  set_close_on_exec(arguments->control, true);
  if (arguments->p11kit >= 0) set_close_on_exec(arguments->p11kit, true);
  set_close_on_exec(arguments->agents, true);
  if (arguments->grant >= 0) set_close_on_exec(arguments->grant, true);
  _exit(serve(ControlChannel(Descriptor(arguments->control)), arguments->supervisor,
              [&](ControlChannel&) { return setup_of(*arguments); }));
}

}  // namespace mayfly::broker
