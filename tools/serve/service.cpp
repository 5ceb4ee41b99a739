#include "tools/serve/service.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "compose/abandoned_ledgers.h"
#include "compose/books.h"
#include "compose/policies.h"
#include "config/keys.h"
#include "tools/broker/registry_thread.h"
#include "tools/broker/signal_queue.h"
#include "tools/failure.h"
#include "tools/serve/accepted_config.h"
#include "tools/serve/control_commands.h"
#include "tools/serve/control_place.h"
#include "tools/serve/http_server.h"
#include "tools/serve/pending_openings.h"
#include "tools/serve/registry_upkeep.h"
#include "tools/serve/service_manager.h"

namespace mayfly::serve {
namespace {

// Openings that are approved and recorded at the same time: a person may be asked for each.
constexpr std::size_t kOpeningThreads = PendingOpenings::kAll + PendingOpenings::kForOperators;
constexpr std::size_t kQueryThreads = 2;
constexpr std::size_t kRevocationThreads = 2;
// For all tasks to end, and for what is recorded of that.
constexpr std::chrono::seconds kStopTime{25};

/// Where systemd has made a folder for the service's sockets.
std::filesystem::path runtime_folder_of_service() {
  const char* const folder = std::getenv("RUNTIME_DIRECTORY");
  return folder == nullptr || std::strchr(folder, ':') != nullptr ? "" : folder;
}

std::shared_ptr<const AcceptedConfig> read_config(const std::filesystem::path& file) {
  auto accepted = AcceptedConfig::read(file);
  Config& config = accepted->config;
  if (config.broker.runtime_folder.empty()) {
    config.broker.runtime_folder = runtime_folder_of_service();
  }
  if (!config.broker.socket.empty()) {
    throw Error(CKR_GENERAL_ERROR, file.string() +
                                       ": names a broker.socket, so it is for clients; mayfly "
                                       "serve needs a device");
  }
  for (const PinSource* source :
       {&config.device.pin_source, config.login.pin_source ? &*config.login.pin_source : nullptr,
        config.status.has_list() && config.issuer.pin_source ? &*config.issuer.pin_source
                                                             : nullptr}) {
    if (source == nullptr || source->kind != PinSource::Kind::descriptor) continue;
    throw Error(CKR_GENERAL_ERROR, file.string() +
                                       ": a pin-source is a descriptor, which is good for one "
                                       "worker only; take file:, credential: or command:");
  }
  static_cast<void>(task_policy(config, ""));
  return accepted;
}

/// What can't change while tasks are open must be as it was.
/// @throws Error CKR_GENERAL_ERROR
void require_same_foundations(const Config& before, const Config& after) {
  for (const ConfigKey& key : config_keys()) {
    const bool is_fixed = key.table == "device" || key.table == "tpm" || key.table == "registry" ||
                          key.table == "grants" || key.table == "approval" ||
                          key.table == "broker" || key.table == "status" ||
                          (key.table == "issuer" && before.status.has_list()) ||
                          key.full_name() == "serve.socket";
    if (!is_fixed || key.show(before) == key.show(after)) continue;
    throw Error(
        CKR_GENERAL_ERROR,
        after.file.string() + ": " + key.full_name() +
            " has changed, which takes a new start of the broker: systemctl restart mayfly");
  }
}

/// Lets this process open as many files as the system lets it.
void raise_descriptor_limit(std::size_t tasks) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    throw std::system_error(errno, std::generic_category(), "getrlimit");
  }
  const std::size_t needed = descriptors_for(tasks);
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_max, needed);
  const rlimit more{limit.rlim_cur, limit.rlim_cur};
  if (setrlimit(RLIMIT_NOFILE, &more) != 0) {  // as root may
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed) return;
  log::warn("limits.tasks is " + std::to_string(tasks) + ", which takes " + std::to_string(needed) +
            " open files, but this process may have " + std::to_string(limit.rlim_cur) +
            "; raise the limit (LimitNOFILE= of the systemd unit, ulimit -Hn), or fewer tasks can "
            "be open");
}

