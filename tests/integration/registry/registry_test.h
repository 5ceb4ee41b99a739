// What the tests of the registry have in common: each runs on every database.
#pragma once

#include <string>
#include <thread>

#include <gmock/gmock.h>

#include "base/clock.h"
#include "integration/registry/backend.h"
#include "registry/registry_refused.h"

namespace mayfly::test {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr std::chrono::minutes kLongLease{10};

/// 16 digits for a number of a test's.
inline std::string digits(std::uint64_t number) {
  const std::string text = to_hex_number(number);
  return std::string(16 - text.size(), '0') + text;
}

inline BrokerRecord make_broker(const Registry& registry) {
  return {make_broker_id(), registry.host(), ProcessIdentity::self()};
}

/// When this program was started, in seconds since 1970: deadlines are the same for all tasks.
inline std::uint64_t start_time() {
  static const std::uint64_t start = unix_now_s();
  return start;
}

inline NewTask make_task(std::uint64_t number, const BrokerRecord& broker) {
  NewTask task;
  task.serial = digits(number);
  task.id = "task " + std::to_string(number);
  task.agent = "agent";
  task.broker = broker.id;
  task.deadline = start_time() + 6'000;
  return task;
}

inline GrantUse make_grant(const std::string& id, const std::string& issuer = "boss") {
  return {{issuer, id}, start_time() + 6'000};
}

/// What is refused, if the registry refuses.
template <typename Call>
std::optional<RegistryRefusal> refusal_of(Call&& call) {
  try {
    call();
  } catch (const RegistryRefused& refused) {
    EXPECT_EQ(std::string(refused.what()).find('\n'), std::string::npos);
    return refused.reason();
  }
  return std::nullopt;
}

/// The CK_RV of what a call throws that is not a refusal; CKR_OK if nothing.
template <typename Call>
CK_RV fault_of(Call&& call) {
  try {
    call();
  } catch (const RegistryRefused&) {
    throw;
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.rv();
  }
  return CKR_OK;
}

inline std::string name_of(const testing::TestParamInfo<Backend>& backend) {
  switch (backend.param) {
    case Backend::sqlite:
      return "Sqlite";
    case Backend::sqlite_log:
      return "SqliteLog";
    case Backend::postgres:
      break;
  }
  return "Postgres";
}

class RegistryTest : public testing::TestWithParam<Backend> {
 protected:
  RegistryTest() : place_(GetParam()), registry_(place_.open()) {}

  /// A broker that is registered.
  BrokerRecord broker(milliseconds lease = kLongLease) const {
    BrokerRecord broker = make_broker(*registry_);
    // A process that can't be looked for, so that nothing but the lease counts.
    broker.process.boot = broker.id;
    registry_->register_broker(broker, lease);
    return broker;
  }
  NewTask open_task(std::uint64_t number, const BrokerRecord& of,
                    const std::string& parent = "") const {
    NewTask task = make_task(number, of);
    task.parent = parent;
    registry_->open_task(task, std::nullopt, "tester");
    return task;
  }
  [[nodiscard]] TaskRecord task(const std::string& serial) const {
    TaskFilter filter;
    filter.serial = serial;
    filter.ended_too = true;
    const auto found = registry_->tasks(filter);
    if (found.size() != 1) throw std::runtime_error("no task " + serial);
    return found[0];
  }
  /// Waits until a lease that is over at once is over.
  static void wait_for_the_clock() { std::this_thread::sleep_for(milliseconds(3)); }

  RegistryPlace place_;
  std::unique_ptr<Registry> registry_;
};

/// The tests of a suite, on every database.
#define MAYFLY_ON_EVERY_DATABASE(suite)                                                          \
  INSTANTIATE_TEST_SUITE_P(Registry, suite, testing::Values(Backend::sqlite, Backend::postgres), \
                           name_of)
/// The same, and on a file with a write-ahead log.
#define MAYFLY_ON_EVERY_DATABASE_AND_LOG(suite)                                                  \
  INSTANTIATE_TEST_SUITE_P(                                                                      \
      Registry, suite, testing::Values(Backend::sqlite, Backend::sqlite_log, Backend::postgres), \
      name_of)

inline std::vector<std::string> serials(const std::vector<TaskRecord>& tasks) {
  std::vector<std::string> serials;
  for (const TaskRecord& task : tasks) serials.push_back(task.serial);
  return serials;
}

}  // namespace mayfly::test
