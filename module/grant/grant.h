// A grant: a signed, one-time permission to open a task.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mayfly::grant {

/// The longest text of a grant that is looked at, in bytes.
inline constexpr std::size_t kMaxGrantSize = 8 * 1024;
/// How deep children may be nested at most.
inline constexpr unsigned kMaxDepth = 16;

/// What a grant says: its claims. Which texts and numbers they can hold is checked where they are
/// read, in claims.h.
struct Grant {
  std::string issuer;  ///< iss: who allows it, in the approver's own words; the key is the proof
  std::string agent;   ///< sub: who may use it
  std::string id;      ///< jti: spent when the grant opens its task
  std::uint64_t issued_at = 0;              ///< iat: seconds since 1970, UTC
  std::optional<std::uint64_t> not_before;  ///< nbf
  std::uint64_t expires = 0;                ///< exp: the task can't be opened from then on
  std::string task;            ///< task: the one ID that is meant; there are no patterns
  std::chrono::seconds ttl{};  ///< ttl: how long the task may live
  std::optional<std::uint64_t> max_signatures;  ///< max_sigs
  std::optional<std::uint64_t> max_keys;        ///< max_keys
  /// mechs: the only mechanisms, by their names in PKCS#11 ("CKM_ECDSA"), never by JOSE's; empty
  /// leaves them to the broker's policy.
  std::vector<std::string> mechanisms;
  std::vector<std::string> scope;     ///< scope: what credentials of the task may be for
  std::vector<std::string> audience;  ///< aud: the brokers that may take it, by name
  unsigned children = 0;              ///< children: how deep child tasks may be nested; 0 for none
  std::optional<std::string> parent;  ///< parent: the ID of the task that it opens a child of

  friend bool operator==(const Grant&, const Grant&) = default;
};

}  // namespace mayfly::grant
