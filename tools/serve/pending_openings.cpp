#include "tools/serve/pending_openings.h"

#include <string>

#include "tools/failure.h"

namespace mayfly::serve {

void PendingOpenings::begin(uid_t user, bool is_operator) {
  const auto known = of_user_.find(user);
  const std::size_t of_user = known == of_user_.end() ? 0 : known->second;
  if (!is_operator && of_user >= kEachUser) {
    throw tools::Failure(tools::kTryAgain, "user " + std::to_string(user) + " has " +
                                               std::to_string(of_user) +
                                               " openings under way; wait until one is decided");
  }
  if (!is_operator && size_ >= kAll) {
    throw tools::Failure(tools::kTryAgain, std::to_string(size_) + " openings are under way");
  }
  ++of_user_[user];
  ++size_;
}

void PendingOpenings::end(uid_t user) noexcept {
  const auto known = of_user_.find(user);
  if (known == of_user_.end()) return;
  --size_;
  if (--known->second == 0) of_user_.erase(known);
}

}  // namespace mayfly::serve
