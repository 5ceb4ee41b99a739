#include "tools/broker/runtime_folder.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

#include "base/safeguard.h"
#include "tools/broker/leftovers.h"
#include "tools/failure.h"

namespace mayfly::broker {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kEveryone = 0711;
constexpr std::string_view kLongestName = "socket";

[[noreturn]] void refuse(const fs::path& path, const std::string& problem) {
  throw tools::Failure(tools::kCannotWrite, path.string() + " " + problem +
                                                "; set broker.runtime-folder to a folder that is "
                                                "yours alone");
}

struct Place {
  fs::path folder;
  bool may_be_made = true;
};

Place find_place(const BrokerConfig& config) {
  if (!config.runtime_folder.empty()) return {config.runtime_folder};
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  struct stat status {};
  if (runtime != nullptr && runtime[0] == '/' && stat(runtime, &status) == 0) {
    return {fs::path(runtime) / "mayfly"};
  }
  return {"/tmp", false};
}

void make_place(const fs::path& folder, FolderAccess access) {
  if (mkdir(folder.c_str(), 0700) != 0) {
    if (errno != EEXIST) throw tools::file_failure(folder.string(), errno);
  } else if (access == FolderAccess::everyone && chmod(folder.c_str(), kEveryone) != 0) {
    throw tools::file_failure(folder.string(), errno);
  }
}

/// The lock file gets its name once it is locked, so that a file of that name is never met unlocked
/// while its owner lives.
Descriptor make_lock(const fs::path& folder) {
  const fs::path unnamed = folder / kNewLockName;
  Descriptor lock(open(unnamed.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock || flock(lock.number(), LOCK_EX | LOCK_NB) != 0 ||
      rename(unnamed.c_str(), (folder / kLockName).c_str()) != 0) {
    throw tools::file_failure(folder.string(), errno);
  }
  return lock;
}

bool is_plain(char character) noexcept {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '/' || character == '.' ||
         character == '-' || character == '_';
}

void write_file(const fs::path& file, std::string_view content) {
  const Descriptor out(
      open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out ||
      write(out.number(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    throw tools::file_failure(file.parent_path().string(), errno);
  }
}

}  // namespace

void require_safe_place(const fs::path& folder) {
  struct stat status {};
  if (stat(folder.c_str(), &status) != 0) throw tools::file_failure(folder.string(), errno);
  if (!S_ISDIR(status.st_mode)) refuse(folder, "is no folder");
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    refuse(folder, "belongs to another user, who could put his own socket there");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & S_ISVTX) == 0) {
    refuse(folder, "can be written by others and is not sticky; chmod it to 0700");
  }
}

Descriptor listen_at(const fs::path& path, int type, mode_t mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  Descriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // The folder is ours alone, so that nobody comes between bind and chmod.
  if (!socket ||
      bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path.c_str(), mode) != 0 || listen(socket.number(), SOMAXCONN) != 0) {
    throw tools::file_failure(path.parent_path().string(), errno);
  }
  return socket;
}

std::string p11kit_address(const fs::path& socket) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result = "unix:path=";
  for (const char character : socket.string()) {
    if (is_plain(character)) {
      result += character;
      continue;
    }
    const auto byte = static_cast<unsigned char>(character);
    result += '%';
    result += kDigits[byte >> 4U];
    result += kDigits[byte & 0xfU];
  }
  return result;
}

std::vector<fs::path> doors_of_runs(const BrokerConfig& config) {
  std::vector<fs::path> doors;
  for (const fs::path& folder : run_folders(find_place(config).folder)) {
    doors.push_back(folder / kDoorName);
  }
  return doors;
}

RuntimeFolder::RuntimeFolder(const BrokerConfig& config, FolderAccess access) {
  const Place place = find_place(config);
  if (place.may_be_made) make_place(place.folder, access);
  require_safe_place(place.folder);
  std::string name = (place.folder / (std::string(kFolderPrefix) + "XXXXXX")).string();
  if ((fs::path(name) / kLongestName).string().size() > kMaxSocketPath) {
    refuse(place.folder, "has too long a name for a socket in it, whose path may have " +
                             std::to_string(kMaxSocketPath) + " bytes; choose a shorter one");
  }
  remove_leftovers(place.folder);
  if (mkdtemp(name.data()) == nullptr) throw tools::file_failure(place.folder.string(), errno);
  path_ = name;
  try {
    lock_ = make_lock(path_);
    if ((access == FolderAccess::everyone || !kept(Safeguard::socket_mode)) &&
        chmod(path_.c_str(), kEveryone) != 0) {
      throw tools::file_failure(path_.string(), errno);
    }
  } catch (const tools::Failure&) {
    remove_folder(path_);
    throw;
  }
}

RuntimeFolder::~RuntimeFolder() { remove_folder(path_); }

Descriptor RuntimeFolder::listen_for_p11kit() const {
  return listen_at(socket_path(), SOCK_STREAM, 0600);
}

Descriptor RuntimeFolder::listen_for_agents() const {
  return listen_at(door_path(), SOCK_SEQPACKET, kept(Safeguard::socket_mode) ? 0600 : 0666);
}

void RuntimeFolder::remove_sockets() const noexcept {
  std::error_code ignored;  // the folder may be gone, too
  fs::remove(socket_path(), ignored);
  fs::remove(door_path(), ignored);
}

void RuntimeFolder::write_p11kit_configs(bool with_p11kit,
                                         const std::optional<fs::path>& library) const {
  static constexpr std::string_view kPurpose =
      "# The token of one running task, for a folder that p11-kit reads modules from.\n";
  if (with_p11kit) {
    write_file(p11kit_config_path(), std::string(kPurpose) + "remote: " + address() + "\n");
  }
  const std::string door = door_path().string();
  if (!library || door.find_first_of("\"\n") != std::string::npos) return;
  write_file(module_config_path(), std::string(kPurpose) + "module: " + library->string() +
                                       "\nx-init-reserved: broker=\"" + door + "\"\n");
}

}  // namespace mayfly::broker
