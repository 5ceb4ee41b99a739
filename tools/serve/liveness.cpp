#include "tools/serve/liveness.h"

#include <optional>
#include <utility>

#include "credential/jose/jwk_set.h"

namespace mayfly::serve {
namespace {

// Between attempts to publish what could not be.
constexpr std::chrono::seconds kRetryPause{2};

}  // namespace

Liveness::Liveness(EventLoop& loop, const Config& config)
    : loop_(loop), uri_(config.status.uri), ttl_(config.status.ttl), files_(config) {}

void Liveness::begin() {
  files_.begin();
  done(version_, true);
}

void Liveness::opened(const std::string& serial, std::uint64_t place) {
  living_.add(serial, place);
  changed({LivenessChange::Kind::task_opened, place});
}

void Liveness::ending(const std::string& serial) {
  const std::optional<LivingTasks::Task> gone = living_.remove(serial);
  if (!gone) return;
  for (const std::string& key : gone->keys) {
    changes_.push_back({LivenessChange::Kind::key_gone, 0, key});
  }
  changed({LivenessChange::Kind::task_ended, gone->place});
}

void Liveness::key_made(const std::string& serial, const PublicKey& key) {
  const credential::PublishedKey published = credential::published(key);
  switch (living_.add_key(serial, published.thumbprint)) {
    case LivingTasks::Added::yes:
      return changed(
          {LivenessChange::Kind::key_made, 0, published.thumbprint, jwk_json(published)});
    case LivingTasks::Added::is_others:
      return log_.warn([&] {
        return "the worker of the task with serial " + serial +
               " says that it made a key which another task has";
      });
    case LivingTasks::Added::no:
      return;
  }
}

void Liveness::key_destroyed(const std::string& serial, const std::string& thumbprint) {
  if (!living_.remove_key(serial, thumbprint)) return;
  changed({LivenessChange::Kind::key_gone, 0, thumbprint});
}

void Liveness::when_published(Told told) {
  if (published_version_ == version_) return told(is_true_);
  waiting_.emplace(version_, std::move(told));
}

void Liveness::changed(LivenessChange change) {
  changes_.push_back(std::move(change));
  ++version_;
  start();
}

void Liveness::start() {
  if (is_working_) return;
  is_working_ = true;
  thread_.add([this, version = version_, changes = std::exchange(changes_, {})] {
    const bool is_true = files_.publish(changes);
    loop_.post([this, version, is_true] {
      is_working_ = false;
      done(version, is_true);
    });
  });
}

void Liveness::done(std::uint64_t version, bool is_true) {
  published_version_ = version;
  is_true_ = is_true;
  const bool is_there = !published().take()->status_list.content.empty();
  const auto pause = is_there ? std::chrono::milliseconds(ttl_) / 2 : kRetryPause;
  refresh_ = loop_.after(pause, [this] { start(); });
  if (version_ != version) start();
  const auto last = waiting_.upper_bound(version);
  std::vector<Told> told;
  for (auto entry = waiting_.begin(); entry != last; ++entry)
    told.push_back(std::move(entry->second));
  waiting_.erase(waiting_.begin(), last);
  for (const Told& one : told) one(is_true);
}

}  // namespace mayfly::serve
