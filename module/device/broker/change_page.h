// The page by which a worker hints that its task changed.
#pragma once

#include <cstdint>

#include "base/descriptor.h"
#include "wire/protocol.h"

namespace mayfly::agent {

/// ChangePage reads the page that came with HELLO. What stands there is a hint that there is
/// something to ask for, and nothing else.
class ChangePage {
 public:
  /// Maps the page, if it is what it should be: a page that can shrink would kill this process.
  /// @throws wire::WireError
  explicit ChangePage(const Descriptor& memory);
  ~ChangePage();
  ChangePage(const ChangePage&) = delete;
  ChangePage& operator=(const ChangePage&) = delete;

  [[nodiscard]] std::uint64_t changes() const noexcept {
    return __atomic_load_n(&page_->changes, __ATOMIC_ACQUIRE);
  }
  /// 0 while the task lives, then a number that says how it ended.
  [[nodiscard]] std::uint32_t ended() const noexcept {
    return __atomic_load_n(&page_->ended, __ATOMIC_ACQUIRE);
  }

 private:
  const wire::ChangePageLayout* page_;
};

}  // namespace mayfly::agent
