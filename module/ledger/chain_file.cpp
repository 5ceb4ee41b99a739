#include "ledger/chain_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/guarded_file.h"

namespace mayfly::ledger {
namespace {

constexpr mode_t kBeingWritten = S_IRUSR | S_IWUSR;
constexpr mode_t kFinished = S_IRUSR;

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
    : path_(chain_path(folder, serial).string()), folder_(open_folder(folder)) {
  file_.reset(openat(folder_.number(), file_name(serial).c_str(),
                     O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     kBeingWritten));
  if (!file_) refuse("can't be made: " + why(errno) + "; look at the ledger's folder and its disk");
  // Whatever the umask of the process is.
  if (fchmod(file_.number(), kBeingWritten) != 0) refuse("can't be guarded: " + why(errno));
}

void ChainFile::refuse(const std::string& problem) const {
  throw Error(CKR_FUNCTION_FAILED, "the ledger " + path_ + " " + problem);
}

void ChainFile::require_untouched() {
  if (damaged_) refuse("takes no more entries, since one could not be written; end the task");
  struct stat status {};
  if (fstat(file_.number(), &status) != 0) refuse("can't be examined: " + why(errno));
  if (status.st_nlink == 0) refuse("was removed while its task was open; end the task");
  if (static_cast<std::uint64_t>(status.st_size) != size_) {
    refuse("was changed by somebody else while its task was open; end the task");
  }
}

void ChainFile::require_room(std::size_t size) const {
  // A write at the limit would raise SIGXFSZ, which ends most processes.
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  if (size > limit.rlim_cur || size_ > limit.rlim_cur - size) {
    refuse("is as long as a file of this process may be; see: ulimit -f");
  }
}

void ChainFile::roll_back() noexcept {
  if (ftruncate(file_.number(), static_cast<off_t>(size_)) != 0) damaged_ = true;
}

void ChainFile::append(std::string_view line) {
  require_untouched();
  require_room(line.size());
  ssize_t written = 0;
  do {
    written = write(file_.number(), line.data(), line.size());
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
  if (!folder_) return;
  if (fsync(folder_.number()) != 0) refuse("has a folder that can't be written to the disk");
  folder_.reset();
}

void ChainFile::sync() {
  if (fdatasync(file_.number()) == 0) return;
  const int error = errno;
  damaged_ = true;  // what the kernel could not write, it may have forgotten by the next time
  refuse("can't be written to the disk: " + why(error));
}

void ChainFile::finish() noexcept { static_cast<void>(fchmod(file_.number(), kFinished)); }

void ChainFile::remove_if_empty() noexcept {
  if (size_ == 0) static_cast<void>(unlink(path_.c_str()));
}

}  // namespace mayfly::ledger
