#include "grant/algorithm.h"

#include <algorithm>

namespace mayfly::grant {

std::optional<Algorithm> algorithm_of(const KeySpec& spec) noexcept {
  const auto found =
      std::ranges::find_if(kAlgorithms, [&](Algorithm algorithm) { return fits(algorithm, spec); });
  if (found == std::end(kAlgorithms)) return std::nullopt;
  return *found;
}

}  // namespace mayfly::grant
