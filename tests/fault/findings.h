// What is wrong, counted over thousands of variants of one scenario.
#pragma once

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace mayfly::test {

/// Findings collects what variants did wrong and reports each kind once, with its number and its
/// first example.
class Findings {
 public:
  /// Names the variant that what follows belongs to.
  void begin(std::string variant) {
    variant_ = std::move(variant);
    ++variants_;
  }
  void add(const std::string& what) {
    auto& [count, example] = kinds_[what];
    if (count++ == 0) example = variant_;
  }
  void expect(bool good, const std::string& what) {
    if (!good) add(what);
  }
  [[nodiscard]] std::size_t variants() const noexcept { return variants_; }

  /// Fails the test for each kind of finding.
  void report() const {
    for (const auto& [what, kind] : kinds_) {
      ADD_FAILURE() << what << "\n  " << kind.first << " times, first: " << kind.second;
    }
  }

 private:
  std::string variant_;
  std::size_t variants_ = 0;
  std::map<std::string, std::pair<std::size_t, std::string>> kinds_;
};

}  // namespace mayfly::test
