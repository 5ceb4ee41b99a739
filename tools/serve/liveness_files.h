// The files that say which tasks and keys live, and how they are made.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "config/config.h"
#include "credential/status/status_list.h"
#include "tools/serve/published.h"
#include "tools/serve/signing_process.h"

namespace mayfly::serve {

/// Something that came to live, or does not any more.
struct LivenessChange {
  enum class Kind { task_opened, task_ended, key_made, key_gone };

  Kind kind = Kind::task_ended;
  std::uint64_t place = 0;   ///< of a task, in the list
  std::string thumbprint{};  ///< of a key's JWK
  std::string jwk{};         ///< of a key that was made
};

/// LivenessFiles makes status.jwt and keys.json of status.folder, and remembers what they say: what
/// another publication costs depends on what has changed, not on how many tasks there are, but for
/// the length of the files. One thread at a time.
class LivenessFiles {
 public:
  /// @param config  Must have a status list.
  explicit LivenessFiles(const Config& config);

  /// Says that nothing lives.
  /// @throws Error, std::system_error if no list can be signed, or the folder not be written.
  void begin();

  /// Says what has changed; nothing makes the same files anew.
  /// @return whether nothing that others can fetch says that something lives which does not. False:
  ///         a file could be neither replaced nor removed.
  [[nodiscard]] bool publish(const std::vector<LivenessChange>& changes) noexcept;

  [[nodiscard]] const PublishedPlace& published() const noexcept { return published_; }

 private:
  void note(const LivenessChange& change);
  [[nodiscard]] PublishedFile key_set() const;
  [[nodiscard]] PublishedFile status_list();
  void write();
  [[nodiscard]] bool withdraw() noexcept;

  const std::chrono::seconds ttl_;
  const std::filesystem::path folder_;
  const std::string list_file_;
  const std::string keys_file_;
  credential::StatusList list_;
  std::map<std::string, std::string> keys_;  // their JWKs, by thumbprint
  PublishedFile key_set_;                    // as it was written last; empty: it must be anew
  PublishedPlace published_;
  SigningProcess signing_;
  bool failed_ = false;  // whether the last time went wrong
};

}  // namespace mayfly::serve
