// Noticing changes of a SQLite file.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include "registry/sqlite/connection.h"
#include "registry/watch.h"

namespace mayfly::sqlite {

/// SqliteWatch looks ten times a second whether the file has changed. It gives the file a
/// write-ahead log, which stays: nobody who reads waits then, and a commit takes half as long while
/// a watch is there. With connections that close after each transaction alone, a journal takes
/// fewer writes.
class SqliteWatch final : public Watch {
 public:
  SqliteWatch(std::filesystem::path file, std::chrono::milliseconds patience);

  [[nodiscard]] int descriptor() const noexcept override { return -1; }
  [[nodiscard]] std::chrono::milliseconds longest_wait() const noexcept override;
  [[nodiscard]] bool changed() noexcept override;

 private:
  std::filesystem::path file_;
  std::chrono::milliseconds patience_;
  std::unique_ptr<Connection> connection_;
  std::optional<std::int64_t> seen_;
};

}  // namespace mayfly::sqlite
