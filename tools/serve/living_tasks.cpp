#include "tools/serve/living_tasks.h"

#include <utility>

namespace mayfly::serve {

void LivingTasks::add(const std::string& serial, std::uint64_t place) {
  tasks_.try_emplace(serial, Task{place, {}});
}

std::optional<LivingTasks::Task> LivingTasks::remove(const std::string& serial) {
  const auto found = tasks_.find(serial);
  if (found == tasks_.end()) return std::nullopt;
  Task gone = std::move(found->second);
  tasks_.erase(found);
  for (const std::string& key : gone.keys) owners_.erase(key);
  return gone;
}

LivingTasks::Added LivingTasks::add_key(const std::string& serial, const std::string& thumbprint) {
  const auto found = tasks_.find(serial);
  if (found == tasks_.end()) return Added::no;
  const auto [owner, is_new] = owners_.try_emplace(thumbprint, serial);
  if (!is_new) return owner->second == serial ? Added::no : Added::is_others;
  found->second.keys.insert(thumbprint);
  return Added::yes;
}

bool LivingTasks::remove_key(const std::string& serial, const std::string& thumbprint) {
  const auto found = tasks_.find(serial);
  if (found == tasks_.end() || found->second.keys.erase(thumbprint) == 0) return false;
  owners_.erase(thumbprint);
  return true;
}

}  // namespace mayfly::serve
