// The states of a task, and which may follow which.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace mayfly {

/// After NIST SP 800-57. All but the first two are final. The numbers are part of the vendor
/// interface and of the worker's protocol.
enum class TaskState {
  open,       ///< has no keys yet
  active,     ///< has, or had, keys
  closed,     ///< ended by its owner
  expired,    ///< its deadline came
  revoked,    ///< ended by an operator
  exhausted,  ///< its quota was spent
  lost,       ///< its owner died, or the device went away
};

inline constexpr std::size_t kTaskStates = 7;

/// Their names, in that order.
inline constexpr std::array<const char*, kTaskStates> kTaskStateNames = {
    "open", "active", "closed", "expired", "revoked", "exhausted", "lost"};

/// Every change of a task's state that there is: a row for what it was, a column for what it
/// becomes.
inline constexpr std::array<std::array<bool, kTaskStates>, kTaskStates> kTaskMoves = {{
    // open  active closed expired revoked exhausted lost
    {false, true, true, true, true, true, true},        // open
    {false, false, true, true, true, true, true},       // active
    {false, false, false, false, false, false, false},  // closed
    {false, false, false, false, false, false, false},  // expired
    {false, false, false, false, false, false, false},  // revoked
    {false, false, false, false, false, false, false},  // exhausted
    {false, false, false, false, false, false, false},  // lost
}};

/// Whether a task in one state may change to the other. False for what is no state.
[[nodiscard]] constexpr bool may_move(TaskState from, TaskState to) noexcept {
  const auto row = static_cast<std::size_t>(from);
  const auto column = static_cast<std::size_t>(to);
  return row < kTaskStates && column < kTaskStates && kTaskMoves[row][column];
}

/// Whether nothing can follow.
[[nodiscard]] constexpr bool is_final(TaskState state) noexcept {
  for (std::size_t next = 0; next < kTaskStates; ++next) {
    if (may_move(state, static_cast<TaskState>(next))) return false;
  }
  return true;
}

[[nodiscard]] constexpr const char* to_string(TaskState state) noexcept {
  const auto index = static_cast<std::size_t>(state);
  return index < kTaskStates ? kTaskStateNames[index] : "unknown";
}

/// The state of a name; nothing for any other text.
[[nodiscard]] constexpr std::optional<TaskState> find_task_state(std::string_view name) noexcept {
  for (std::size_t index = 0; index < kTaskStates; ++index) {
    if (name == kTaskStateNames[index]) return static_cast<TaskState>(index);
  }
  return std::nullopt;
}

static_assert(static_cast<std::size_t>(TaskState::lost) + 1 == kTaskStates);

}  // namespace mayfly
