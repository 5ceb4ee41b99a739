// Where the clients of one task come in.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>

#include "base/descriptor.h"

namespace mayfly::serve {

/// TaskSockets models the folder of one task, with its two sockets. They are the task's user's,
/// where this process may give them away; else everybody can connect, and who is not the task's
/// user is hung up on.
class TaskSockets {
 public:
  /// Makes them and listens.
  /// @param place  A folder of ours.
  /// @throws tools::Failure
  TaskSockets(const std::filesystem::path& place, const std::string& serial, uid_t user);
  ~TaskSockets() { remove(); }
  TaskSockets(const TaskSockets&) = delete;
  TaskSockets& operator=(const TaskSockets&) = delete;

  [[nodiscard]] const Descriptor& p11kit() const noexcept { return p11kit_; }
  [[nodiscard]] const Descriptor& agents() const noexcept { return agents_; }
  /// Where p11-kit's clients come in.
  [[nodiscard]] std::filesystem::path socket_path() const;
  /// Where libmayfly.so comes in.
  [[nodiscard]] std::filesystem::path door_path() const;

  /// Leaves them to the task's worker, which listens from now on; they stay in their folder.
  void leave_to_worker() noexcept {
    p11kit_.reset();
    agents_.reset();
  }

  /// Takes them away: nobody comes in any more.
  void remove() noexcept;

 private:
  std::string folder_;
  Descriptor p11kit_;
  Descriptor agents_;
};

}  // namespace mayfly::serve
