#include "tools/config_text.h"

#include <algorithm>
#include <string_view>

#include "config/keys.h"

namespace mayfly::tools {
namespace {

/// A text as comment lines of at most 98 characters.
std::string comment(std::string_view text) {
  static constexpr std::size_t kWidth = 96;
  std::string lines;
  while (!text.empty()) {
    std::size_t end = text.size();
    if (end > kWidth) {
      end = text.rfind(' ', kWidth);
      if (end == text.npos) end = text.size();
    }
    lines += "# " + std::string(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string key_text(const ConfigKey& key, const Config& config) {
  const std::string value = key.show(config);
  const std::string standard = key.show(Config{});
  const std::string name(key.name);
  std::string lines = comment(key.doc);
  if (value != standard) {
    lines += name + " = " + value + "\n";
  } else if (!standard.empty()) {
    lines += "#" + name + " = " + standard + "\n";
  } else {
    lines += "#" + name + " = " + std::string(key.example) + "\n";
  }
  return lines;
}

}  // namespace

std::string config_text(const Config& config) {
  std::string text = comment(
      "The configuration of mayfly. Settings behind # show the default, or an example where there "
      "is "
      "none. After a change, `mayfly doctor` tells whether all is well.");
  for (const ConfigTable& table : config_tables()) {
    std::string keys;
    for (const ConfigKey& key : config_keys()) {
      if (key.table != table.name || !key.is_for(config.device.type)) continue;
      keys += "\n" + key_text(key, config);
    }
    if (keys.empty()) continue;
    text += "\n" + comment(table.doc) + "[" + std::string(table.name) + "]\n" + keys;
  }
  return text;
}

}  // namespace mayfly::tools
