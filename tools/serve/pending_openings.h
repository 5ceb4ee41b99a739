// Openings that are under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

#include "registry/records.h"

namespace mayfly::serve {

/// PendingOpenings bounds the openings that are under way, for each user and in all: a person may
/// be asked for each, and who asked may hang up meanwhile and ask again. No revocation passes them
/// by.
class PendingOpenings {
 public:
  static constexpr std::size_t kEachUser = 8;
  static constexpr std::size_t kAll = 64;
  /// More of them that operators find room in, however many others ask.
  static constexpr std::size_t kForOperators = 16;

  using Number = std::uint64_t;
  struct Revocation {
    RevocationTarget target;
    std::string cause;
    Number last = 0;  ///< of the openings that it may be about
  };

  /// @param user  Who asks.
  /// @throws tools::Failure kTryAgain; never for an operator.
  [[nodiscard]] Number begin(uid_t user, bool is_operator, const std::string& task_id);
  /// @return the revocations since it began.
  [[nodiscard]] std::vector<Revocation> end(Number opening);
  [[nodiscard]] std::size_t size() const noexcept { return openings_.size(); }

  /// Remembers a revocation for the openings that are under way.
  /// @return of how many it can't be told yet that it is not about them.
  std::size_t revoke(const RevocationTarget& target, const std::string& cause);

 private:
  struct Opening {
    uid_t user;
    std::string task_id;
  };

  Number last_ = 0;
  std::map<Number, Opening> openings_;
  std::vector<Revocation> revocations_;
};

}  // namespace mayfly::serve
