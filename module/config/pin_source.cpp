#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <system_error>
#include <vector>

#include "base/bounded_read.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/guarded_file.h"
#include "base/program_run.h"
#include "config/config.h"

namespace mayfly {
namespace {

constexpr std::size_t kMaxDevicePin = 255;
// One more for the newline, and one that shows that there was too much.
constexpr std::size_t kRoom = kMaxDevicePin + 2;
constexpr std::chrono::seconds kTimeLimit{10};

[[noreturn]] void fail(const std::string& message) { throw Error(CKR_GENERAL_ERROR, message); }

/// The number of a descriptor that a PIN can come from; -1 for anything else.
int parse_descriptor(std::string_view text) noexcept {
  static constexpr int kMost = 1'048'575;
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  const bool output = number == 1 || number == 2;
  return whole && number >= 0 && number <= kMost && !output ? number : -1;
}

std::string parse_file(std::string_view value, const std::filesystem::path& folder) {
  if (value.empty()) fail("a pin-source file: needs a path; write file:/full/path");
  if (value.front() == '~') fail("a pin-source file: does not expand ~; write the full path");
  return (folder / value).lexically_normal().string();
}

std::string parse_credential(std::string_view value) {
  if (value.empty() || value.find('/') != std::string_view::npos || value == "." || value == "..") {
    fail(
        "a pin-source credential: needs the credential's name, without a path; write "
        "credential:NAME");
  }
  return std::string(value);
}

std::string parse_command(std::string_view value) {
  const auto words = split_at_spaces(value);
  if (words.empty() || words.front().front() != '/') {
    fail(
        "a pin-source command: needs the program's full path; write command:/full/path "
        "ARGUMENTS");
  }
  return std::string(value);
}

SecretBuffer read_descriptor(int descriptor, const std::string& what) {
  SecretBuffer room(kRoom);
  try {
    const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
    room.truncate(read_to_end(descriptor, room.span(), deadline));
  } catch (const std::system_error& error) {
    const int reason = error.code().value();
    if (reason == ETIMEDOUT) {
      fail(what + " had no end after 10 s; close its writing end once the PIN is written");
    }
    fail(what + " can't be read: " + std::strerror(reason));
  }
  return room;
}

SecretBuffer read_file(const std::string& path, Exposure allowed, const std::string& what) {
  const Descriptor file = open_guarded(path, allowed);
  return read_descriptor(file.number(), what);
}

SecretBuffer read_inherited(const std::string& number, const std::string& what) {
  // A duplicate, because the original may be closed at any time by another thread of the host.
  const Descriptor copy(fcntl(parse_descriptor(number), F_DUPFD_CLOEXEC, 3));
  if (!copy) {
    fail(what + " can't be read: " + std::strerror(errno) +
         "; hand the descriptor over when starting the process");
  }
  return read_descriptor(copy.number(), what);
}

SecretBuffer read_credential(const std::string& name, const std::string& what) {
  const char* folder = secure_getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder != '/') {
    fail(what +
         " can't be read: $CREDENTIALS_DIRECTORY is not set; start this as a systemd service with "
         "LoadCredential=" +
         name);
  }
  return read_file(std::string(folder) + "/" + name, Exposure::granted, what);
}

SecretBuffer read_command(const std::string& command) {
  SecretBuffer room(kRoom);
  room.truncate(run_program(
      {"the PIN command", split_at_spaces(command), {}, "the PIN", kTimeLimit}, room.span()));
  return room;
}

/// Cuts one newline and refuses what can't be a PIN: every attempt with it would count.
void check_pin(SecretBuffer& pin, const std::string& what) {
  if (!pin.empty() && pin.view().back() == '\n') pin.truncate(pin.size() - 1);
  if (pin.empty()) fail(what + " is empty; put the PIN there");
  if (pin.size() > kMaxDevicePin) fail(what + " is longer than 255 bytes, which no PIN is");
  for (const std::uint8_t byte : pin.view()) {
    if (byte < 0x20 || byte == 0x7f) {
      fail(what +
           " holds control characters (more than one line, or the line ends of Windows?); "
           "leave the PIN alone in it");
    }
  }
}

}  // namespace

PinSource PinSource::parse(std::string_view text, const std::filesystem::path& folder) {
  const std::size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  const std::string_view value = colon == text.npos ? std::string_view{} : text.substr(colon + 1);
  if (text.find('\0') != text.npos) fail("a pin-source can't hold a zero byte; leave it out");
  if (colon != text.npos && kind == "file") return {Kind::file, parse_file(value, folder)};
  if (colon != text.npos && kind == "credential")
    return {Kind::credential, parse_credential(value)};
  if (colon != text.npos && kind == "command") return {Kind::command, parse_command(value)};
  if (colon != text.npos && kind == "fd") {
    if (parse_descriptor(value) < 0) {
      fail("a pin-source fd: needs the number of a descriptor that can be read; write fd:3, say");
    }
    return {Kind::descriptor, std::string(value)};
  }
  fail(
      "a pin-source says where the PIN is, not what it is; write file:PATH, fd:NUMBER, "
      "credential:NAME or command:PROGRAM ARGUMENTS");
}

std::string PinSource::describe() const {
  switch (kind) {
    case Kind::file:
      return "file:" + value;
    case Kind::descriptor:
      return "fd:" + value;
    case Kind::credential:
      return "credential:" + value;
    case Kind::command:
      break;
  }
  return "command:" + split_at_spaces(value).front();
}

SecretBuffer PinSource::read() const {
  const std::string what = "the PIN source " + describe();
  SecretBuffer pin;
  switch (kind) {
    case Kind::file:
      pin = read_file(value, Exposure::secret, what);
      break;
    case Kind::descriptor:
      pin = read_inherited(value, what);
      break;
    case Kind::credential:
      pin = read_credential(value, what);
      break;
    case Kind::command:
      pin = read_command(value);
      break;
  }
  check_pin(pin, what);
  return pin;
}

}  // namespace mayfly
