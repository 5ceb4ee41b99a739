// Whether a grant holds, here and now.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "grant/approvers.h"
#include "grant/grant.h"

namespace mayfly::grant {

/// What a grant is measured against.
struct Expectations {
  std::string audience;             ///< the name of this broker; without one every grant is refused
  std::optional<std::string> task;  ///< the task that is to be opened; nothing: whichever it names
  /// The task that it is to be opened below; nothing for a task of its own. A grant must say the
  /// same: one for a child opens nothing else, and a child is opened by no other.
  std::optional<std::string> parent;
  std::uint64_t now_unix_s = 0;
  std::chrono::seconds clock_skew{30};                   ///< how much clocks may differ
  std::chrono::seconds max_life{std::chrono::hours(1)};  ///< the longest from iat to exp
  std::chrono::seconds max_ttl{std::chrono::hours(24)};  ///< the longest ttl
};

/// A grant that holds, and who gave it.
struct Verified {
  Grant grant;
  std::string approver;  ///< the thumbprint of the key that signed it: unlike iss, proven
  std::string key_id;    ///< what the file of approvers calls that key; may be empty
};

/// Verifies a grant, but for whether it was spent before: that is for the registry to say, in the
/// transaction that spends it.
/// @throws Refused with the first reason of Reason's order that applies.
[[nodiscard]] Verified verify(std::string_view text, const std::vector<Approver>& approvers,
                              const Expectations& expected);

/// A grant that was read and not verified: for showing it to a person, and nothing else.
struct Unverified {
  std::string algorithm;
  std::string key_id;  ///< empty for none
  Grant grant;
};

/// @throws Refused for what verify() would refuse without looking at signature, time and place.
[[nodiscard]] Unverified read_unverified(std::string_view text);

}  // namespace mayfly::grant
