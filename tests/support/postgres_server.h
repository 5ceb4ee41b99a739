// A PostgreSQL server of a test program's own.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "support/temp_folder.h"

namespace mayfly::test {

/// PostgreSQL on a Unix socket in a temporary folder, running as long as this lives. Where the test
/// is root, which PostgreSQL is not, it runs as Debian's user postgres.
class PostgresServer {
 public:
  /// Whether what is committed goes to the disk: no test takes the power away, a benchmark counts
  /// it.
  enum class Disk { skipped, written };

  /// @throws std::runtime_error when it can't be made or started.
  explicit PostgresServer(Disk disk = Disk::skipped);
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  /// The URL of a new, empty database.
  [[nodiscard]] std::string make_database();

  /// Ends it at once, as a crash would, and all its sessions; start() brings it back.
  void kill();
  void start();

  /// Stops it and all its sessions in the middle of whatever they do, and lets them go on.
  void freeze() const;
  void thaw() const;

 private:
  [[nodiscard]] std::string url(const std::string& database) const;
  [[nodiscard]] std::vector<pid_t> processes() const;

  TempFolder folder_;
  const Disk disk_;
  const pid_t owner_;
  pid_t number_ = -1;
  unsigned databases_ = 0;
};

}  // namespace mayfly::test
