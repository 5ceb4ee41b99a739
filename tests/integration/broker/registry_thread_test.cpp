// The thread that keeps a broker in touch with its registry, when that is away for a while.
#include "tools/broker/registry_thread.h"

#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "base/error.h"
#include "registry/sqlite/sqlite_registry.h"
#include "support/temp_folder.h"

namespace mayfly::broker {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLease{1500};

/// News of nothing.
class SilentWatch final : public Watch {
 public:
  int descriptor() const noexcept override { return -1; }
  std::chrono::milliseconds longest_wait() const noexcept override { return 1s; }
  bool changed() noexcept override { return false; }
};

/// A registry that is away from the second renewal of a lease on, for as long as a lease and until
/// it is asked soon after it was found away. The other broker, whose lease is over by then, renews
/// it at the second renewal after that.
class OutageRegistry final : public Registry {
 public:
  explicit OutageRegistry(std::unique_ptr<Registry> registry) : registry_(std::move(registry)) {}

  /// How often brokers whose lease is over were looked for since the registry is back.
  [[nodiscard]] int looks() const { return looks_; }

  bool renew_lease(const std::string& broker, std::chrono::milliseconds lease) override {
    switch (++renewals_) {
      case 1:
        break;
      case 2:
        registry_->register_broker(other_, 1ms);
        is_away_ = true;
        found_away();
      default:
        if (is_away_) come_back_or_fail();
        if (++renewals_since_ == 2) {
          EXPECT_TRUE(registry_->renew_lease(other_.id, 1h)) << "the other was taken over";
        }
    }
    return registry_->renew_lease(broker, lease);
  }
  std::vector<TakenOver> take_over(const BrokerRecord& self, TakeOverScope scope) override {
    if (!std::exchange(was_looked_, true)) {
      EXPECT_EQ(scope, TakeOverScope::dead) << "it may have been away until a moment ago";
    }
    if (is_away_) {
      since_.reset();  // who looks in the meantime gives others as much time again
      found_away();
    }
    if (renewals_since_ > 0 && scope == TakeOverScope::lapsed) ++looks_;
    return registry_->take_over(self, scope);
  }
  std::vector<RevocationOrder> revocations_within(std::optional<std::chrono::milliseconds> patience,
                                                  const std::string& broker) override {
    if (is_away_) found_away();
    return registry_->revocations_within(patience, broker);
  }

  const std::string& host() const noexcept override { return registry_->host(); }
  void add_stored_key(const StoredKeyRecord& record) override { registry_->add_stored_key(record); }
  void remove_stored_key(ByteView id) override { registry_->remove_stored_key(id); }
  void give_up_stored_key(ByteView id) override { registry_->give_up_stored_key(id); }
  std::vector<StoredKeyRecord> stored_keys(const std::string& device) override {
    return registry_->stored_keys(device);
  }
  void register_broker(const BrokerRecord& broker, std::chrono::milliseconds lease) override {
    registry_->register_broker(broker, lease);
  }
  void end_broker(const std::string& broker, const std::string& actor) override {
    registry_->end_broker(broker, actor);
  }
  std::vector<BrokerRecord> brokers() override { return registry_->brokers(); }
  void finish_take_over(const std::string& self, const std::string& broker) override {
    registry_->finish_take_over(self, broker);
  }
  void open_task(const NewTask& task, const std::optional<GrantUse>& grant,
                 const std::string& actor) override {
    registry_->open_task(task, grant, actor);
  }
  std::size_t move_tasks(const std::vector<TaskChange>& changes) override {
    return registry_->move_tasks(changes);
  }
  std::vector<TaskRecord> tasks(const TaskFilter& filter) override {
    return registry_->tasks(filter);
  }
  std::vector<TaskTransition> transitions(const std::string& serial) override {
    return registry_->transitions(serial);
  }
  std::vector<TaskRecord> children(const std::string& serial) override {
    return registry_->children(serial);
  }
  std::vector<TaskRecord> request_revocation(const RevocationTarget& target,
                                             const std::string& reason,
                                             const std::string& actor) override {
    return registry_->request_revocation(target, reason, actor);
  }
  void add_ticket(ByteView ticket_hash, const std::string& grant, std::uint64_t expires) override {
    registry_->add_ticket(ticket_hash, grant, expires);
  }
  std::optional<std::string> take_ticket(ByteView ticket_hash) override {
    return registry_->take_ticket(ticket_hash);
  }
  std::size_t purge(std::chrono::seconds history) override { return registry_->purge(history); }
  std::vector<TaskRecord> old_tasks(const std::string& host, std::chrono::seconds history,
                                    const std::optional<TaskRecord>& after) override {
    return registry_->old_tasks(host, history, after);
  }
  std::map<std::string, std::uint64_t> old_tasks_by_host(std::chrono::seconds history) override {
    return registry_->old_tasks_by_host(history);
  }
  std::size_t forget_tasks(const std::vector<std::string>& serials,
                           std::chrono::seconds history) override {
    return registry_->forget_tasks(serials, history);
  }
  std::unique_ptr<Watch> watch() override { return std::make_unique<SilentWatch>(); }

 private:
  [[noreturn]] void found_away() {
    last_found_ = BootClock::now();
    if (!since_) since_ = last_found_;
    throw Error(CKR_FUNCTION_FAILED, "the registry is away; wait");
  }
  void come_back_or_fail() {
    const auto now = BootClock::now();
    if (now - *since_ < kLease + 1ms || now - last_found_ > kLease / 2) found_away();
    is_away_ = false;
  }

  const std::unique_ptr<Registry> registry_;
  const BrokerRecord other_{make_broker_id(), "abcdefabcdef", ProcessIdentity::self()};
  bool was_looked_ = false;
  bool is_away_ = false;
  std::optional<BootClock::time_point> since_;
  BootClock::time_point last_found_{};
  int renewals_ = 0;
  int renewals_since_ = 0;  // it is back
  std::atomic<int> looks_{0};
};

TEST(RegistryThread, TakesNobodyOverWhoCouldNotTellARegistryThatWasAway) {
  const test::TempFolder folder;
  const auto registry =
      std::make_shared<OutageRegistry>(open_sqlite_registry(folder.path() / "registry.db"));
  const auto book = std::make_shared<RegistryBook>(registry, Config{}, BookUpkeep::thread);
  book->enrol();
  {
    const RegistryThread thread(book, kLease,
                                {.ordered = [](const auto&) {},
                                 .lost = [] { ADD_FAILURE() << "it was in time"; },
                                 .inherited = [](const auto&) {}});
    const auto deadline = BootClock::now() + 60s;
    while (registry->looks() == 0 && BootClock::now() < deadline) {
      std::this_thread::sleep_for(5ms);
    }
  }
  EXPECT_GT(registry->looks(), 0);
  EXPECT_EQ(registry->brokers().size(), 2U) << "none was taken over";
}

}  // namespace
}  // namespace mayfly::broker
