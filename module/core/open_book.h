// The book of a process that records nothing.
#pragma once

#include "core/task_book.h"

namespace mayfly {

/// OpenBook lets everybody open tasks, as far as their policy does, and records nothing: so it can
/// spend no grant, and takes none.
class OpenBook final : public TaskBook {
 public:
  [[nodiscard]] std::unique_ptr<Admission> admit(const TaskRequest& request,
                                                 const ParentTask* parent) override;
  void record(const TaskMove& move) noexcept override { static_cast<void>(move); }
  [[nodiscard]] std::vector<std::string> ordered_to_end() noexcept override { return {}; }
  [[nodiscard]] std::vector<std::string> ordered_in_passing() noexcept override { return {}; }
  void close() noexcept override {}
};

}  // namespace mayfly
