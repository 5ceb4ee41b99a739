#include "tools/serve/pending_openings.h"

#include <algorithm>
#include <iterator>

#include "tools/failure.h"

namespace mayfly::serve {

PendingOpenings::Number PendingOpenings::begin(uid_t user, bool is_operator,
                                               const std::string& task_id) {
  const auto of_user = std::ranges::count_if(
      openings_, [user](const auto& entry) { return entry.second.user == user; });
  if (!is_operator && static_cast<std::size_t>(of_user) >= kEachUser) {
    throw tools::Failure(tools::kTryAgain, "user " + std::to_string(user) + " has " +
                                               std::to_string(of_user) +
                                               " openings under way; wait until one is decided");
  }
  if (!is_operator && size() >= kAll) {
    throw tools::Failure(tools::kTryAgain, std::to_string(size()) + " openings are under way");
  }
  openings_[++last_] = {user, task_id};
  return last_;
}

std::vector<PendingOpenings::Revocation> PendingOpenings::end(Number opening) {
  std::vector<Revocation> since;
  std::ranges::copy_if(revocations_, std::back_inserter(since),
                       [opening](const auto& one) { return one.last >= opening; });
  openings_.erase(opening);
  const Number oldest = openings_.empty() ? last_ + 1 : openings_.begin()->first;
  std::erase_if(revocations_, [oldest](const auto& one) { return one.last < oldest; });
  return since;
}

std::size_t PendingOpenings::revoke(const RevocationTarget& target, const std::string& cause) {
  using Kind = RevocationTarget::Kind;
  if (target.kind == Kind::serial) return 0;  // nobody has been told of theirs
  const auto meant = std::ranges::count_if(openings_, [&target](const auto& entry) {
    return target.kind != Kind::task_id || entry.second.task_id == target.value;
  });
  if (meant > 0) revocations_.push_back({target, cause, last_});
  return static_cast<std::size_t>(meant);
}

}  // namespace mayfly::serve
