// What is asked for at the control socket of `mayfly serve`.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/secret.h"
#include "registry/records.h"

namespace mayfly::serve {

/// The longest request, in bytes.
inline constexpr std::size_t kMostRequest = std::size_t{32} * 1024;
/// The longest answer, in bytes: what fits into one packet with the buffers that Linux gives.
inline constexpr std::size_t kMostAnswer = std::size_t{128} * 1024;
/// The longest reason for a revocation, in bytes.
inline constexpr std::size_t kMostReason = 512;
/// How many tasks an answer lists at most.
inline constexpr std::size_t kMostListed = 50;

/// What to do.
enum class Verb { open, close, list, show, revoke };

/// ControlRequest is one request, in good form. What its verb does not mention is empty.
struct ControlRequest {
  Verb verb = Verb::list;
  std::string task;                           ///< open, close, show: the ID
  std::string serial;                         ///< close, show: instead of the ID
  std::optional<std::chrono::seconds> ttl;    ///< open
  std::string policy;                         ///< open
  std::shared_ptr<const SecretBuffer> grant;  ///< open; null for none
  std::optional<uid_t> user;                  ///< open: for whom; nothing for who asks
  bool ended_too = false;                     ///< list
  std::uint64_t after = 0;                    ///< list: the next page
  RevocationTarget target;                    ///< revoke
  std::string reason;                         ///< revoke

  /// Reads a request strictly.
  /// @throws JsonError for what is none.
  [[nodiscard]] static ControlRequest parse(std::string_view text);

  /// The request as parse() reads it.
  [[nodiscard]] std::string text() const;
};

}  // namespace mayfly::serve
