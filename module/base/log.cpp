#include "base/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "base/write_line.h"

namespace mayfly::log {
namespace {

std::atomic<Level> threshold{Level::warn};
std::atomic<std::uint64_t> lost_lines{0};

/// The name of the log file, kept in place: it may be replaced while others read it, and a module
/// that is unloaded must leave nothing behind.
class FileName {
 public:
  static constexpr std::size_t kMaxSize = 4096;  // PATH_MAX

  void set(const std::string& name) noexcept {
    version_.fetch_add(1);  // odd: being written
    for (std::size_t i = 0; i < name.size(); ++i) text_[i].store(name[i]);
    text_[name.size()].store('\0');
    version_.fetch_add(1);
  }

  /// Empty if it is being written all the while, as in a child that was forked just then.
  [[nodiscard]] std::string get() const {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const unsigned before = version_.load();
      std::string name;
      for (std::size_t i = 0; i < kMaxSize; ++i) {
        const char c = text_[i].load();
        if (c == '\0') break;
        name += c;
      }
      if (before % 2 == 0 && version_.load() == before) return name;
    }
    return {};
  }

 private:
  std::atomic<unsigned> version_{0};
  std::array<std::atomic<char>, kMaxSize> text_{};
};

constinit FileName log_file;

int open_log(const std::string& file) {
  // A named pipe that nobody reads is refused, not waited for.
  return open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
              0600);
}

const char* name(Level level) noexcept {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warning";
    case Level::error:
      return "error";
    case Level::off:
      break;
  }
  return "";
}

/// "2026-01-31T12:00:00.000Z mayfly[PID] warning: ". Without gmtime_r, whose time zone lock a
/// forked child can inherit locked.
std::string prefix(Level level) {
  using namespace std::chrono;
  const auto now = floor<milliseconds>(system_clock::now());
  const auto day = floor<days>(now);
  const year_month_day date{day};
  const hh_mm_ss time{now - day};
  char text[96];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ mayfly[%d] %s: ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                static_cast<int>(time.subseconds().count()), static_cast<int>(getpid()),
                name(level));
  return text;
}

bool write_to(const std::string& file, std::string line) {
  if (file.empty()) return write_line(STDERR_FILENO, line);
  const int descriptor = open_log(file);
  if (descriptor < 0) return false;
  line += '\n';
  const bool written =
      ::write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  close(descriptor);
  return written;
}

}  // namespace

std::optional<Level> find_level(std::string_view name) noexcept {
  std::string_view names = kLevelNames;
  for (int number = 0; !names.empty(); ++number) {
    const std::string_view first = names.substr(0, names.find('|'));
    if (first == name) return static_cast<Level>(number);
    names.remove_prefix(std::min(first.size() + 1, names.size()));
  }
  return std::nullopt;
}

void configure(Level level, const std::string& file) {
  if (file.size() >= FileName::kMaxSize) {
    throw Error(CKR_GENERAL_ERROR, "the name of the log file is too long; check log.file");
  }
  if (!file.empty()) {
    const int descriptor = open_log(file);
    if (descriptor < 0) {
      throw Error(CKR_GENERAL_ERROR, "log file " + file + " can't be opened: " +
                                         std::strerror(errno) + "; check log.file");
    }
    close(descriptor);
  }
  log_file.set(file);
  threshold.store(level);
}

bool enabled(Level level) noexcept { return level != Level::off && level >= threshold.load(); }

void write(Level level, std::string_view message) noexcept {
  if (!enabled(level)) return;
  const int saved_errno = errno;
  try {
    std::string line = prefix(level);
    const std::uint64_t lost = lost_lines.exchange(0);
    if (lost != 0) line += "(" + std::to_string(lost) + " lines before could not be written) ";
    line += printable_utf8(message);
    if (!write_to(log_file.get(), std::move(line))) lost_lines.fetch_add(lost + 1);
  } catch (...) {  // a log line is never worth a failed call
  }
  errno = saved_errno;
}

}  // namespace mayfly::log
