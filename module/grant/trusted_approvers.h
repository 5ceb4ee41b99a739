// The file of approvers, as it is now.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "grant/approvers.h"

namespace mayfly::grant {

/// TrustedApprovers reads a file of approvers, and reads it again when it has changed. Safe to use
/// from several threads.
class TrustedApprovers {
 public:
  using List = std::shared_ptr<const std::vector<Approver>>;

  /// @param file  A JWK Set, guarded as the configuration is: it must belong to root or to this
  ///              process's user, and nobody else may write it. It is read at the first need.
  /// @param coarsest_tick  Within which two changes of a file may have the same times: a file that
  ///              was changed so lately is read again at each need.
  explicit TrustedApprovers(std::string file,
                            std::chrono::seconds coarsest_tick = std::chrono::seconds(2))
      : file_(std::move(file)), coarsest_tick_(coarsest_tick) {}

  /// Those who are trusted now. Looks at the file each time; what was read before a change is never
  /// used after it.
  /// @throws Refused no_approvers when the file is not there, is not guarded, or is not good: then
  ///         nobody is trusted, whoever was before. What is wrong is logged once for each change.
  [[nodiscard]] List current();

 private:
  /// What tells one content of the file from the next.
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    timespec modified{};
    timespec changed{};  // of owner and mode, too

    explicit Stamp(const struct stat& status) noexcept;
    Stamp() noexcept = default;
    bool operator==(const Stamp& other) const noexcept;
  };

  [[nodiscard]] bool is_as_read() const noexcept;
  [[nodiscard]] bool is_settled() const noexcept;
  void read();

  const std::string file_;
  const std::chrono::seconds coarsest_tick_;
  std::mutex mutex_;
  List list_;            // null: nobody is trusted
  std::string problem_;  // why
  Stamp stamp_;
  bool settled_ = false;  // whether a later change is sure to show in the stamp
};

}  // namespace mayfly::grant
