#include "tools/broker/leftovers.h"

#include <cerrno>
#include <ctime>
#include <exception>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/log.h"

namespace mayfly::broker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRandomCharacters = 6;
constexpr std::time_t kUnfinishedSeconds = 300;

bool is_named_like_a_run(const std::string& name) {
  return name.size() == kFolderPrefix.size() + kRandomCharacters && name.starts_with(kFolderPrefix);
}

/// Whether the folder's lock file is there and this process could lock it.
bool is_abandoned(int folder) {
  const Descriptor lock(openat(folder, kLockName.data(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  struct stat held {};
  struct stat named {};
  return lock && fstat(lock.number(), &held) == 0 && S_ISREG(held.st_mode) &&
         held.st_uid == geteuid() && flock(lock.number(), LOCK_EX | LOCK_NB) == 0 &&
         // Another sweeper may have been faster, and the name may be a new run's by now.
         fstatat(folder, kLockName.data(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         named.st_ino == held.st_ino && named.st_dev == held.st_dev;
}

/// Whether the folder is one of a run that died between making the folder and the lock.
bool is_unfinished(int folder, const struct stat& status) {
  struct stat lock {};
  return std::time(nullptr) - status.st_mtime > kUnfinishedSeconds &&
         fstatat(folder, kLockName.data(), &lock, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

/// Opens the folder of a run of this user's; nothing if it is none.
Descriptor open_run(const fs::path& path, struct stat& status) {
  if (!is_named_like_a_run(path.filename().string())) return {};
  Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder || fstat(folder.number(), &status) != 0) return {};
  const mode_t mode = status.st_mode & 07777U;
  if (status.st_uid != geteuid() || (mode != 0700U && mode != 0711U)) return {};
  return folder;
}

bool is_dead_run(const fs::path& path) {
  struct stat status {};
  const Descriptor folder = open_run(path, status);
  return folder && (is_abandoned(folder.number()) || is_unfinished(folder.number(), status));
}

}  // namespace

std::vector<fs::path> run_folders(const fs::path& place) {
  std::vector<fs::path> found;
  std::error_code error;
  struct stat status {};
  for (fs::directory_iterator entry(place, error), end; !error && entry != end;
       entry.increment(error)) {
    if (open_run(entry->path(), status)) found.push_back(entry->path());
  }
  return found;
}

void remove_folder(const fs::path& folder) noexcept {
  try {
    std::error_code error;
    fs::remove_all(folder, error);
    if (error) log::warn("folder " + folder.string() + " can't be removed: " + error.message());
  } catch (const std::exception&) {  // no memory for the message
  }
}

void remove_leftovers(const fs::path& place) noexcept {
  try {
    for (const fs::path& folder : run_folders(place)) {
      if (!is_dead_run(folder)) continue;
      log::info("removing " + folder.string() + ", left behind by a run that was killed");
      remove_folder(folder);
    }
  } catch (const std::exception& problem) {
    log::warn("the folders of dead runs can't be removed: " + std::string(problem.what()));
  }
}

}  // namespace mayfly::broker
