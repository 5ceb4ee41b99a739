// A TPM 2.0 in software, of a test's own.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

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

  /// Gives its owner an authorisation value.
  void set_owner_auth(const std::string& value) const;

  /// Switches the TPM off and on again, and starts it up afresh: a TPM Reset.
  void reset();
  /// What a machine does that is suspended to memory and resumed: a TPM Resume.
  void suspend_and_resume();

  /// Stops it in the middle of whatever it does, and lets it go on.
  void freeze() const;
  void thaw() const;

  /// Ends the process without warning; start() brings it back with what it had stored, as a TPM
  /// that was without power.
  void kill();
  void start();

 private:
  [[nodiscard]] std::filesystem::path socket() const { return folder_.path() / "tpm.sock"; }
  static void run(const std::vector<std::string>& arguments);

  TempFolder folder_;
  pid_t number_ = -1;
};

}  // namespace mayfly::test
