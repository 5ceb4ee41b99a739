// Leads a secret_client step by step.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "support/temp_folder.h"

namespace mayfly::test {

/// ClientDriver writes commands into a FIFO and waits for the client's answers in a file.
class ClientDriver {
 public:
  /// @param output  What the client has printed so far.
  explicit ClientDriver(std::function<std::string()> output);
  ~ClientDriver();
  ClientDriver(const ClientDriver&) = delete;
  ClientDriver& operator=(const ClientDriver&) = delete;

  [[nodiscard]] std::filesystem::path fifo() const { return folder_.path() / "fifo"; }

  /// Waits until the client is there. Throws std::runtime_error if it does not come.
  void await_ready();
  /// Sends one command and waits until it is done. Throws std::runtime_error if it is not.
  /// @param secret  A word behind it, for "login".
  void step(const std::string& word, const std::string& secret = "");

  /// The public points that "make" has printed.
  [[nodiscard]] std::vector<Bytes> points() const;

 private:
  void await(const std::string& text);

  TempFolder folder_;
  const std::function<std::string()> output_;
  int commands_ = -1;
};

}  // namespace mayfly::test
