// The page by which agents notice that something changed.
#pragma once

#include <cstdint>

#include "base/descriptor.h"
#include "core/task.h"
#include "wire/protocol.h"

namespace mayfly::broker {

/// ChangeNotice is a page of memory (wire::ChangePageLayout) that this process writes and agents
/// map. It is sealed: nobody else can write to it or take it away from under those who read it.
/// What stands on it are hints that there is something to ask for; nothing is granted by them.
class ChangeNotice final : public TaskObserver {
 public:
  /// @throws std::system_error
  ChangeNotice();
  ~ChangeNotice() override;

  /// What agents are passed.
  [[nodiscard]] int descriptor() const noexcept { return memory_.number(); }

  /// Token objects came, changed or went.
  void tell_changes(std::uint64_t moment) noexcept;
  void task_ended(TaskState cause) noexcept override;

 private:
  Descriptor memory_;
  wire::ChangePageLayout* page_ = nullptr;
};

}  // namespace mayfly::broker
