// Which tasks live, and which keys in them.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

namespace mayfly::serve {

/// LivingTasks knows of each key whose it is. What a worker says of keys counts for its own task
/// only: who has taken a worker over could else have a neighbour's key taken for dead.
class LivingTasks {
 public:
  struct Task {
    std::uint64_t place = 0;     ///< in the status list
    std::set<std::string> keys;  ///< thumbprints
  };

  void add(const std::string& serial, std::uint64_t place);
  /// What there was of a task, which goes; nothing if it is not there.
  std::optional<Task> remove(const std::string& serial);

  enum class Added {
    yes,
    no,         ///< the task is not there, or has the key already
    is_others,  ///< another task has it
  };
  Added add_key(const std::string& serial, const std::string& thumbprint);
  /// @return false if the task has no such key.
  bool remove_key(const std::string& serial, const std::string& thumbprint);

 private:
  std::unordered_map<std::string, Task> tasks_;          // by serial
  std::unordered_map<std::string, std::string> owners_;  // serials, by thumbprint
};

}  // namespace mayfly::serve
