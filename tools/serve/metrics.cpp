#include "tools/serve/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace mayfly::serve {
namespace {

constexpr double kMicroseconds = 1e-6;

prometheus::Histogram::BucketBoundaries bounds_in_seconds() {
  prometheus::Histogram::BucketBoundaries bounds;
  for (const std::uint32_t bound : Use::kBounds_us) bounds.push_back(bound * kMicroseconds);
  return bounds;
}

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

/// A worker that is not what it should be must not make a counter jump.
double grown(std::uint64_t before, std::uint64_t now) noexcept {
  return now > before ? static_cast<double>(now - before) : 0.0;
}

}  // namespace

Metrics::Metrics() : registry_(std::make_shared<prometheus::Registry>()) {
  prometheus::Registry& all = *registry_;
  opened_ = &counters(all, "mayfly_tasks_opened_total", "Tasks that were opened.").Add({});
  openings_refused_ =
      &counters(all, "mayfly_openings_refused_total", "Tasks that somebody asked for in vain.")
           .Add({});
  auto& open = gauges(all, "mayfly_tasks", "Tasks that go on, by state.");
  open_ = {&open.Add({{"state", "open"}}), &open.Add({{"state", "active"}})};
  auto& ended = counters(all, "mayfly_tasks_ended_total", "Tasks that have ended, by how.");
  for (std::size_t i = 0; i < kTaskStates; ++i) {
    const auto state = static_cast<TaskState>(i);
    if (is_final(state)) ended_[i] = &ended.Add({{"state", to_string(state)}});
  }
  keys_ = &gauges(all, "mayfly_live_keys", "Key pairs that live in tasks.").Add({});
  surviving_ = &gauges(all, "mayfly_surviving_keys",
                       "Key pairs of ended tasks that may still be on the device. Must be 0.")
                    .Add({});
  signatures_ = &counters(all, "mayfly_signatures_total", "Signatures that were made.").Add({});
  auto& refusals =
      counters(all, "mayfly_refusals_total", "Calls that tasks' clients were refused, by reason.");
  for (std::size_t i = 0; i < kRefusalReasons; ++i) {
    const std::string reason(name_of(static_cast<RefusalReason>(i)));
    refusals_[i] = &refusals.Add({{"reason", reason}});
  }
  device_time_ = &prometheus::BuildHistogram()
                      .Name("mayfly_device_sign_seconds")
                      .Help("How long the device takes for a signature: one in 64 is timed.")
                      .Register(all)
                      .Add({}, bounds_in_seconds());
  gauges(all, "mayfly_build_info", "Always 1; the label says which version.")
      .Add({{"version", MAYFLY_VERSION}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::task_opened() noexcept {
  opened_->Increment();
  open_[0]->Increment();
}

void Metrics::task_moved(TaskState from, TaskState to) noexcept {
  open_[from == TaskState::active ? 1 : 0]->Decrement();
  if (is_final(to)) {
    ended_[static_cast<std::size_t>(to)]->Increment();
  } else {
    open_[to == TaskState::active ? 1 : 0]->Increment();
  }
}

void Metrics::opening_refused() noexcept { openings_refused_->Increment(); }

void Metrics::keys_changed(std::ptrdiff_t more) noexcept {
  keys_->Increment(static_cast<double>(more));
}

void Metrics::used(const Use& before, const Use& now) noexcept {
  signatures_->Increment(grown(before.signatures, now.signatures));
  for (std::size_t i = 0; i < kRefusalReasons; ++i) {
    refusals_[i]->Increment(grown(before.refusals[i], now.refusals[i]));
  }
  std::vector<double> times(Use::kBuckets);
  for (std::size_t i = 0; i < times.size(); ++i) {
    times[i] = grown(before.device_times[i], now.device_times[i]);
  }
  device_time_->ObserveMultiple(times,
                                grown(before.device_time_us, now.device_time_us) * kMicroseconds);
}

void Metrics::keys_survive(std::size_t keys) noexcept {
  surviving_->Set(static_cast<double>(keys));
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace mayfly::serve
