#include "tools/serve/liveness.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limited_log.h"
#include "base/log.h"
#include "base/replace_file.h"

namespace mayfly::serve {
namespace {

// Between attempts to publish what could not be.
constexpr std::chrono::seconds kRetryPause{2};

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

/// As large as readers take it. What is left out does not live for those who look it up.
std::string keys_json(const std::vector<std::shared_ptr<const credential::PublishedKey>>& keys) {
  std::size_t most = std::min(keys.size(), credential::kMaxKeySetKeys);
  std::vector<credential::PublishedKey> listed;
  std::string key_set;
  do {
    listed.clear();
    for (std::size_t i = 0; i < most; ++i) listed.push_back(*keys[i]);
    key_set = credential::key_set_json(listed);
    most /= 2;
  } while (key_set.size() > credential::kMaxKeySetSize);
  if (listed.size() < keys.size()) {
    static log::LimitedLog log;
    log.warn([&] {
      return "keys.json has " + std::to_string(listed.size()) + " keys, but " +
             std::to_string(keys.size()) + " live; a set can't be larger";
    });
  }
  return key_set;
}

/// False if it is still there.
bool remove_file(const std::string& path) noexcept {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return true;
  log::error(path + " can't be removed: " + std::strerror(errno) +
             "; remove it: it may say that tasks live which have ended");
  return false;
}

}  // namespace

Liveness::Liveness(EventLoop& loop, const Config& config)
    : loop_(loop),
      uri_(config.status.uri),
      ttl_(config.status.ttl),
      folder_(config.status.folder),
      list_file_(folder_ / "status.jwt"),
      keys_file_(folder_ / "keys.json"),
      signing_(config.file) {}

void Liveness::begin() {
  check_folder(folder_);
  try {
    write(content());
  } catch (...) {
    static_cast<void>(withdraw());
    throw;
  }
  done(version_, true);
}

void Liveness::opened(const std::string& serial, std::uint64_t place) {
  living_[serial].place = place;
  places_ = std::max(places_, place + 1);
  changed();
}

void Liveness::ending(const std::string& serial) {
  if (living_.erase(serial) != 0) changed();
}

void Liveness::key_made(const std::string& serial, const PublicKey& key) {
  const auto found = living_.find(serial);
  if (found == living_.end()) return;
  auto published = std::make_shared<const credential::PublishedKey>(credential::published(key));
  found->second.keys[published->thumbprint] = published;
  changed();
}

void Liveness::key_destroyed(const std::string& serial, const std::string& thumbprint) {
  const auto found = living_.find(serial);
  if (found != living_.end() && found->second.keys.erase(thumbprint) != 0) changed();
}

std::size_t Liveness::keys() const noexcept {
  std::size_t count = 0;
  for (const auto& [serial, task] : living_) count += task.keys.size();
  return count;
}

void Liveness::when_published(Told told) {
  if (published_version_ == version_) return told(is_true_);
  waiting_.emplace(version_, std::move(told));
}

Liveness::Content Liveness::content() const {
  Content content;
  content.places = places_;
  content.valid.reserve(living_.size());
  for (const auto& [serial, task] : living_) {
    content.valid.push_back(task.place);
    for (const auto& [thumbprint, key] : task.keys) content.keys.push_back(key);
  }
  return content;
}

std::string Liveness::make_list(const Content& content) {
  ListRequest request;
  request.issued_at = unix_now_s();
  request.expires = request.issued_at + 2 * static_cast<std::uint64_t>(ttl_.count());
  request.list = credential::StatusList(content.places);
  for (const std::uint64_t place : content.valid) {
    request.list.set(place, credential::Status::valid);
  }
  return signing_.sign(request);
}

/// Makes both files and puts them where others see them.
void Liveness::write(const Content& content) {
  PublishedFiles files;
  // They are made anew before half of their time is over.
  files.until = BootClock::now() + ttl_ / 2;
  files.keys = keys_json(content.keys);
  replace_file(keys_file_, as_bytes(files.keys));
  files.status_list = make_list(content);
  replace_file(list_file_, as_bytes(files.status_list));
  published_.put(std::move(files));
}

/// Takes away what may not be true any more.
bool Liveness::withdraw() noexcept {
  published_.put({});
  const bool no_list = remove_file(list_file_);
  return remove_file(keys_file_) && no_list;
}

/// In the thread. @return as for Told.
bool Liveness::publish(const Content& content) noexcept {
  try {
    write(content);
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

void Liveness::changed() {
  ++version_;
  start();
}

void Liveness::start() {
  if (is_working_) return;
  is_working_ = true;
  thread_.add([this, version = version_, content = content()] {
    const bool is_true = publish(content);
    loop_.post([this, version, is_true] {
      is_working_ = false;
      done(version, is_true);
    });
  });
}

void Liveness::done(std::uint64_t version, bool is_true) {
  published_version_ = version;
  is_true_ = is_true;
  const bool is_there = !published_.take()->status_list.empty();
  const auto pause = is_there ? std::chrono::milliseconds(ttl_) / 2 : kRetryPause;
  refresh_ = loop_.after(pause, [this] { start(); });
  if (version_ != version) start();
  const auto last = waiting_.upper_bound(version);
  std::vector<Told> told;
  for (auto entry = waiting_.begin(); entry != last; ++entry)
    told.push_back(std::move(entry->second));
  waiting_.erase(waiting_.begin(), last);
  for (const Told& one : told) one(is_true);
}

}  // namespace mayfly::serve
