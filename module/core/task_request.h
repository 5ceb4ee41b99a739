// What a task can be opened with.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/peer.h"
#include "base/secret.h"
#include "core/task_policy.h"

namespace mayfly {

/// What somebody who opens a task asks for.
struct TaskRequest {
  std::string id;
  std::optional<std::chrono::seconds> ttl;  ///< nothing takes the default
  TaskPolicy policy = {};           ///< what the task is confined to, beyond TaskLimits::policy
  std::optional<Peer> opener = {};  ///< for whom it is opened; nothing: whom this process acts for
  /// The text of the grant that allows it; null for none.
  std::shared_ptr<const SecretBuffer> grant = {};
  bool grant_may_follow = false;  ///< whether a login may bring the grant that the policy wants
};

/// For whom a task is opened that no grant says it of: "user 1000".
[[nodiscard]] std::string local_agent(const TaskRequest& request);

/// @throws Error CKR_ARGUMENTS_BAD for an ID that is empty, longer than 255 bytes, not UTF-8, or
///         holds control characters.
void check_task_id(const std::string& id);

/// The ttl that a client names in seconds; 0 is none. What is more than anybody allows becomes a
/// century, which check_ttl() refuses without an overflow.
[[nodiscard]] std::optional<std::chrono::seconds> requested_ttl(std::uint64_t seconds) noexcept;

/// @throws Error CKR_ARGUMENTS_BAD for a ttl under a second or over `most`.
void check_ttl(std::chrono::seconds ttl, std::chrono::seconds most);

}  // namespace mayfly
