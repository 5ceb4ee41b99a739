#include "secrets/client_driver.h"

#include <fcntl.h>
#include <sstream>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

#include "integration/broker/broker_home.h"

namespace mayfly::test {

ClientDriver::ClientDriver(std::function<std::string()> output) : output_(std::move(output)) {
  if (mkfifo(fifo().c_str(), 0600) != 0) throw std::runtime_error("no FIFO");
  // For reading too, so that opening it does not wait.
  commands_ = open(fifo().c_str(), O_RDWR | O_CLOEXEC);
}

ClientDriver::~ClientDriver() { close(commands_); }

void ClientDriver::await(const std::string& text) {
  if (eventually([&] { return output_().find(text) != std::string::npos; })) return;
  throw std::runtime_error("the client did not say \"" + text + "\" but: " + output_());
}

void ClientDriver::await_ready() { await("ready done"); }

void ClientDriver::step(const std::string& word, const std::string& secret) {
  const std::string line = word + (secret.empty() ? "" : " " + secret) + "\n";
  if (write(commands_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("the FIFO takes no command");
  }
  if (word != "leave") await(word + " done");
}

std::vector<Bytes> ClientDriver::points() const {
  std::vector<Bytes> points;
  std::istringstream words(output_());
  for (std::string word; words >> word;) {
    if (word.size() != 130) continue;
    Bytes& point = points.emplace_back();
    for (std::size_t i = 0; i < word.size(); i += 2) {
      point.push_back(static_cast<std::uint8_t>(std::stoul(word.substr(i, 2), nullptr, 16)));
    }
  }
  return points;
}

}  // namespace mayfly::test
