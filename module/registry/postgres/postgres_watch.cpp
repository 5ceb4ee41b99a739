#include "registry/postgres/postgres_watch.h"

#include <exception>

namespace mayfly::postgres {
namespace {

constexpr std::chrono::milliseconds kPollingInterval{500};
constexpr std::chrono::seconds kBetweenTries{1};

}  // namespace

PostgresWatch::PostgresWatch(Server server, std::string name)
    : server_(std::move(server)), name_(std::move(name)), next_try_(Clock::now()) {}

int PostgresWatch::descriptor() const noexcept { return connection_ ? connection_->socket() : -1; }

std::chrono::milliseconds PostgresWatch::longest_wait() const noexcept { return kPollingInterval; }

bool PostgresWatch::changed() noexcept {
  if (!connection_ && !connect()) return false;
  const Clock::time_point now = Clock::now();
  try {
    if (connection_->take_notifications() || now - last_change_ >= kPollingInterval) {
      last_change_ = now;
      return true;
    }
    return false;
  } catch (const std::exception&) {  // whoever asks the server something is told why
    connection_.reset();
    return true;
  }
}

bool PostgresWatch::connect() noexcept {
  const Clock::time_point now = Clock::now();
  if (now < next_try_) return false;
  next_try_ = now + kBetweenTries;
  try {
    connection_ = std::make_unique<Connection>(server_, name_, now + server_.patience);
    connection_->run_all("LISTEN mayfly", now + server_.patience);
    last_change_ = {};  // what came before is not told
    return true;
  } catch (const std::exception&) {
    connection_.reset();
    return false;
  }
}

}  // namespace mayfly::postgres
