#include "registry/sql_database.h"

#include <algorithm>
#include <array>
#include <thread>

#include "base/random.h"
#include "registry/registry_unanswered.h"

namespace mayfly {
namespace {

using std::chrono::milliseconds;

/// Some milliseconds, more each time, and never the same for two who have met.
milliseconds pause_after(unsigned tries) {
  std::array<std::uint8_t, 1> dice{};
  fill_random(dice, "a pause");
  return milliseconds(1 + dice[0] % (2U << std::min(tries, 5U)));
}

}  // namespace

void SqlDatabase::commit_by(const std::function<void()>& commit) {
  try {
    commit();
  } catch (const SqlConflict&) {
    throw;
  } catch (const Error& error) {
    throw RegistryUnanswered(error.rv(), error.what());
  }
}

void SqlDatabase::transact_within(std::optional<milliseconds> most, Access access,
                                  const Body& body) {
  const Clock::time_point deadline = Clock::now() + std::min(most.value_or(patience()), patience());
  for (unsigned tries = 0;; ++tries) {
    try {
      attempt(access, body, deadline);
      return;
    } catch (const SqlConflict& conflict) {
      const milliseconds pause = pause_after(tries);
      if (Clock::now() + pause >= deadline) throw Error(CKR_FUNCTION_FAILED, conflict.what());
      std::this_thread::sleep_for(pause);
    }
  }
}

}  // namespace mayfly
