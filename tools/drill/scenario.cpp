#include "tools/drill/scenario.h"

#include <iterator>

namespace mayfly::drill {

const char* to_string(Result result) noexcept {
  static constexpr const char* kNames[] = {"held", "broken", "not tried", "unclear"};
  return kNames[static_cast<std::size_t>(result)];
}

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = [] {
    std::vector<Scenario> table;
    for (const auto group :
         {agent_scenarios, policy_scenarios, leftover_scenarios, neighbour_scenarios,
          killer_scenarios, grant_scenarios, credential_scenarios, ledger_scenarios,
          device_scenarios, chip_scenarios}) {
      std::vector<Scenario> rows = group();
      table.insert(table.end(), std::make_move_iterator(rows.begin()),
                   std::make_move_iterator(rows.end()));
    }
    return table;
  }();
  return all;
}

}  // namespace mayfly::drill
