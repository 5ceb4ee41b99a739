// Test vectors from files: blocks of `name = value` lines, an empty line between blocks, #
// comments.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/public_key.h"

namespace mayfly::test {

class Vector {
 public:
  /// The value of a name; throws std::out_of_range, so that a slip in a file is no silent pass.
  [[nodiscard]] const std::string& text(const std::string& name) const { return values_.at(name); }
  [[nodiscard]] Bytes bytes(const std::string& name) const;
  [[nodiscard]] std::size_t number(const std::string& name) const {
    return std::stoul(values_.at(name));
  }
  [[nodiscard]] Hash hash(const std::string& name) const;

  void set(const std::string& name, const std::string& value) { values_[name] = value; }
  [[nodiscard]] bool empty() const noexcept { return values_.empty(); }

 private:
  std::map<std::string, std::string> values_;
};

/// All blocks of a file of tests/unit/base/data.
[[nodiscard]] std::vector<Vector> read_vectors(const std::string& file);

[[nodiscard]] Bytes from_hex(std::string_view text);

/// "P-256" to "P-521".
[[nodiscard]] KeySpec curve(std::string_view name);

}  // namespace mayfly::test
