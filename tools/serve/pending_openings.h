// Openings that are under way.
#pragma once

#include <cstddef>
#include <map>
#include <sys/types.h>

namespace mayfly::serve {

/// PendingOpenings bounds the openings that are under way, for each user and in all: a person may
/// be asked for each, and who asked may hang up meanwhile and ask again.
class PendingOpenings {
 public:
  static constexpr std::size_t kEachUser = 8;
  static constexpr std::size_t kAll = 64;
  /// More of them that operators find room in, however many others ask.
  static constexpr std::size_t kForOperators = 16;

  /// @param user  Who asks.
  /// @throws tools::Failure kTryAgain; never for an operator.
  void begin(uid_t user, bool is_operator);
  void end(uid_t user) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
  std::map<uid_t, std::size_t> of_user_;
};

}  // namespace mayfly::serve
