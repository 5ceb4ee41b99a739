#include "base/guarded_file.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/bounded_read.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/safeguard.h"

namespace mayfly {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& problem) {
  throw Error(CKR_GENERAL_ERROR, path + ": " + problem);
}

void check_owner(const std::string& path, const struct stat& file) {
  const uid_t self = geteuid();
  if (file.st_uid == self || file.st_uid == 0) return;
  refuse(path, "belongs to user " + std::to_string(file.st_uid) +
                   ", who could change it at any time; run: chown " + std::to_string(self) + " " +
                   shell_word(path));
}

void check_exposure(const std::string& path, const struct stat& file, Exposure allowed) {
  if (!kept(Safeguard::guarded_files)) return;
  const bool others_read = (file.st_mode & S_IROTH) != 0;
  const bool group_reads = (file.st_mode & S_IRGRP) != 0;
  if ((allowed != Exposure::readable && others_read) ||
      (allowed == Exposure::secret && group_reads)) {
    refuse(path, std::string("can be read by ") + (others_read ? "everybody" : "its group") +
                     "; run: chmod 600 " + shell_word(path));
  }
  const bool others_write = (file.st_mode & S_IWOTH) != 0;
  const bool group_writes = (file.st_mode & S_IWGRP) != 0;
  if (others_write || group_writes) {
    refuse(path, std::string("can be written by ") + (others_write ? "everybody" : "its group") +
                     "; run: chmod go-w " + shell_word(path));
  }
}

}  // namespace

Descriptor open_guarded(const std::string& path, Exposure allowed) {
  // Without O_NONBLOCK, opening a FIFO in place of the file would wait for a writer.
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) {
    refuse(path, std::string("can't be opened: ") + std::strerror(errno) +
                     "; check the path and its permissions");
  }
  struct stat status {};
  if (fstat(file.number(), &status) != 0) {
    refuse(path, std::string("can't be examined: ") + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) refuse(path, "is not a regular file; name the file itself");
  check_owner(path, status);
  check_exposure(path, status, allowed);
  return file;
}

std::string read_guarded(const Descriptor& file, const std::string& path, std::size_t most) {
  std::string content(most + 1, '\0');
  try {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    content.resize(read_to_end(file.number(),
                               {reinterpret_cast<std::uint8_t*>(content.data()), content.size()},
                               deadline));
  } catch (const std::system_error& error) {
    refuse(path, std::string("can't be read: ") + std::strerror(error.code().value()));
  }
  if (content.size() > most) {
    refuse(path, "is larger than " + std::to_string(most / 1024) +
                     " KiB, which no such file is; name the right file");
  }
  return content;
}

std::string shell_word(std::string_view text) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace mayfly
