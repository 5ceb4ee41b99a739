// A task whose worker is attacked by clients: what must hold before, meanwhile and after.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <sys/types.h>

#include <gtest/gtest.h>

#include "integration/broker/hostile_agent.h"
#include "integration/broker/hostile_client.h"
#include "integration/broker/mayfly_run.h"

namespace mayfly::test {

// KiB more than at the start. Sanitizers keep freed memory for a while, and count it: there, this
// finds only what grows without end.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MAYFLY_TEST_SANITIZED
// Of which their threads take most: with ThreadSanitizer, two MiB each.
#ifdef __SANITIZE_THREAD__
constexpr std::size_t kForConnections = std::size_t{112} * 1024;
#else
constexpr std::size_t kForConnections = std::size_t{44} * 1024;
#endif
constexpr std::size_t kMostMemory = std::size_t{768} * 1024;
#else
constexpr std::size_t kForConnections = std::size_t{16} * 1024;
constexpr std::size_t kMostMemory = std::size_t{96} * 1024;
#endif

/// A line of /proc/PID/status, as a number.
[[nodiscard]] std::size_t status_of(pid_t process, const std::string& name);
[[nodiscard]] std::size_t descriptors_of(pid_t process);

/// AttackedRun is a task with small limits, unmodified clients in it and in another one, and a
/// bystander at each door. After each test, when the attacker has gone, all of them sign as before,
/// and nothing of the attack is left in the worker.
class AttackedRun : public testing::Test {
 protected:
  static constexpr int kConnections = 32;
  static constexpr int kSessions = 100;
  static constexpr int kObjects = 1'000;  // which may have 4 MiB
  static constexpr int kAlwaysThere = 3;  // connections that are not an attacker's

  AttackedRun();
  void SetUp() override;
  /// What must hold after each attack.
  void TearDown() override;

  /// The bystanders sign, and the unmodified clients have never met an error.
  void expect_others_sign() const;

  [[nodiscard]] HostileClient connect() const { return HostileClient(socket_); }
  [[nodiscard]] std::filesystem::path door() const { return socket_.parent_path() / "door"; }
  [[nodiscard]] HostileAgent enter() const { return HostileAgent(door()); }
  [[nodiscard]] bool is_logged(const std::string& text) const;
  /// Whether the worker has as many descriptors as before the attack, within some time.
  [[nodiscard]] bool is_calm() const;

  const BrokerHome home_;
  MayflyRun run_;
  MayflyRun other_;
  pid_t worker_ = -1;
  std::filesystem::path socket_;
  std::unique_ptr<HostileClient> bystander_;
  std::unique_ptr<HostileAgent> agent_bystander_;
  std::size_t threads_ = 0;
  std::size_t descriptors_ = 0;
  std::size_t memory_ = 0;
  std::size_t most_memory_ = kMostMemory;  // beyond that
};

}  // namespace mayfly::test
