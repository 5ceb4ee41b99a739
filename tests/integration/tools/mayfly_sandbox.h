// A place where the mayfly command can be run without touching the machine's own set-up.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "integration/tools/command.h"
#include "support/temp_folder.h"

namespace mayfly::test {

class MayflySandbox {
 public:
  MayflySandbox();

  [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_.path(); }
  /// Where `mayfly init` without --folder puts its files here.
  [[nodiscard]] std::filesystem::path user_folder() const { return root() / "config" / "mayfly"; }

  /// Runs the mayfly command.
  [[nodiscard]] Outcome mayfly(const std::vector<std::string>& arguments,
                               const Environment& changes = {}, int closed_stream = 0) const;

  /// `mayfly init` into the folder; throws if it fails.
  void init(const std::filesystem::path& folder) const;

 private:
  TempFolder root_;
};

/// What `mayfly doctor --json` said of each part.
struct Diagnosis {
  int status = -1;
  bool ok = false;
  std::map<std::string, std::string> verdicts;  ///< name to "ok", "warn", "fail" or "skipped"
  std::map<std::string, std::string> details;

  [[nodiscard]] std::vector<std::string> with(const std::string& verdict) const;
};

[[nodiscard]] Diagnosis diagnose(const MayflySandbox& sandbox, const std::filesystem::path& config,
                                 const Environment& changes = {});

/// Every file and folder under a path, relative to it, sorted.
[[nodiscard]] std::vector<std::string> tree(const std::filesystem::path& folder);

/// Runs `body` in a child process that has its own view of the file systems, where it may mount
/// what it likes. Its expectations count as the caller's.
void with_own_mounts(const std::function<void()>& body);

/// Mounts a file system in memory, for with_own_mounts().
void mount_memory(const std::filesystem::path& folder, const std::string& options);
void remount_read_only(const std::filesystem::path& folder);

}  // namespace mayfly::test
