#include "tools/new_files.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "base/descriptor.h"
#include "base/guarded_file.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

namespace fs = std::filesystem;

/// Whether the folder is there already and good to build in.
/// @throws Failure if it is there and not good.
bool is_usable_folder(const fs::path& folder) {
  struct stat status {};
  if (stat(folder.c_str(), &status) != 0) {
    if (errno != ENOENT) throw file_failure(folder, errno);
    if (lstat(folder.c_str(), &status) == 0) throw file_failure(folder, ENOTDIR);
    return false;
  }
  if (!S_ISDIR(status.st_mode)) throw file_failure(folder, ENOTDIR);
  if (status.st_uid != geteuid()) {
    throw Failure(kCannotWrite, folder.string() + ": belongs to user " +
                                    std::to_string(status.st_uid) +
                                    ", who could change what is in it; choose another folder");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Failure(kCannotWrite, folder.string() + ": can be written by others; run: chmod go-w " +
                                    shell_word(folder.native()));
  }
  return true;
}

void move_without_replacing(const fs::path& from, const fs::path& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
  // Some file systems can't promise it; there the look before has to do.
  const bool unsupported = errno == EINVAL || errno == ENOSYS;
  if (!unsupported) throw file_failure(to, errno);
  if (fs::exists(fs::symlink_status(to))) throw file_failure(to, EEXIST);
  if (rename(from.c_str(), to.c_str()) != 0) throw file_failure(to, errno);
}

void write_all(int descriptor, ByteView content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw file_failure(path, errno);
    content = content.subspan(static_cast<std::size_t>(written));
  }
}

/// Puts a folder's whole file system on the disk: the device's library has written there as well.
void sync_file_system(const fs::path& folder) {
  const Descriptor descriptor(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor || syncfs(descriptor.number()) != 0) throw file_failure(folder, errno);
}

/// @param shown  What the file will be called, and messages call it.
Descriptor create(const fs::path& path, const fs::path& shown) {
  Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) throw file_failure(shown, errno);
  return file;
}

}  // namespace

void write_new_file(const fs::path& path, ByteView content) {
  const Descriptor file = create(path, path);
  try {
    write_all(file.number(), content, path);
    if (fsync(file.number()) != 0) throw file_failure(path, errno);
  } catch (...) {
    unlink(path.c_str());
    throw;
  }
}

NewFiles::NewFiles(fs::path folder, std::vector<std::string> names)
    : folder_(std::move(folder)), names_(std::move(names)), existed_(is_usable_folder(folder_)) {
  // From the last one, which is the one that people know.
  for (auto name = names_.rbegin(); name != names_.rend(); ++name) {
    const fs::path path = folder_ / *name;
    if (existed_ && fs::exists(fs::symlink_status(path))) {
      throw Failure(kAlreadyExists,
                    path.string() +
                        " exists already, and nothing is ever overwritten; choose "
                        "another folder, or remove what is there if no task needs it");
    }
  }
  try {
    if (!existed_) make_parents();
    std::string staging =
        existed_
            ? (folder_ / ".mayfly-init-XXXXXX").string()
            : (folder_.parent_path() / ("." + folder_.filename().string() + "-XXXXXX")).string();
    if (mkdtemp(staging.data()) == nullptr) throw file_failure(folder_, errno);
    staging_ = staging;
  } catch (...) {
    for (; !made_parents_.empty(); made_parents_.pop_back()) rmdir(made_parents_.back().c_str());
    throw;
  }
}

NewFiles::~NewFiles() {
  std::error_code ignored;
  if (!staging_.empty()) fs::remove_all(staging_, ignored);
  if (committed_) return;
  for (const fs::path& path : moved_) fs::remove_all(path, ignored);
  for (; !made_parents_.empty(); made_parents_.pop_back()) rmdir(made_parents_.back().c_str());
}

void NewFiles::make_parents() {
  std::vector<fs::path> missing;
  struct stat status {};
  for (fs::path parent = folder_.parent_path(); stat(parent.c_str(), &status) != 0;
       parent = parent.parent_path()) {
    if (errno != ENOENT) throw file_failure(parent, errno);
    missing.push_back(parent);
  }
  for (; !missing.empty(); missing.pop_back()) {
    if (mkdir(missing.back().c_str(), 0700) != 0) throw file_failure(missing.back(), errno);
    made_parents_.push_back(missing.back());
  }
}

void NewFiles::write(const std::string& name, ByteView content) const {
  const Descriptor file = create(staging_ / name, folder_ / name);
  write_all(file.number(), content, folder_ / name);
}

void NewFiles::make_folder(const std::string& name) const {
  if (mkdir((staging_ / name).c_str(), 0700) != 0) throw file_failure(folder_ / name, errno);
}

void NewFiles::commit() {
  sync_file_system(staging_);
  if (existed_) {
    move_each();
  } else {
    move_without_replacing(staging_, folder_);
  }
  committed_ = true;
  sync_file_system(folder_);
}

void NewFiles::move_each() {
  moved_.reserve(names_.size());
  for (const std::string& name : names_) {
    move_without_replacing(staging_ / name, folder_ / name);
    moved_.push_back(folder_ / name);
  }
}

}  // namespace mayfly::tools
