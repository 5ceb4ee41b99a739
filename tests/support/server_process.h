// A process that serves a socket, started and ended by the test.
#pragma once

#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

namespace mayfly::test {

/// Starts a program and reads from its standard output the line that tells where it serves. Ends
/// it, with its process group, at destruction.
class ServerProcess {
 public:
  /// @param prefix  What the line starts with; the address is the rest of it.
  /// @throws std::runtime_error if the program ends without saying so.
  ServerProcess(const std::vector<std::string>& command, const std::string& prefix);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  [[nodiscard]] const std::string& address() const noexcept { return address_; }

 private:
  const pid_t owner_ = getpid();
  pid_t process_ = -1;
  std::string address_;
};

}  // namespace mayfly::test
