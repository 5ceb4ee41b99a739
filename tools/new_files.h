// Files that appear in a folder all at once, or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/bytes.h"

namespace mayfly::tools {

/// Writes a new file, mode 0600, to the disk; what is there already is left alone.
/// @param content  Memory that is not copied.
/// @throws Failure kAlreadyExists, kCannotWrite, kDiskFull or kSystem; then there is no file.
void write_new_file(const std::filesystem::path& path, ByteView content);

/// Builds files in a folder beside their place, and moves them into place at the end. Whatever goes
/// wrong before that: the destructor removes everything that was made.
///
/// All functions throw Failure kAlreadyExists, kCannotWrite, kDiskFull or kSystem.
class NewFiles {
 public:
  /// @param folder  Absolute. Made, with its parents, if it is not there; else it must belong to us
  ///                and be writable for nobody else.
  /// @param names   The files and folders that will be made. None may be there. In the order of
  ///                moving: the last one makes the rest valid.
  NewFiles(std::filesystem::path folder, std::vector<std::string> names);
  ~NewFiles();
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  /// Where to build.
  [[nodiscard]] const std::filesystem::path& staging() const noexcept { return staging_; }

  /// Writes a new file in staging(), mode 0600, from memory that is not copied.
  void write(const std::string& name, ByteView content) const;

  /// Makes a new folder in staging(), mode 0700.
  void make_folder(const std::string& name) const;

  /// Puts everything on the disk and moves it into place, never onto something that is there.
  void commit();

 private:
  void make_parents();
  void move_each();

  std::filesystem::path folder_;
  std::vector<std::string> names_;
  std::filesystem::path staging_;
  bool existed_ = false;
  bool committed_ = false;
  std::vector<std::filesystem::path> made_parents_;  // outermost first
  std::vector<std::filesystem::path> moved_;
};

}  // namespace mayfly::tools
