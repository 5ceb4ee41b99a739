#include "races/race_report.h"

#include <iomanip>
#include <sstream>

namespace mayfly::test {

void RaceReport::broken(const std::string& what) {
  const std::scoped_lock lock(mutex_);
  if (violations_.size() < 100) violations_.push_back(what);
}

std::vector<std::string> RaceReport::violations() const {
  const std::scoped_lock lock(mutex_);
  return violations_;
}

std::string RaceReport::summary() const {
  std::ostringstream text;
  const auto line = [&](const char* name, unsigned long number) {
    text << "  " << std::left << std::setw(44) << name << ' ' << number << '\n';
  };
  line("lives of the library", lives);
  line("tasks opened", tasks);
  line("  ended by MAYFLY_CloseTask", closed);
  line("  ended by their deadline", expired);
  line("  ended by C_Finalize", finalised);
  line("logouts under signers", logouts);
  line("keys made", keys);
  line("signatures given out, all verified", signatures);
  line("calls refused", refusals);
  line("uses of another task's handles, all refused", strangers_tried);
  line("searches of the device for ended tasks' keys", looks_at_device);
  line("survivors", survivors);
  line("foreign objects touched", foreign_losses);
  line("broken promises", violations().size());
  for (const std::string& violation : violations()) text << "    " << violation << '\n';
  return text.str();
}

}  // namespace mayfly::test
