// What Prometheus is told of the broker.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "base/task_state.h"
#include "core/use_meter.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace mayfly::serve {

/// Metrics counts what becomes of the broker's tasks. No label has a value that somebody outside
/// can choose. Its functions may be called from any thread.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void task_opened() noexcept;
  /// A task that was open, or active, is in another state.
  void task_moved(TaskState from, TaskState to) noexcept;
  void opening_refused() noexcept;
  void keys_changed(std::ptrdiff_t more) noexcept;
  /// What a task was used since the report before.
  void used(const Use& before, const Use& now) noexcept;
  /// Keys of ended tasks that may still be on the device.
  void keys_survive(std::size_t keys) noexcept;

  /// All of it, in the text format of Prometheus, version 0.0.4.
  [[nodiscard]] std::string text() const;

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Counter* opened_;
  prometheus::Counter* openings_refused_;
  std::array<prometheus::Gauge*, 2> open_;  // open, active
  std::array<prometheus::Counter*, kTaskStates> ended_{};
  prometheus::Gauge* keys_;
  prometheus::Gauge* surviving_;
  prometheus::Counter* signatures_;
  std::array<prometheus::Counter*, kRefusalReasons> refusals_{};
  prometheus::Histogram* device_time_;
};

}  // namespace mayfly::serve
