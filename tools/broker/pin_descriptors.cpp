#include "tools/broker/pin_descriptors.h"

#include <fcntl.h>
#include <string>
#include <unistd.h>

#include "tools/failure.h"

namespace mayfly::broker {
namespace {

void add(const PinSource& source, std::vector<int>& descriptors) {
  if (source.kind != PinSource::Kind::descriptor) return;
  const int number = std::stoi(source.value);
  if (number == STDIN_FILENO) {
    throw tools::Failure(tools::kWrongPin,
                         "pin-source " + source.describe() +
                             " is the command's standard input; hand the PIN over by fd:3, say");
  }
  if (fcntl(number, F_GETFD) < 0) {
    throw tools::Failure(tools::kWrongPin, "pin-source " + source.describe() +
                                               " is not open; start mayfly with " +
                                               std::to_string(number) + "<FILE");
  }
  descriptors.push_back(number);
}

}  // namespace

std::vector<int> pin_descriptors(const Config& config) {
  std::vector<int> descriptors;
  add(config.device.pin_source, descriptors);
  if (config.login.pin_source) add(*config.login.pin_source, descriptors);
  return descriptors;
}

}  // namespace mayfly::broker
