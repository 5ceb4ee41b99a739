// Several brokers with one registry and one device, each as if on a machine of its own.
#pragma once

#include <memory>
#include <string>

#include "integration/serve/served_broker.h"
#include "support/postgres_server.h"
#include "support/softhsm_token.h"
#include "support/temp_folder.h"

namespace mayfly::test {

/// Relay forwards connections to a PostgreSQL server, until it is cut off from it.
class Relay {
 public:
  /// @param url  Of a database of PostgresServer's.
  explicit Relay(const std::string& url);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// The database, by way of the relay.
  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  /// Nothing gets through, and nobody is told so.
  void cut() const;
  void heal() const;

 private:
  TempFolder folder_;
  std::string url_;
  pid_t process_ = -1;
};

/// FleetMember models a machine of its own with a broker on it.
class FleetMember {
 public:
  /// @param url      Of the registry's database.
  /// @param machine  Its machine-id(5) is made of this digit.
  FleetMember(const SoftHsmToken& token, const std::string& url, char machine);

  [[nodiscard]] ServedBroker& broker() const { return *broker_; }
  [[nodiscard]] std::string log() const { return read_file(folder_.path() / "log"); }
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_.path(); }

  /// Kills the broker, and starts another one.
  void kill();
  void start();

 private:
  TempFolder folder_;
  std::filesystem::path machine_id_;
  std::unique_ptr<ServedBroker> broker_;
};

/// The lease of the fleet's brokers.
inline constexpr std::chrono::seconds kFleetLease{3};

}  // namespace mayfly::test
