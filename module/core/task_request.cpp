#include "core/task_request.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace mayfly {

std::string local_agent(const TaskRequest& request) {
  const Peer opener = request.opener ? *request.opener : Peer::self();
  return "user " + std::to_string(opener.user);
}

void check_task_id(const std::string& id) {
  if (id.empty()) {
    throw Error(CKR_ARGUMENTS_BAD, "the task ID is empty; it takes 1 to 255 bytes");
  }
  if (id.size() > MAYFLY_TASK_ID_MAX) {
    throw Error(CKR_ARGUMENTS_BAD,
                "the task ID has " + std::to_string(id.size()) + " bytes; it takes 1 to 255");
  }
  if (!is_printable_utf8(id)) {
    throw Error(CKR_ARGUMENTS_BAD,
                "the task ID is not UTF-8 or holds control characters; it takes printable text");
  }
}

std::optional<std::chrono::seconds> requested_ttl(std::uint64_t seconds) noexcept {
  static constexpr std::uint64_t kCentury = 36'525ULL * 86'400;
  if (seconds == 0) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kCentury));
}

void check_ttl(std::chrono::seconds ttl, std::chrono::seconds most) {
  if (ttl < std::chrono::seconds(1)) {
    throw Error(CKR_ARGUMENTS_BAD, "the ttl is shorter than a second; it takes at least 1s");
  }
  if (ttl > most) {
    throw Error(CKR_ARGUMENTS_BAD, "the ttl of " + std::to_string(ttl.count()) +
                                       " s is longer than the configuration allows; take at most " +
                                       std::to_string(most.count()) +
                                       " s, or raise task.max-ttl and max-ttl of the policy");
  }
}

}  // namespace mayfly
