// What the broker tells the world of its tasks.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace mayfly::serve {

/// A file as it is served. Empty: there is none, since the one that was there may say that
/// something lives which does not.
struct PublishedFile {
  std::string content;
  std::string tag;  ///< its ETag (RFC 9110, 8.8.3), with the quotes

  PublishedFile() = default;
  explicit PublishedFile(std::string text);
};

/// The two files, as they are now.
struct PublishedFiles {
  PublishedFile status_list;
  PublishedFile keys;
  BootClock::time_point until{};  ///< when both are made anew at the latest
};

/// PublishedPlace hands the files from the thread that makes them to those that serve them.
class PublishedPlace {
 public:
  void put(PublishedFiles files) {
    auto fresh = std::make_shared<const PublishedFiles>(std::move(files));
    const std::scoped_lock lock(mutex_);
    files_.swap(fresh);
  }

  /// Never null.
  [[nodiscard]] std::shared_ptr<const PublishedFiles> take() const {
    const std::scoped_lock lock(mutex_);
    return files_;
  }

 private:
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const PublishedFiles> files_ = std::make_shared<const PublishedFiles>();
};

}  // namespace mayfly::serve
