// Root at work in a folder that is another user's.
#pragma once

#include <filesystem>
#include <optional>
#include <sys/types.h>
#include <vector>

namespace mayfly::tools {

/// While there is an AsOwner, root reads and writes files as the user who has a folder in hand: as
/// the first user other than root whose any part of the path to it is, links too. He could put a
/// link in the place of all that follows, and root would write where it leads. For others than
/// root, and where all of the path is root's, nothing changes.
///
/// Goes for the thread that made it, but for the groups, which are the whole process's.
class AsOwner {
 public:
  /// @throws Failure kSystem when that can't be done.
  explicit AsOwner(const std::filesystem::path& folder);
  ~AsOwner();
  AsOwner(const AsOwner&) = delete;
  AsOwner& operator=(const AsOwner&) = delete;

 private:
  std::optional<std::vector<gid_t>> groups_;  // nothing where nothing has changed
};

}  // namespace mayfly::tools
