// Which tasks and keys of the broker live, for others to see.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/limited_log.h"
#include "base/public_key.h"
#include "config/config.h"
#include "tools/serve/event_loop.h"
#include "tools/serve/job_threads.h"
#include "tools/serve/liveness_files.h"
#include "tools/serve/living_tasks.h"

namespace mayfly::serve {

/// Liveness keeps status.folder true: status.jwt, the signed status list of the broker's tasks, and
/// keys.json, the public keys that live in them. Both are made anew whenever something changes, and
/// twice in status.ttl; changes that come while they are made wait for the next time together.
///
/// It fails closed: if a list can't be signed or a file not be written, the file is removed, and
/// what is served over HTTP with it.
///
/// All functions are the loop's; signing and writing are done by a thread, which is told only what
/// has changed.
class Liveness {
 public:
  /// @param config  Must have a status list.
  Liveness(EventLoop& loop, const Config& config);
  Liveness(const Liveness&) = delete;
  Liveness& operator=(const Liveness&) = delete;

  /// Says that nothing lives, whatever was said before, and returns when that is done. To be called
  /// before anything is told.
  /// @throws Error, std::system_error if no list can be signed, or the folder not be written.
  void begin();

  [[nodiscard]] const std::string& uri() const noexcept { return uri_; }

  /// A task was opened.
  /// @param place  Its number in the registry, at most kMostPlaces.
  void opened(const std::string& serial, std::uint64_t place);
  /// It is about to end, or has: neither it nor a key of it is said to live from now on.
  void ending(const std::string& serial);

  /// A key was made in a task, or destroyed. Of tasks that are not open nothing is said.
  void key_made(const std::string& serial, const PublicKey& key);
  /// @param thumbprint  jwk_thumbprint() of it.
  void key_destroyed(const std::string& serial, const std::string& thumbprint);

  /// @param is_true  Whether nothing that others can fetch says that something lives which was
  ///                 told of as ended before. False: a file could be neither replaced nor removed.
  using Told = std::function<void(bool is_true)>;
  /// Calls a function, perhaps at once, when all that was told before can be seen by others.
  void when_published(Told told);

  /// The largest place that a list has room for.
  static constexpr std::uint64_t kMostPlaces = std::uint64_t{credential::kMaxStatusBytes} * 8 - 1;

  [[nodiscard]] const PublishedPlace& published() const noexcept { return files_.published(); }

 private:
  void changed(LivenessChange change);
  void start();
  void done(std::uint64_t version, bool is_true);

  EventLoop& loop_;
  const std::string uri_;
  const std::chrono::seconds ttl_;
  LivingTasks living_;
  std::vector<LivenessChange> changes_;  // that the thread has not been told of
  std::uint64_t version_ = 0;            // counts the changes
  std::uint64_t published_version_ = 0;
  bool is_true_ = true;
  bool is_working_ = false;
  std::multimap<std::uint64_t, Told> waiting_;  // by the version that they wait for
  EventLoop::Timer refresh_;
  log::LimitedLog log_;
  LivenessFiles files_;   // the thread's
  JobThreads thread_{1};  // goes first: what it does uses the rest
};

}  // namespace mayfly::serve
