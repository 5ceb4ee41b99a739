// `mayfly audit` as a person calls it, on chains that a test makes.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "integration/tools/mayfly_sandbox.h"
#include "support/sample_chain.h"

namespace mayfly::test {

/// Exit statuses of `mayfly audit`.
inline constexpr int kOk = 0;
inline constexpr int kNotSealed = 1;  ///< or another check that failed
inline constexpr int kUsage = 2;
inline constexpr int kNoInput = 66;
inline constexpr int kCannotWrite = 73;

class AuditFixture : public testing::Test {
 protected:
  /// Writes a file of the test's own. @return its path.
  [[nodiscard]] std::string file(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = sandbox_.root() / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  /// `mayfly audit ARGUMENTS…`
  [[nodiscard]] Outcome audit(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "audit");
    return sandbox_.mayfly(arguments);
  }

  const MayflySandbox sandbox_;
  const ChainKeys keys_;
};

}  // namespace mayfly::test
