#include "ledger/chain_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/guarded_file.h"
#include "base/random.h"

namespace mayfly::ledger {
namespace {

constexpr mode_t kBeingWritten = S_IRUSR | S_IWUSR;
constexpr mode_t kFinished = S_IRUSR;

// Something else of that name may be there by now: a pipe would wait for its other end.
constexpr int kOpenAgain = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

/// A position for the descriptor of one file: random, and beyond all that others come to by
/// reading or writing.
off_t random_position() {
  std::array<std::uint8_t, 5> bytes{};
  fill_random(bytes, "the mark of a ledger's descriptor");
  off_t position = 1;
  for (const std::uint8_t byte : bytes) position = position << 8 | byte;
  return position;
}

rlim_t most_of_a_file() noexcept {
  rlimit limit{};
#if defined(SYS_getrlimit) && defined(__LP64__)
  // The C library asks for more than this, which takes twice the time.
  const bool known = syscall(SYS_getrlimit, RLIMIT_FSIZE, &limit) == 0;
#else
  const bool known = getrlimit(RLIMIT_FSIZE, &limit) == 0;
#endif
  return known ? limit.rlim_cur : RLIM_INFINITY;
}

std::string why(int error) { return std::strerror(error); }

std::string file_name(std::string_view serial) { return std::string(serial) + ".jsonl"; }

}  // namespace

std::filesystem::path chain_path(const std::filesystem::path& folder, std::string_view serial) {
  return folder / file_name(serial);
}

Descriptor open_folder(const std::filesystem::path& folder) {
  const auto refuse = [&folder](const std::string& problem) {
    throw Error(CKR_FUNCTION_FAILED, "the ledger's folder " + folder.string() + " " + problem);
  };
  Descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) {
    refuse("can't be opened: " + why(errno) + "; run: install -d -m 700 " +
           shell_word(folder.string()));
  }
  struct stat status {};
  if (fstat(opened.number(), &status) != 0) refuse("can't be examined: " + why(errno));
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    refuse("belongs to user " + std::to_string(status.st_uid) +
           ", who could take chains away; run: chown " + std::to_string(geteuid()) + " " +
           shell_word(folder.string()));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    refuse("can be written by others; run: chmod go-w " + shell_word(folder.string()));
  }
  return opened;
}

ChainFile::ChainFile(const std::filesystem::path& folder, std::string_view serial)
    : folder_(folder), path_(chain_path(folder, serial).string()), mark_(random_position()) {
  const Descriptor opened = open_folder(folder);
  file_ = openat(opened.number(), file_name(serial).c_str(),
                 O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kBeingWritten);
  if (file_ < 0) {
    refuse("can't be made: " + why(errno) + "; look at the ledger's folder and its disk");
  }
  struct stat status {};
  // Whatever the umask of the process is.
  if (fchmod(file_, kBeingWritten) != 0 || fstat(file_, &status) != 0 || !mark(file_)) {
    const int error = errno;
    close(file_);
    refuse("can't be guarded: " + why(error));
  }
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

ChainFile::~ChainFile() {
  if (examine(file_)) close(file_);
}

std::optional<struct stat> ChainFile::examine(int number) const noexcept {
  struct stat status {};
  if (fstat(number, &status) != 0 || status.st_dev != device_ || status.st_ino != inode_) {
    return std::nullopt;
  }
  return status;
}

bool ChainFile::mark(int number) const noexcept { return lseek(number, mark_, SEEK_SET) == mark_; }

bool ChainFile::is_marked() const noexcept { return lseek(file_, 0, SEEK_CUR) == mark_; }

void ChainFile::open_again() {
  file_ = open(path_.c_str(), O_WRONLY | O_APPEND | kOpenAgain);
  if (file_ >= 0 && !(examine(file_) && mark(file_))) {
    close(file_);
    file_ = -1;
  }
  if (file_ < 0) refuse("was closed by somebody else, and is not there any more; end the task");
}

void ChainFile::refuse(const std::string& problem) const {
  throw Error(CKR_FUNCTION_FAILED, "the ledger " + path_ + " " + problem);
}

void ChainFile::require_untouched() {
  if (damaged_) refuse("takes no more entries, since one could not be written; end the task");
  const auto now = std::chrono::steady_clock::now();
  const bool ours = is_marked();
  if (ours && now < looked_ + kLookAgain) return;
  if (!ours) open_again();
  const std::optional<struct stat> status = examine(file_);
  if (!status || status->st_nlink == 0) {
    refuse("was removed while its task was open; end the task");
  }
  if (static_cast<std::uint64_t>(status->st_size) != size_) {
    refuse("was changed by somebody else while its task was open; end the task");
  }
  struct stat named {};
  if (fstatat(AT_FDCWD, path_.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      named.st_dev != status->st_dev || named.st_ino != status->st_ino) {
    refuse("was moved away while its task was open; end the task");
  }
  looked_ = now;
}

void ChainFile::require_room(std::size_t size) const {
  // A write at the limit would raise SIGXFSZ, which ends most processes. Asked each time, since the
  // limit may come at any time.
  const rlim_t limit = most_of_a_file();
  if (limit == RLIM_INFINITY) return;
  if (size > limit || size_ > limit - size) {
    refuse("is as long as a file of this process may be; see: ulimit -f");
  }
}

void ChainFile::roll_back() noexcept {
  if (!examine(file_) || ftruncate(file_, static_cast<off_t>(size_)) != 0) damaged_ = true;
}

void ChainFile::append(std::string_view line) {
  require_untouched();
  require_room(line.size());
  ssize_t written = 0;
  do {
    // To the end, wherever that is, and without moving the descriptor's position: open(2), BUGS of
    // pwrite(2).
    written = pwrite(file_, line.data(), line.size(), 0);
  } while (written < 0 && errno == EINTR);
  const int error = written < 0 ? errno : ENOSPC;
  if (written == static_cast<ssize_t>(line.size())) {
    size_ += line.size();
    return;
  }
  roll_back();
  refuse("can't be written: " + why(error) +
         (error == ENOSPC || error == EDQUOT ? "; make room on its disk" : ""));
}

void ChainFile::sync_name() {
  if (name_synced_) return;
  const Descriptor folder = open_folder(folder_);
  if (fsync(folder.number()) != 0) refuse("has a folder that can't be written to the disk");
  name_synced_ = true;
}

void ChainFile::sync() {
  // Others may append meanwhile, to whom the number belongs.
  Descriptor again;
  int number = file_;
  if (!examine(number)) {
    again.reset(open(path_.c_str(), O_RDONLY | kOpenAgain));  // finished ones are read-only
    number = again.number();
  }
  int error = 0;
  if (!examine(number)) {
    error = ENOENT;
  } else {
    while (fdatasync(number) != 0) {
      error = errno;
      if (error != EINTR) break;
      error = 0;
    }
  }
  if (error == 0) return;
  damaged_ = true;  // what the kernel could not write, it may have forgotten by the next time
  refuse("can't be written to the disk: " + why(error));
}

void ChainFile::finish() noexcept {
  if (examine(file_)) static_cast<void>(fchmod(file_, kFinished));
}

void ChainFile::remove_if_empty() noexcept {
  if (size_ == 0) static_cast<void>(unlink(path_.c_str()));
}

}  // namespace mayfly::ledger
