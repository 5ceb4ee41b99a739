// Token Status Lists as signed tokens (draft-ietf-oauth-status-list, 5.1): a small static file that
// any web server can carry.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/signer.h"
#include "credential/jose/jwk_set.h"
#include "credential/status/status_list.h"

namespace mayfly::credential {

inline constexpr std::string_view kStatusListType = "statuslist+jwt";
/// The longest text of one that is looked at, in bytes.
inline constexpr std::size_t kMaxStatusTokenSize = 16 * 1024 * 1024;

/// What such a token says.
struct StatusToken {
  std::string issuer;           ///< iss; empty: it says none
  std::string uri;              ///< sub: the list's own name, by which credentials name it
  std::uint64_t issued_at = 0;  ///< iat: seconds since 1970, UTC
  std::uint64_t expires = 0;    ///< exp; 0: it says none
  std::chrono::seconds ttl{0};  ///< ttl: how long it may be kept; 0: it says nothing
  StatusList list{0};
};

/// The state of one credential: the place is its task's number in the registry.
struct StatusEntry {
  std::uint64_t index = 0;
  Status status = Status::invalid;
};

/// A list that has room for every entry, and in which nothing else is valid.
[[nodiscard]] StatusList make_status_list(const std::vector<StatusEntry>& entries);

/// Has a list signed by the issuer's key.
/// @throws Error CKR_ARGUMENTS_BAD for claims that no list can have; as issue_wit() otherwise.
[[nodiscard]] std::string issue_status_token(const StatusToken& token, const std::string& key_id,
                                             Signer& issuer);

/// Reads a list that one of the issuer's keys signed. Whether it is fresh is not looked at.
/// @throws Refused with Part::status_list and the first reason up to bad_claim that applies.
[[nodiscard]] StatusToken read_status_token(std::string_view text,
                                            const std::vector<PublishedKey>& issuer);

}  // namespace mayfly::credential
