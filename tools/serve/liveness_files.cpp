#include "tools/serve/liveness_files.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/limited_log.h"
#include "base/log.h"
#include "base/replace_file.h"
#include "credential/jose/jwk_set.h"

namespace mayfly::serve {
namespace {

/// What others could write there would be believed.
void check_folder(const std::filesystem::path& folder) {
  struct stat status {};
  if (stat(folder.c_str(), &status) != 0) {
    throw Error(CKR_GENERAL_ERROR, folder.string() + ": " + std::strerror(errno) +
                                       "; make the folder of status.folder");
  }
  const bool is_ours = status.st_uid == geteuid() || status.st_uid == 0;
  if (!S_ISDIR(status.st_mode) || !is_ours || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Error(CKR_GENERAL_ERROR, folder.string() +
                                       ": is no folder of this user's or root's in which nobody "
                                       "else can write; chmod go-w it, or name another");
  }
}

/// False if it is still there.
bool remove_file(const std::string& path) noexcept {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return true;
  log::error(path + " can't be removed: " + std::strerror(errno) +
             "; remove it: it may say that tasks live which have ended");
  return false;
}

}  // namespace

LivenessFiles::LivenessFiles(const Config& config)
    : ttl_(config.status.ttl),
      folder_(config.status.folder),
      list_file_(folder_ / "status.jwt"),
      keys_file_(folder_ / "keys.json"),
      list_(1),
      signing_(config.file) {}

void LivenessFiles::begin() {
  check_folder(folder_);
  try {
    write();
  } catch (...) {
    static_cast<void>(withdraw());
    throw;
  }
}

/// @throws std::bad_alloc for what comes to live only: without it, that does not live.
void LivenessFiles::note(const LivenessChange& change) {
  switch (change.kind) {
    case LivenessChange::Kind::task_opened:
      list_.extend(change.place + 1);
      list_.set(change.place, credential::Status::valid);
      break;
    case LivenessChange::Kind::task_ended:
      if (change.place < list_.places()) list_.set(change.place, credential::Status::invalid);
      break;
    case LivenessChange::Kind::key_made:
      key_set_.content.clear();
      keys_.insert_or_assign(change.thumbprint, change.jwk);
      break;
    case LivenessChange::Kind::key_gone:
      key_set_.content.clear();
      keys_.erase(change.thumbprint);
      break;
  }
}

/// As many keys as readers take. What is left out does not live for those who look it up.
PublishedFile LivenessFiles::key_set() const {
  credential::KeySetWriter set;
  std::size_t listed = 0;
  for (const auto& [thumbprint, jwk] : keys_) {
    if (!set.has_room_for(jwk)) break;
    set.add(jwk);
    ++listed;
  }
  if (listed < keys_.size()) {
    static log::LimitedLog log;
    log.warn([&] {
      return "keys.json has " + std::to_string(listed) + " keys, but " +
             std::to_string(keys_.size()) + " live; a set can't be larger";
    });
  }
  return PublishedFile(set.json());
}

PublishedFile LivenessFiles::status_list() {
  ListRequest request;
  request.issued_at = unix_now_s();
  request.expires = request.issued_at + 2 * static_cast<std::uint64_t>(ttl_.count());
  request.list = list_;
  return PublishedFile(signing_.sign(request));
}

/// Makes both files and puts them where others see them.
void LivenessFiles::write() {
  PublishedFiles files;
  // They are made anew before half of their time is over.
  files.until = BootClock::now() + ttl_ / 2;
  if (key_set_.content.empty()) {
    PublishedFile fresh = key_set();
    replace_file(keys_file_, as_bytes(fresh.content));
    key_set_ = std::move(fresh);
  }
  files.keys = key_set_;
  files.status_list = status_list();
  replace_file(list_file_, as_bytes(files.status_list.content));
  published_.put(std::move(files));
}

/// Takes away what may not be true any more.
bool LivenessFiles::withdraw() noexcept {
  key_set_.content.clear();
  published_.put({});
  const bool no_list = remove_file(list_file_);
  return remove_file(keys_file_) && no_list;
}

bool LivenessFiles::publish(const std::vector<LivenessChange>& changes) noexcept {
  for (const LivenessChange& change : changes) {
    try {
      note(change);
    } catch (const std::exception& error) {
      log::warn("a task or a key is not listed", error);
    }
  }
  // Somebody may have removed the file.
  if (changes.empty()) key_set_.content.clear();
  try {
    write();
    if (std::exchange(failed_, false)) log::warn("the status list is there again");
    return true;
  } catch (const std::exception& error) {
    const bool is_gone = withdraw();
    if (!std::exchange(failed_, true) || !is_gone) {
      log::error(std::string("there is no status list now, which verifiers take for the end of all "
                             "tasks; it is tried again: ") +
                 error.what());
    }
    return is_gone;
  }
}

}  // namespace mayfly::serve
