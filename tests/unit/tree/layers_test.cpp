// The layers of the module: which may include which, and no circles.
#include <algorithm>
#include <functional>
#include <map>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "unit/tree/source_files.h"

namespace mayfly::test {
namespace {

using Includes = std::map<std::string, std::set<std::string>>;

/// Each file of the module, and the module's files that it includes.
Includes module_includes() {
  static const std::regex kInclude("#include \"([^\"]+)\"");
  Includes includes;
  for (const auto& file : files_below("module")) {
    if (!is_cpp(file)) continue;
    const std::string name = std::filesystem::relative(file, "module").string();
    const std::string text = read_source(source_folder() / file);
    std::set<std::string>& targets = includes[name];
    for (std::sregex_iterator match(text.begin(), text.end(), kInclude), end; match != end;
         ++match) {
      targets.insert((*match)[1]);
    }
  }
  return includes;
}

std::string layer_of(const std::string& file) { return file.substr(0, file.find('/')); }

TEST(Layers, ArrowsRunDownwardsOnly) {
  const std::map<std::string, std::set<std::string>> allowed = {
      {"base", {"base", "mayfly"}},
      {"wire", {"base", "wire"}},
      {"device", {"base", "wire", "device"}},
      {"config", {"base", "config"}},
      {"registry", {"base", "registry"}},
      {"credential", {"base", "credential"}},
      {"grant", {"base", "grant"}},
      {"ledger", {"base", "ledger"}},
      {"core", {"base", "device", "credential", "grant", "ledger", "core"}},
      {"compose",
       {"base", "device", "registry", "credential", "grant", "ledger", "config", "core",
        "compose"}},
      {"api", {"base", "config", "core", "compose", "api"}},
      {"verifier", {"base", "credential", "mayfly", "verifier"}},
  };
  const Includes includes = module_includes();
  ASSERT_GT(includes.size(), 50U);
  for (const auto& [file, targets] : includes) {
    const auto layer = allowed.find(layer_of(file));
    ASSERT_NE(layer, allowed.end()) << file << " is in no known layer";
    for (const std::string& target : targets) {
      EXPECT_TRUE(layer->second.contains(layer_of(target))) << file << " includes " << target;
    }
  }
}

TEST(Layers, OnlyComposeNamesConcreteDevices) {
  for (const auto& [file, targets] : module_includes()) {
    if (layer_of(file) == "compose") continue;
    for (const std::string& target : targets) {
      const std::string layer = layer_of(target);
      const bool concrete =
          (layer == "device" || layer == "registry") && std::ranges::count(target, '/') > 1;
      const bool at_home = file.substr(0, file.rfind('/')) == target.substr(0, target.rfind('/'));
      EXPECT_TRUE(!concrete || at_home) << file << " includes " << target;
    }
  }
}

TEST(Layers, NoFileIncludesItselfInCircles) {
  const Includes includes = module_includes();
  std::set<std::string> done;
  std::vector<std::string> path;
  const std::function<void(const std::string&)> visit = [&](const std::string& file) {
    ASSERT_EQ(std::ranges::find(path, file), path.end()) << "a circle through " << file;
    if (done.contains(file)) return;
    path.push_back(file);
    if (const auto found = includes.find(file); found != includes.end()) {
      for (const std::string& target : found->second) visit(target);
    }
    path.pop_back();
    done.insert(file);
  };
  for (const auto& [file, targets] : includes) visit(file);
}

}  // namespace
}  // namespace mayfly::test