void harden() {
  const rlimit none{0, 0};
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0) {
    throw std::system_error(errno, std::generic_category(), "core dumps can't be switched off");
  }
  umask(077);
}

/// Service models one life of the broker.
class Service {
 public:
  explicit Service(std::shared_ptr<const AcceptedConfig> accepted);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  tools::ExitStatus run();

 private:
  [[nodiscard]] Descriptor take_control_socket();
  void keep_in_touch();
  void serve_http(ListenAddress address);
  void take_signals();
  void reload();
  void begin_to_stop();
  void end_tasks();
  void stop_if_done();
  void keep_alive();

  ServiceManager manager_;
  std::shared_ptr<const AcceptedConfig> accepted_;
  const CurrentConfig current_ = [this] { return accepted_; };
  std::unique_ptr<ControlPlace> place_;
  EventLoop loop_;
  broker::SignalQueue signals_;
  const Books books_;
  Metrics metrics_;
  Sweeper sweeper_;
  const std::unique_ptr<Liveness> liveness_;  // null where nothing is published
  ServedTasks tasks_;
  ControlCommands commands_;
  std::optional<RegistryUpkeep> registry_upkeep_;
  // These go first: what their threads do uses the rest.
  JobThreads openings_;
  JobThreads queries_;
  JobThreads revocations_;
  std::unique_ptr<broker::RegistryThread> registry_thread_;
  std::optional<ControlSocket> control_;
  std::optional<HttpServer> http_;
  EventLoop::Watch signal_watch_;
  EventLoop::Timer watchdog_;
  EventLoop::Timer stop_limit_;
  bool is_stopping_ = false;
  bool all_confirmed_ = true;
};

Service::Service(std::shared_ptr<const AcceptedConfig> accepted)
    : accepted_(std::move(accepted)),
      books_(open_books(accepted_->config, BookUpkeep::thread)),
      sweeper_(loop_, current_, metrics_),
      liveness_(accepted_->config.status.has_list()
                    ? std::make_unique<Liveness>(loop_, accepted_->config)
                    : nullptr),
      tasks_(loop_, *books_.all, current_, sweeper_, liveness_.get(), metrics_),
      commands_(loop_, current_, *books_.all, books_.registry.get(),
                {openings_, queries_, revocations_}, tasks_, liveness_.get(), metrics_),
      openings_(kOpeningThreads),
      queries_(kQueryThreads),
      revocations_(kRevocationThreads) {
  if (books_.registry != nullptr) keep_in_touch();
  commands_.on_opening_over([this] {
    if (is_stopping_) end_tasks();
  });
  control_.emplace(
      loop_, take_control_socket(),
      [this](const Peer& peer) { return is_operator(accepted_->config.serve, peer); },
      [this](const Caller& caller, std::string_view text, const ControlSocket::Answer& answer) {
        commands_.handle(caller, text, answer);
      });
  if (books_.registry != nullptr) {
    registry_upkeep_.emplace(loop_, queries_, books_.registry, current_);
    registry_upkeep_->begin();
  }
  // Its workers leave that to it: each would look through the whole folder.
  queries_.add([accepted = accepted_] { tell_abandoned_ledgers(accepted->config); });
  // Not before it is sure that no other broker has this place.
  if (liveness_ != nullptr) liveness_->begin();
  if (const auto& listen = accepted_->config.status.listen) serve_http(*listen);
  signal_watch_ = loop_.watch(signals_.descriptor(), [this] { take_signals(); });
}

void Service::serve_http(ListenAddress address) {
  http_.emplace(loop_, address, liveness_ == nullptr ? nullptr : &liveness_->published(),
                [this] { return metrics_.text(); });
  address.port = http_->port();
  log::info("serving HTTP at " + address.text());
}

