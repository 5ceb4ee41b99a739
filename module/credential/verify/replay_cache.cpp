#include "credential/verify/replay_cache.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/hash.h"

namespace mayfly::credential {
namespace {

constexpr std::size_t kNameDigits = 64;
constexpr std::size_t kEndDigits = 12;  // the end of the year 9999 has as many
constexpr std::size_t kLineSize = kNameDigits + 1 + kEndDigits + 1;
// A file that was written to has at most as many lines as it may have.
constexpr std::size_t kMostSize = 1'000'000'000;
// Instead of a proof's name, in the first line: its time is the latest that ended any line.
constexpr std::string_view kClockName =
    "0000000000000000000000000000000000000000000000000000000000000000";
static_assert(kClockName.size() == kNameDigits);

[[noreturn]] void refuse_file(const std::string& path, const std::string& why) {
  throw Error(CKR_GENERAL_ERROR, path + ": " + why);
}

/// By an earlier clock, proofs that were forgotten would hold again: which of them were seen?
void check_clock(std::uint64_t until, std::uint64_t now, std::uint64_t latest,
                 const std::string& where) {
  if (now < latest && until < latest) {
    throw Error(CKR_GENERAL_ERROR,
                where + "the clock was set back by " + std::to_string(latest - now) +
                    " s, and proofs that were seen before have been forgotten; they are refused "
                    "until it has caught up");
  }
}

/// "NAME TIME\n", always as long.
std::string line_of(const std::string& name, std::uint64_t end) {
  std::string digits = std::to_string(end);
  if (name.size() != kNameDigits || digits.size() > kEndDigits) {
    throw Error(CKR_ARGUMENTS_BAD, "a proof can't be remembered by such a name or for so long");
  }
  return name + " " + std::string(kEndDigits - digits.size(), '0') + digits + "\n";
}

Descriptor open_locked(const std::string& path) {
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!file) refuse_file(path, std::strerror(errno));
  struct stat status {};
  if (fstat(file.number(), &status) != 0) refuse_file(path, std::strerror(errno));
  // Who can open it can lock it, and hold up whoever waits for it.
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
      (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    refuse_file(path, "is no file that only its owner, this user, can open; run: chmod 600");
  }
  int answer = 0;
  do {
    answer = flock(file.number(), LOCK_EX);
  } while (answer != 0 && errno == EINTR);
  if (answer != 0) refuse_file(path, std::strerror(errno));
  if (fstat(file.number(), &status) != 0) refuse_file(path, std::strerror(errno));
  if (static_cast<std::size_t>(status.st_size) > kMostSize) {
    refuse_file(path, "is no file of proofs that were seen");
  }
  return file;
}

std::string read_locked(const Descriptor& file, const std::string& path) {
  std::string content;
  char part[64 * 1024];
  for (;;) {
    const ssize_t got = pread(file.number(), part, sizeof part, static_cast<off_t>(content.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse_file(path, std::strerror(errno));
    if (got == 0) break;
    content.append(part, static_cast<std::size_t>(got));
  }
  // A writer that was killed may have left the start of a line: its proof was not taken.
  content.resize(content.size() - content.size() % kLineSize);
  return content;
}

void write_at(const Descriptor& file, std::size_t place, std::string_view text,
              const std::string& path) {
  while (!text.empty()) {
    const ssize_t done = pwrite(file.number(), text.data(), text.size(), static_cast<off_t>(place));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) refuse_file(path, std::strerror(errno));
    place += static_cast<std::size_t>(done);
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

std::uint64_t time_of_line(std::string_view line, const std::string& path) {
  std::uint64_t end = 0;
  for (const char c : line.substr(kNameDigits + 1, kEndDigits)) {
    if (c < '0' || c > '9') refuse_file(path, "is no file of proofs that were seen");
    end = end * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (line[kNameDigits] != ' ' || line.back() != '\n' ||
      !is_hex(line.substr(0, kNameDigits), kNameDigits)) {
    refuse_file(path, "is no file of proofs that were seen");
  }
  return end;
}

}  // namespace

std::string replay_name(std::string_view thumbprint, std::string_view id) {
  // A thumbprint has no space.
  return to_hex(digest(Hash::sha256, as_bytes(std::string(thumbprint) + " " + std::string(id))));
}

bool MemoryReplayCache::is_first(const std::string& what, std::uint64_t until_unix_s,
                                 std::uint64_t now_unix_s) {
  const std::lock_guard lock(mutex_);
  check_clock(until_unix_s, now_unix_s, latest_, "");
  latest_ = std::max(latest_, now_unix_s);
  const auto kept = by_end_.lower_bound(latest_);
  for (auto past = by_end_.begin(); past != kept; ++past) seen_.erase(past->second);
  by_end_.erase(by_end_.begin(), kept);
  if (seen_.contains(what)) return false;
  if (seen_.size() >= most_) {
    throw Error(CKR_GENERAL_ERROR,
                "no more proofs can be remembered; they are refused until some of them have ended");
  }
  by_end_.emplace(until_unix_s, what);
  seen_.insert(what);
  return true;
}

bool FileReplayCache::is_first(const std::string& what, std::uint64_t until_unix_s,
                               std::uint64_t now_unix_s) {
  const std::string line = line_of(what, until_unix_s);
  const Descriptor file = open_locked(path_);
  const std::string content = read_locked(file, path_);
  std::uint64_t latest = 0;
  if (!content.empty()) {
    if (!content.starts_with(kClockName)) refuse_file(path_, "is no file of proofs that were seen");
    latest = time_of_line(std::string_view(content).substr(0, kLineSize), path_);
  }
  check_clock(until_unix_s, now_unix_s, latest, path_ + ": ");
  const std::uint64_t now = std::max(now_unix_s, latest);
  const std::size_t behind = std::max(content.size(), kLineSize);
  std::size_t room = behind;  // the first line that has ended, or behind the last one
  for (std::size_t at = kLineSize; at < content.size(); at += kLineSize) {
    const std::string_view old = std::string_view(content).substr(at, kLineSize);
    const std::uint64_t end = time_of_line(old, path_);
    if (end >= now && old.substr(0, kNameDigits) == what) return false;
    if (end < now && room == behind) room = at;
  }
  if (room == behind && behind / kLineSize > most_) {
    refuse_file(path_, "is full; proofs are refused until some of them have ended");
  }
  // Before the line that it ended is written over.
  if (now > latest || content.empty())
    write_at(file, 0, line_of(std::string(kClockName), now), path_);
  write_at(file, room, line, path_);
  if (fdatasync(file.number()) != 0) refuse_file(path_, std::strerror(errno));
  return true;
}

}  // namespace mayfly::credential
