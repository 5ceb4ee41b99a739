// A file descriptor with an owner.
#pragma once

#include <utility>

namespace mayfly {

/// A file descriptor that is closed when its owner goes. -1 is none.
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(std::exchange(other.number_, -1));
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }

  [[nodiscard]] int number() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }

  /// Closes what is held and holds `number` instead. Leaves errno alone.
  void reset(int number = -1) noexcept;

 private:
  int number_ = -1;
};

}  // namespace mayfly
