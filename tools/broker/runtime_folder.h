// Where a run keeps its socket.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/descriptor.h"
#include "config/config.h"

namespace mayfly::broker {

/// The name, in a run's folder, of the socket where libmayfly.so comes in.
inline constexpr std::string_view kDoorName = "door";

/// The doors of this user's runs, also of such as are over or have not begun yet.
[[nodiscard]] std::vector<std::filesystem::path> doors_of_runs(const BrokerConfig& config);

/// Who reaches what is in a folder. Whoever may connect to a socket is checked all the same.
enum class FolderAccess {
  owner,     ///< this user alone: mode 0700
  everyone,  ///< all who know a name in it: mode 0711
};

/// Makes sure that nobody but us and root could put another folder or socket in the place of ours.
/// @throws tools::Failure
void require_safe_place(const std::filesystem::path& folder);

/// Makes a socket that listens at a path in a folder of ours.
/// @param type  SOCK_STREAM or SOCK_SEQPACKET.
/// @throws tools::Failure
[[nodiscard]] Descriptor listen_at(const std::filesystem::path& path, int type, mode_t mode);

/// A path as p11-kit writes addresses: "unix:path=…".
[[nodiscard]] std::string p11kit_address(const std::filesystem::path& socket);

/// The longest path of a socket, in bytes.
inline constexpr std::size_t kMaxSocketPath = 99;

/// RuntimeFolder models the folder of one run: mode 0700, with the task's sockets, configurations
/// for p11-kit, and a lock file that is locked as long as the run lives. It is removed with its
/// owner; one that was left behind, because its owner was killed, is removed by the next run.
class RuntimeFolder {
 public:
  /// Removes what dead runs left in the same place, then makes a folder: in broker.runtime-folder,
  /// else in $XDG_RUNTIME_DIR/mayfly, else in /tmp. The first two are made, mode 0700, if their
  /// parent is there.
  /// @throws tools::Failure when the place is not safe or not usable, or the socket's path
  ///         would be too long for a socket.
  explicit RuntimeFolder(const BrokerConfig& config, FolderAccess access = FolderAccess::owner);
  ~RuntimeFolder();
  RuntimeFolder(const RuntimeFolder&) = delete;
  RuntimeFolder& operator=(const RuntimeFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Where p11-kit's clients come in.
  [[nodiscard]] std::filesystem::path socket_path() const { return path_ / "socket"; }
  /// Where libmayfly.so comes in.
  [[nodiscard]] std::filesystem::path door_path() const { return path_ / kDoorName; }
  /// A p11-kit module configuration that names this run's socket.
  [[nodiscard]] std::filesystem::path p11kit_config_path() const { return path_ / "mayfly.module"; }
  /// One that names libmayfly.so, and has all mechanisms.
  [[nodiscard]] std::filesystem::path module_config_path() const {
    return path_ / "libmayfly.module";
  }
  /// The socket as p11-kit writes addresses: "unix:path=…".
  [[nodiscard]] std::string address() const { return p11kit_address(socket_path()); }

  /// Makes a socket of the folder, mode 0600, and listens on it.
  /// @throws tools::Failure
  [[nodiscard]] Descriptor listen_for_p11kit() const;
  [[nodiscard]] Descriptor listen_for_agents() const;
  /// Nobody serves the sockets any more: clients that start from now on find no token, instead of
  /// an error.
  void remove_sockets() const noexcept;
  /// Writes both configurations; what has no door, or no library, has none.
  /// @param library  libmayfly.so.
  /// @throws tools::Failure
  void write_p11kit_configs(bool with_p11kit,
                            const std::optional<std::filesystem::path>& library) const;

 private:
  std::filesystem::path path_;
  Descriptor lock_;
};

}  // namespace mayfly::broker
