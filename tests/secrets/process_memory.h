// The memory of another process, as the kernel shows it to whoever may look.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/bytes.h"

namespace mayfly::test {

/// One mapping: a line of /proc/PID/maps.
struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::string permissions;  ///< "rw-p"
  std::string name;         ///< a path, "[heap]", or empty
};

/// Reads all that can be read of a process, in pieces that overlap by 64 bytes.
/// @param look  Called with each piece and the address of its first byte.
/// @return false if the kernel lets this process not look at all.
bool read_memory(pid_t process,
                 const std::function<void(const Mapping&, std::uint64_t, ByteView)>& look);

/// Where a text stands in a process's memory: one line for each place. Nothing if the kernel
/// refuses to show that memory.
[[nodiscard]] std::optional<std::vector<std::string>> places_of(pid_t process,
                                                                std::string_view text);

}  // namespace mayfly::test
