#include "registry/sqlite/sqlite_watch.h"

#include <utility>

namespace mayfly::sqlite {
namespace {

/// Where a log can't be had now, since others are at work with the file, a journal does as well.
void keep_a_log(const std::filesystem::path& file) {
  try {
    Connection connection(file, Connection::Clock::now() + std::chrono::milliseconds(200));
    connection.run("PRAGMA journal_mode=WAL");
  } catch (const SqlConflict&) {
  }
}

}  // namespace

SqliteWatch::SqliteWatch(std::filesystem::path file, std::chrono::milliseconds patience)
    : file_(std::move(file)), patience_(patience) {}

std::chrono::milliseconds SqliteWatch::longest_wait() const noexcept {
  return std::chrono::milliseconds(100);
}

bool SqliteWatch::changed() noexcept {
  try {
    if (!connection_) {
      keep_a_log(file_);
      connection_ = std::make_unique<Connection>(file_, Connection::Clock::now() + patience_);
    }
    // Counts the commits of all other connections. What it says means something for this one only.
    const std::int64_t version = connection_->run("PRAGMA data_version").at(0).number(0);
    return std::exchange(seen_, version) != version;
  } catch (const std::exception&) {  // whoever reads the file is told why it can't be read
    connection_.reset();
    seen_.reset();
    return false;
  }
}

}  // namespace mayfly::sqlite
