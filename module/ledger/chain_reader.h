// Reading a chain's file line by line, whatever it holds.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <string_view>

#include "ledger/entry.h"

namespace mayfly::ledger {

/// ChainReader gives the lines of a chain one by one, and never holds more than one.
class ChainReader {
 public:
  explicit ChainReader(std::istream& stream);

  struct Line {
    std::uint64_t number = 0;  ///< from 1 on
    std::string_view text;     ///< without its newline; valid until the next call
    bool complete = true;      ///< false: the file ends before its newline
    bool too_long = false;     ///< longer than kMaxLine: `text` is its start, and the last
  };

  /// The next line; nothing at the end.
  [[nodiscard]] std::optional<Line> next();

 private:
  std::istream& stream_;
  std::string buffer_;
  std::uint64_t number_ = 0;
};

}  // namespace mayfly::ledger
