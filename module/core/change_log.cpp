#include "core/change_log.h"

namespace mayfly {

ChangeLog::ChangeLog(Listener listener) : listener_(std::move(listener)), gone_(kRemembered) {}

ChangeLog::Mark ChangeLog::came(Number object) {
  living_.push_back({now_ + 1, object});
  ++now_;
  announce();
  return std::prev(living_.end());
}

void ChangeLog::changed(Mark mark) noexcept {
  mark->moment = ++now_;
  living_.splice(living_.end(), living_, mark);
  announce();
}

void ChangeLog::went(Mark mark) noexcept {
  Entry& place = gone_[next_gone_];
  next_gone_ = (next_gone_ + 1) % kRemembered;
  if (place.moment != 0) forgotten_ = place.moment;
  place = {++now_, mark->object};
  living_.erase(mark);
  announce();
}

std::vector<ChangeLog::Number> ChangeLog::gone_since(Moment moment) const {
  std::vector<Number> result;
  for (std::size_t i = 0; i < kRemembered; ++i) {
    const Entry& entry = gone_[(next_gone_ + i) % kRemembered];
    if (entry.moment > moment) result.push_back(entry.object);
  }
  return result;
}

}  // namespace mayfly
