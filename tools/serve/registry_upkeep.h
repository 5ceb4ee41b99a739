// The registry forgets what is over for long.
#pragma once

#include <memory>
#include <optional>

#include "compose/registry_book.h"
#include "compose/registry_purge.h"
#include "tools/serve/accepted_config.h"
#include "tools/serve/event_loop.h"
#include "tools/serve/job_threads.h"

namespace mayfly::serve {

/// RegistryUpkeep has the registry forget, now and then, what registry.keep says, in small steps
/// with pauses between them. All functions are the loop's; a thread does the work.
class RegistryUpkeep {
 public:
  /// Between two times.
  static constexpr std::chrono::hours kPause{6};

  /// @param threads  Must have ended before this goes.
  RegistryUpkeep(EventLoop& loop, JobThreads& threads, std::shared_ptr<RegistryBook> book,
                 CurrentConfig config);

  /// Goes through the registry once, and again after each pause.
  void begin();

 private:
  void step();
  void done(bool is_more);

  EventLoop& loop_;
  JobThreads& threads_;
  const std::shared_ptr<RegistryBook> book_;
  const CurrentConfig config_;
  std::optional<RegistryPurge> purge_;  // the thread's while a step is under way
  EventLoop::Timer next_;
};

}  // namespace mayfly::serve
