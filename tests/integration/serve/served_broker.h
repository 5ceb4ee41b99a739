// `mayfly serve`, started by a test.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "integration/broker/broker_home.h"
#include "integration/tools/command.h"

namespace mayfly::test {

/// The configuration of a broker's control socket, and more of the table [serve].
[[nodiscard]] std::string serve_table(const std::string& more = "");

/// Some user who is neither root nor anybody on this machine.
inline constexpr uid_t kStranger = 54'321;

/// A task as `mayfly open --json` tells of it.
struct OpenedTask {
  std::string id;
  std::string serial;
  std::string door;
  std::string p11kit_address;

  /// The path in p11kit_address.
  [[nodiscard]] std::filesystem::path socket() const;
};

/// ServedBroker models one `mayfly serve` and those who ask it. Killed when it goes.
class ServedBroker {
 public:
  struct Options {
    std::function<void()> prepare = [] {};  ///< done in the child, before mayfly
    bool wait = true;                       ///< until it serves
  };

  /// @param folder  Of its mayfly.toml, which has serve_table().
  explicit ServedBroker(std::filesystem::path folder, const Options& options);
  explicit ServedBroker(const BrokerHome& home) : ServedBroker(home.folder(), Options()) {}
  ServedBroker(const BrokerHome& home, const Options& options)
      : ServedBroker(home.folder(), options) {}
  ~ServedBroker();
  ServedBroker(const ServedBroker&) = delete;
  ServedBroker& operator=(const ServedBroker&) = delete;

  [[nodiscard]] pid_t process() const noexcept { return process_; }
  [[nodiscard]] std::filesystem::path socket() const { return home_ / "control"; }
  /// The processes that it has started and that live.
  [[nodiscard]] std::vector<pid_t> children() const;
  [[nodiscard]] std::string errors() const { return read_file(folder_.path() / "errors"); }

  void send(int signal) const;
  /// Waits for its end. @return its exit status, or minus the signal; nothing if it does not end.
  std::optional<int> wait();
  /// SIGTERM, and its end.
  std::optional<int> stop();

  /// Runs another subcommand of mayfly's with the broker's configuration.
  [[nodiscard]] Outcome mayfly(std::vector<std::string> arguments) const;
  /// The same as another user, who knows no more than the control socket.
  [[nodiscard]] Outcome mayfly_as(uid_t user, std::vector<std::string> arguments) const;
  /// Runs a subcommand with --json, which must succeed with a status.
  [[nodiscard]] nlohmann::json ask(std::vector<std::string> arguments, int status = 0) const;

  /// `mayfly open --task ID …`, which must succeed.
  [[nodiscard]] OpenedTask open(const std::string& id,
                                const std::vector<std::string>& more = {}) const;
  /// The tasks that `mayfly list` shows, their states by their IDs.
  [[nodiscard]] std::map<std::string, std::string> list() const;

  /// Runs the test's own client over p11-kit in a task, as some user.
  [[nodiscard]] static Outcome client(const OpenedTask& task, const std::string& action,
                                      uid_t user = 0);
  /// The same through libmayfly.so.
  [[nodiscard]] static Outcome agent(const OpenedTask& task, const std::string& action);

 private:
  const std::filesystem::path home_;
  TempFolder folder_;
  pid_t process_ = -1;
};

[[nodiscard]] OpenedTask read_opened(const nlohmann::json& answer);

/// A client that holds a key in a task, in a process of its own, until it goes.
class HoldingClient {
 public:
  /// @param doing  What it does before it holds: words of its command line.
  explicit HoldingClient(const OpenedTask& task, const std::vector<std::string>& doing = {"hold"});
  ~HoldingClient();
  HoldingClient(const HoldingClient&) = delete;
  HoldingClient& operator=(const HoldingClient&) = delete;

 private:
  pid_t process_ = -1;
};

}  // namespace mayfly::test