/// With the registry.
void Service::keep_in_touch() {
  broker::RegistryThread::Listener listener;
  listener.ordered = [this](const std::vector<std::string>& serials) {
    loop_.post([this, serials] {
      for (const std::string& serial : serials) tasks_.end(serial, TaskState::revoked, "");
    });
  };
  listener.lost = [this] {
    loop_.post([this] {
      for (const std::string& serial : tasks_.serials([](const ServedTask&) { return true; })) {
        tasks_.end(serial, TaskState::lost, "another broker had taken this one for dead");
      }
    });
  };
  listener.inherited = [this](const TakenOver& left) {
    loop_.post([this, broker = left.broker.id, keys = left.stored_keys.size()] {
      sweeper_.sweep_after(broker, keys);
    });
  };
  registry_thread_ = std::make_unique<broker::RegistryThread>(
      books_.registry, accepted_->config.registry.lease, std::move(listener));
  sweeper_.on_swept_after(
      [this](const std::string& broker) { registry_thread_->finished(broker); });
}

Descriptor Service::take_control_socket() {
  if (Descriptor passed = manager_.take_socket()) return passed;
  place_ = std::make_unique<ControlPlace>(accepted_->config.serve.socket);
  return place_->take_socket();
}

tools::ExitStatus Service::run() {
  log::info("serving tasks at " + accepted_->config.serve.socket.string());
  manager_.tell("READY=1");
  keep_alive();
  loop_.run();
  registry_thread_.reset();
  books_.all->close();
  return all_confirmed_ ? tools::kOk : tools::kTryAgain;
}

void Service::keep_alive() {
  if (!manager_.watchdog()) return;
  manager_.tell_alive();
  watchdog_ = loop_.after(*manager_.watchdog(), [this] { keep_alive(); });
}

void Service::take_signals() {
  while (const auto signal = signals_.next()) {
    switch (signal->number) {
      case SIGCHLD:
        tasks_.wait_for_children();
        break;
      case SIGHUP:
        reload();
        break;
      case SIGTERM:
      case SIGINT:
      case SIGQUIT:
        begin_to_stop();
        break;
      default:
        break;
    }
  }
}

void Service::reload() {
  manager_.tell("RELOADING=1\nMONOTONIC_USEC=" +
                std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count()));
  try {
    auto fresh = read_config(accepted_->config.file);
    require_same_foundations(accepted_->config, fresh->config);
    log::configure(fresh->config.log.level, fresh->config.log.file.string());
    accepted_ = std::move(fresh);
    log::info("the configuration was read again");
  } catch (const std::exception& error) {
    log::error("the configuration is not taken, the old one stays: " + std::string(error.what()));
  }
  manager_.tell("READY=1");
}

void Service::begin_to_stop() {
  if (is_stopping_) return;
  is_stopping_ = true;
  log::info("the broker is being stopped; " + std::to_string(tasks_.size()) + " tasks end");
  commands_.stop_opening();
  stop_limit_ = loop_.after(kStopTime, [this] {
    log::error("not all tasks have ended in time; their workers die with the broker");
    all_confirmed_ = false;
    loop_.stop();
  });
  end_tasks();
  manager_.tell("STOPPING=1");  // which no end of a task waits for
}

/// Ends what is open. What is being opened comes when it has been.
void Service::end_tasks() {
  for (const std::string& serial : tasks_.serials([](const ServedTask&) { return true; })) {
    tasks_.end(serial, TaskState::closed, "the broker was stopped",
               [this](const TaskPlan&, const TaskEnd& end) {
                 all_confirmed_ = all_confirmed_ && !end.unconfirmed && end.pending == 0;
                 stop_if_done();
               });
  }
  stop_if_done();
}

void Service::stop_if_done() {
  if (tasks_.size() == 0 && commands_.openings() == 0) loop_.stop();
}

}  // namespace

tools::ExitStatus serve(const std::filesystem::path& file) {
  harden();
  auto accepted = read_config(file);
  log::configure(accepted->config.log.level, accepted->config.log.file.string());
  raise_descriptor_limit(accepted->config.limits.max_tasks);
  return Service(std::move(accepted)).run();
}

}  // namespace mayfly::serve
