#include "grant/trusted_approvers.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/guarded_file.h"
#include "base/log.h"
#include "grant/refused.h"

namespace mayfly::grant {
namespace {

bool is_same_time(const timespec& a, const timespec& b) noexcept {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

TrustedApprovers::Stamp::Stamp(const struct stat& status) noexcept
    : device(status.st_dev),
      inode(status.st_ino),
      size(status.st_size),
      modified(status.st_mtim),
      changed(status.st_ctim) {}

bool TrustedApprovers::Stamp::operator==(const Stamp& other) const noexcept {
  return device == other.device && inode == other.inode && size == other.size &&
         is_same_time(modified, other.modified) && is_same_time(changed, other.changed);
}

bool TrustedApprovers::is_as_read() const noexcept {
  struct stat status {};
  return settled_ && stat(file_.c_str(), &status) == 0 && Stamp(status) == stamp_;
}

bool TrustedApprovers::is_settled() const noexcept {
  return std::max(stamp_.changed.tv_sec, stamp_.modified.tv_sec) <
         std::time(nullptr) - coarsest_tick_.count();
}

void TrustedApprovers::read() {
  list_ = nullptr;
  settled_ = false;
  std::string problem;
  try {
    const Descriptor descriptor = open_guarded(file_, Exposure::readable);
    struct stat status {};
    if (fstat(descriptor.number(), &status) != 0) {
      throw Error(CKR_GENERAL_ERROR, file_ + ": can't be examined: " + std::strerror(errno));
    }
    // Before the content: a change in between shows at the next look.
    stamp_ = Stamp(status);
    settled_ = is_settled();
    const std::string content = read_guarded(descriptor, file_, kMaxApproversSize);
    try {
      list_ = std::make_shared<const std::vector<Approver>>(parse_approvers(content));
    } catch (const Error& error) {
      throw Error(CKR_GENERAL_ERROR, file_ + ": is no JWK Set of approvers: " + error.what() +
                                         "; `mayfly grant approver` writes its entries");
    }
  } catch (const Error& error) {
    problem = error.what();
  }
  if (!problem.empty() && problem != problem_) {
    log::error("no approver is trusted, and no grant accepted: " + problem);
  } else if (problem.empty() && !problem_.empty()) {
    log::warn(file_ + ": is good again; its " + std::to_string(list_->size()) +
              " approvers are trusted");
  }
  problem_ = problem;
}

TrustedApprovers::List TrustedApprovers::current() {
  const std::lock_guard lock(mutex_);
  if (!is_as_read()) read();
  if (list_ == nullptr) throw Refused(Reason::no_approvers, problem_);
  return list_;
}

}  // namespace mayfly::grant
