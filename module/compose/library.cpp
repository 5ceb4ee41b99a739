#include "compose/library.h"

#include <algorithm>

#include "base/log.h"
#include "compose/abandoned_ledgers.h"
#include "compose/books.h"
#include "compose/broker_host.h"
#include "compose/certificates.h"
#include "compose/policies.h"
#include "compose/registry.h"
#include "compose/registry_journal.h"
#include "core/pin_login.h"
#include "device/broker/broker_device.h"
#include "device/pkcs11/pkcs11_device.h"
#include "device/tpm/tpm_device.h"

namespace mayfly {
namespace {

// What this process lets a broker's worker make it take.
constexpr std::uint64_t kMostSessions = 1'000'000;
constexpr std::size_t kMostMirrored = 1'000'000;  // as limits.objects

/// The mechanisms of a list, but for those that this version does not know.
MechanismSet known_of(const std::vector<CK_MECHANISM_TYPE>& types) {
  MechanismSet known;
  for (const CK_MECHANISM_TYPE type : types) {
    if (const Mechanism* mechanism = find_mechanism(type)) known.insert(*mechanism);
  }
  return known;
}

std::optional<LedgerPlace> ledger_place(const Config& config) {
  if (config.ledger.folder.empty()) return std::nullopt;
  LedgerPlace place{config.ledger.folder, ledger::Sync::interval};
  switch (config.ledger.sync) {
    case LedgerSync::entry:
      place.sync = ledger::Sync::entry;
      break;
    case LedgerSync::interval:
      break;
    case LedgerSync::end:
      place.sync = ledger::Sync::end;
      break;
  }
  return place;
}

TaskTable::LoginFactory login_factory(const Config& config) {
  if (!config.asks_for_login()) return {};
  auto pin = std::make_shared<const SecretBuffer>(config.login.pin_source.value().read());
  return [pin] { return std::make_unique<PinLogin>(pin); };
}

/// What processes before this one were killed over. That it can't be cleared up now is no reason
/// not to work: it is tried again by the next process, and by `mayfly reap`.
void reap_recorded(Device& device) noexcept {
  try {
    const ReapReport report = device.reap(ReapReach::recorded, EarlierBoots::may_live);
    if (report.destroyed > 0) {
      log::warn("destroyed " + std::to_string(report.destroyed) + " keys that dead processes left");
    }
    if (report.pending > 0) {
      log::warn("the device would not destroy " + std::to_string(report.pending) +
                " keys that dead processes left; run: mayfly reap");
    }
  } catch (const std::exception& error) {
    log::warn("the keys of dead processes were not looked for", error);
  }
}

std::shared_ptr<KeyJournal> open_journal(const Config& config) {
  return std::make_shared<RegistryJournal>(open_registry(config, RegistryUse::host));
}

/// Whether a process that is killed may leave something that another has to look for.
bool may_leave_traces(const Config& config) {
  return config.device.stored_keys || (config.device.type == DeviceType::tpm &&
                                       (config.tpm.kill_switch || config.registry.is_there()));
}

std::unique_ptr<Device> open_tpm(const Config& config, DeviceUse use) {
  TpmDeviceOptions options;
  options.tcti = config.tpm.tcti;
  options.timeout = config.tpm.timeout;
  if (config.tpm.software_deadline) options.deadline = TpmDeadline::software;
  options.kill_switch = config.tpm.kill_switch && use == DeviceUse::tasks;
  options.encrypt = config.tpm.encrypt;
  if (config.registry.is_there()) options.journal = open_journal(config);
  options.attestation_certificates = read_certificates(config.tpm.attestation_certificates);
  return open_tpm_device(std::move(options));
}

std::unique_ptr<Device> open_token(const Config& config, DeviceUse use) {
  Pkcs11DeviceOptions options;
  options.module = config.device.module;
  options.token = config.device.token;
  options.fetch_pin = [source = config.device.pin_source] { return source.read(); };
  options.environment = config.device.environment;
  options.max_sessions = config.device.max_sessions;
  options.start_lock = config.file;
  options.other_usages_off = config.device.other_usages_off;
  if (config.device.stored_keys) options.storage = KeyStorage::stored;
  if (config.device.stored_keys || use == DeviceUse::reaping) {
    options.journal = open_journal(config);
  }
  return open_pkcs11_device(std::move(options));
}

}  // namespace

std::unique_ptr<Device> open_device(const Config& config, DeviceUse use) {
  return config.device.type == DeviceType::tpm ? open_tpm(config, use) : open_token(config, use);
}

Library::Library(Config config, const std::string& policy, BookUpkeep upkeep)
    : config_(std::move(config)) {
  log::configure(config_.log.level, config_.log.file.string());
  if (!config_.broker.socket.empty()) {
    join_broker();
    return;
  }
  Books books = open_books(config_, upkeep);
  book_ = std::move(books.registry);
  open_tasks(policy, std::move(books.all));
  tell_abandoned_ledgers(config_);
}

Library::Library(Config config, std::shared_ptr<TaskBook> book) : config_(std::move(config)) {
  log::configure(config_.log.level, config_.log.file.string());
  open_tasks({}, std::move(book));
}

void Library::open_tasks(const std::string& policy, std::shared_ptr<TaskBook> book) {
  TaskLimits limits = task_limits(config_, policy);
  limits.ledger = ledger_place(config_);
  TaskTable::LoginFactory make_login = login_factory(config_);
  device_ = open_device(config_);
  if (may_leave_traces(config_)) reap_recorded(*device_);
  tasks_ = std::make_unique<TaskTable>(*device_, limits, std::move(make_login), std::move(book));
}

void Library::join_broker() {
  const auto link = std::make_shared<agent::BrokerLink>(config_.broker.socket.string());
  const wire::HelloAnswer& hello = link->hello();
  config_.limits.max_sessions = std::min<std::uint64_t>(hello.max_sessions, kMostSessions);
  TaskLimits limits;
  limits.policy.login_required = hello.login_required;
  limits.policy.mechanisms = known_of(hello.mechanisms);
  limits.policy.max_objects = kMostMirrored;
  device_ = std::make_unique<agent::BrokerDevice>(link);
  tasks_ = std::make_unique<TaskTable>(*device_, limits, nullptr);
  tasks_->join({hello.task_id, hello.serial, deadline_from_wire(hello.deadline), limits.policy,
                std::make_shared<BrokerHost>(link)});
}

EndReport Library::close() noexcept {
  const EndReport report = tasks_->end_all(TaskState::closed);
  device_->close();
  tasks_->book().close();
  return report;
}

}  // namespace mayfly
