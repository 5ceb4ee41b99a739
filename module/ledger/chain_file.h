// A file that lines are only ever added to.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>

#include "base/descriptor.h"

namespace mayfly::ledger {

/// The file of a chain in a ledger's folder: the task's serial and ".jsonl".
[[nodiscard]] std::filesystem::path chain_path(const std::filesystem::path& folder,
                                               std::string_view serial);

/// Opens a ledger's folder.
/// @throws Error CKR_FUNCTION_FAILED "PATH: what is wrong; how to mend it" when it is not there,
///         belongs to a user other than root and this process's, or can be written by others.
[[nodiscard]] Descriptor open_folder(const std::filesystem::path& folder);

/// ChainFile is a new file of mode 0600, open for appending. It grows by whole lines or not at all:
/// of a line for which there is no room, nothing is left. A file that somebody else changed,
/// shortened or removed takes no more lines, and neither does one that could not be cleared of the
/// half of a line.
///
/// A host that closes all descriptors, or uses their numbers for files of its own, finds nothing
/// written there: the file is opened again. That is looked at before each line; whether somebody
/// else changed or removed the file, every kLookAgain, since each look costs as much as the line.
///
/// A file that is finished has mode 0400: that tells those who look for chains that are being
/// written, or were left by a process that died, to pass over it.
///
/// All functions but finish() and remove_if_empty() throw Error CKR_FUNCTION_FAILED "PATH: what is
/// wrong; how to mend it". No two may run at the same time, but sync() beside append().
class ChainFile {
 public:
  static constexpr std::chrono::milliseconds kLookAgain{100};

  /// @throws Error also when there is a file, or anything else, of that name.
  ChainFile(const std::filesystem::path& folder, std::string_view serial);
  ~ChainFile();
  ChainFile(const ChainFile&) = delete;
  ChainFile& operator=(const ChainFile&) = delete;

  /// Adds a line, in one write to the kernel.
  /// @param line  With its newline.
  void append(std::string_view line);

  /// Waits until the file's name is on the disk. Does nothing the second time.
  void sync_name();
  /// Waits until all that was appended is on the disk. If that fails, for whatever reason, the file
  /// takes no more lines.
  void sync();

  /// Has the next append() look at the file, however short a time ago the last one did.
  void look_again() noexcept { looked_ = {}; }

  /// No more lines. Leaves the descriptor open until the object goes.
  void finish() noexcept;

  /// Removes a file in which nothing stands yet: a task that could not be opened leaves none.
  void remove_if_empty() noexcept;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  [[noreturn]] void refuse(const std::string& problem) const;
  /// Whether a descriptor is the file's; what is known of the file then.
  [[nodiscard]] std::optional<struct stat> examine(int number) const noexcept;
  /// Gives the file's descriptor a position that no other has.
  [[nodiscard]] bool mark(int number) const noexcept;
  [[nodiscard]] bool is_marked() const noexcept;
  void open_again();
  void require_untouched();
  void require_room(std::size_t size) const;
  /// Takes away what a line left that was not written to its end.
  void roll_back() noexcept;

  const std::filesystem::path folder_;
  const std::string path_;
  std::atomic<int> file_{-1};  // not to be closed unseen: its number may be the host's by now
  const off_t mark_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::uint64_t size_ = 0;
  std::chrono::steady_clock::time_point looked_;  // when the file itself was last looked at
  bool name_synced_ = false;
  std::atomic<bool> damaged_{false};
};

}  // namespace mayfly::ledger
