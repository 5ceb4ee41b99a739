// A TPM 2.0 in software, of a test's own.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>

#include "support/temp_folder.h"

namespace mayfly::test {

/// swtpm, running as long as this lives, with an empty state of its own.
class Swtpm {
 public:
  Swtpm();
  ~Swtpm();
  Swtpm(const Swtpm&) = delete;
  Swtpm& operator=(const Swtpm&) = delete;

  /// What tss2-tctildr loads to reach it.
  [[nodiscard]] std::string tcti() const { return "swtpm:path=" + socket().string(); }

  /// Unloads all objects, as a resource manager does when a process has gone.
  void flush_objects() const;

 private:
  [[nodiscard]] std::filesystem::path socket() const { return folder_.path() / "tpm.sock"; }

  TempFolder folder_;
  pid_t number_ = -1;
};

}  // namespace mayfly::test
