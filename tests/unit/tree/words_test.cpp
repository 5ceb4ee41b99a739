// Rules of the tree that a reader relies on and a compiler does not check.
#include <algorithm>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "unit/tree/source_files.h"

namespace mayfly::test {
namespace {

TEST(Tree, NoFileOfTheModuleOrTheToolsIsLongerThan500Lines) {
  for (const char* folder : {"module", "tools", "include"}) {
    for (const auto& file : files_below(folder)) {
      if (!is_cpp(file)) continue;
      const std::string text = read_source(source_folder() / file);
      EXPECT_LE(std::ranges::count(text, '\n'), 500) << file;
    }
  }
}

TEST(Tree, NobodyLeavesTheHostProcess) {
  // A library must not end the process that loaded it.
  const std::regex kills("\\b(abort|exit|_exit|quick_exit|terminate|assert)\\s*\\(");
  for (const auto& file : files_below("module")) {
    if (!is_cpp(file)) continue;
    std::istringstream lines(read_source(source_folder() / file));
    for (std::string line; std::getline(lines, line);) {
      const std::string code = line.substr(0, line.find("//"));
      EXPECT_FALSE(std::regex_search(code, kills) &&
                   code.find("static_assert") == std::string::npos)
          << file << ": " << line;
    }
  }
}

TEST(Tree, ExactlyOneHeaderOfPkcs11IsIncludedOutsideP11KitsBorders) {
  std::vector<std::string> users;
  for (const auto& file : files_below("module")) {
    if (!is_cpp(file)) continue;
    if (read_source(source_folder() / file).find("#include <nss/pkcs11.h>") != std::string::npos) {
      users.push_back(file.string());
    }
  }
  EXPECT_EQ(users, std::vector<std::string>{"module/base/pkcs11.h"});
}

}  // namespace
}  // namespace mayfly::test
