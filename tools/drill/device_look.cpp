#include "tools/drill/device_look.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "device/pkcs11/token_objects.h"
#include "device/pkcs11/token_search.h"
#include "tools/configuration.h"
#include "tools/token_session.h"

namespace mayfly::drill {
namespace {

/// The token's objects, each on a line: "CLASS LABEL ID".
std::string list_objects(const Config& config) {
  tools::set_device_environment(config.device.environment);
  pkcs11::VendorModule module(config.device.module.string());
  module.initialize();
  const pkcs11::Token token = pkcs11::find_token(module, config.device.token);
  tools::TokenSession session(module, token.slot, 0);
  SecretBuffer pin = config.device.pin_source.read();
  session.log_in(CKU_USER, pin);
  std::string list;
  CK_BBOOL on_token = CK_TRUE;
  for (CK_OBJECT_CLASS object_class :
       {CKO_DATA, CKO_CERTIFICATE, CKO_PUBLIC_KEY, CKO_PRIVATE_KEY, CKO_SECRET_KEY}) {
    for (const CK_OBJECT_HANDLE object :
         pkcs11::find_objects(module.functions(), session.handle(),
                              {{CKA_TOKEN, &on_token, sizeof on_token},
                               {CKA_CLASS, &object_class, sizeof object_class}})) {
      const auto name = pkcs11::read_name(module.functions(), session.handle(), object);
      list += std::to_string(object_class) + " " +
              (name ? name->label + " " + to_hex(name->id) : std::string("unnamed")) + "\n";
    }
  }
  return list;
}

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) _exit(1);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 4096> part{};
  while (true) {
    const ssize_t size = read(descriptor, part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace

DeviceLook::DeviceLook(const Ground& ground) {
  if (ground.config().device.type == DeviceType::tpm) {
    throw NotTried("keys are never stored in a TPM");
  }
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::runtime_error("no pipe can be made");
  const Descriptor from_child(ends[0]);
  Descriptor to_parent(ends[1]);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process can be made");
  if (child == 0) {
    try {
      write_all(to_parent.number(), list_objects(ground.config()));
      _exit(0);
    } catch (const std::exception& error) {
      write_all(to_parent.number(), error.what());
      _exit(1);
    }
  }
  to_parent.reset();
  std::istringstream lines(read_all(from_child.number()));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) throw std::runtime_error("the device can't be looked at: " + lines.str());
  for (std::string line; std::getline(lines, line);) objects_.insert(line);
}

std::string DeviceLook::added_since(const DeviceLook& before) const {
  std::vector<std::string> added;
  std::ranges::set_difference(objects_, before.objects_, std::back_inserter(added));
  std::string list;
  for (const std::string& object : added) list += (list.empty() ? "" : ", ") + object;
  return list;
}

}  // namespace mayfly::drill
