// What a ledger's lines hold.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace mayfly::ledger {

/// What happened.
enum class Event {
  open,         ///< the task was opened: the first entry of each chain
  login,        ///< a client logged in
  active,       ///< the task has its first key, and a key for its ledger
  generation,   ///< a key pair was made
  signature,    ///< a key signed, or tried to
  refusal,      ///< something was not allowed, or failed
  refusals,     ///< how many refusals are not in the chain one by one
  destruction,  ///< a key was destroyed, or the device still owes it
  end,          ///< the task ended
  seal,         ///< the ledger's key signed all that stands before
};

inline constexpr std::size_t kEvents = 10;

/// Their names, in that order.
inline constexpr std::array<const char*, kEvents> kEventNames = {
    "open",    "login",    "active",      "generation", "signature",
    "refusal", "refusals", "destruction", "end",        "seal"};

[[nodiscard]] constexpr const char* to_string(Event event) noexcept {
  return kEventNames[static_cast<std::size_t>(event)];
}

/// The event of a name; nothing for any other text.
[[nodiscard]] constexpr std::optional<Event> find_event(std::string_view name) noexcept {
  for (std::size_t index = 0; index < kEvents; ++index) {
    if (name == kEventNames[index]) return static_cast<Event>(index);
  }
  return std::nullopt;
}

/// The name and the version of the format, as the first entry says them.
inline constexpr std::string_view kFormat = "mayfly-ledger";
inline constexpr std::uint64_t kVersion = 1;

/// The longest line, in bytes, without its newline.
inline constexpr std::size_t kMaxLine = 64 * 1024;
/// The longest input of a raw mechanism that an entry holds as it is, in bytes; of longer ones there
/// is a hash.
inline constexpr std::size_t kMaxInput = 128;
/// The last moment that a time can name: the end of the year 9999, in milliseconds since 1970.
inline constexpr std::uint64_t kMaxTime = 253'402'300'799'999;

/// Bytes of the hashes that link entries: SHA-256.
inline constexpr std::size_t kHashSize = 32;
/// The hash that stands in a chain's first entry, where none came before: 32 zero bytes.
[[nodiscard]] inline Bytes no_hash() { return Bytes(kHashSize, 0); }

/// One entry. Its line is the canonical JSON (see canonical_json.h) of
/// {"data": {…}, "event": "…", "n": NUMBER, "prev": "HASH", "time": MILLISECONDS}.
struct Entry {
  std::uint64_t number = 0;   ///< from 1 on, so it is the number of the line
  std::uint64_t time_ms = 0;  ///< milliseconds since 1970, UTC
  Event event = Event::open;
  Bytes previous;       ///< SHA-256 of the line before, without its newline
  nlohmann::json data;  ///< an object; what is in it depends on the event
};

/// Appends the line of an entry, without a newline, put together from parts that are canonical
/// already.
void append_line(std::string& out, Event event, std::string_view data, std::uint64_t number,
                 std::string_view previous_hex, std::uint64_t time_ms);
[[nodiscard]] std::string line_of(Event event, std::string_view data, std::uint64_t number,
                                  std::string_view previous_hex, std::uint64_t time_ms);

/// Reads a line, without its newline.
/// @throws JsonError for what is no entry; for one that is not in its canonical form, so that
///         there is one line for each entry.
[[nodiscard]] Entry parse_entry(std::string_view line);

}  // namespace mayfly::ledger
