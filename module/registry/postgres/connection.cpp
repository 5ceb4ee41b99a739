#include "registry/postgres/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <poll.h>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "base/fork_epoch.h"
#include "base/utf8.h"

namespace mayfly::postgres {
namespace {

// Types by their numbers in pg_type, which never change.
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;

/// The first line of a message of libpq's or the server's.
std::string first_line(const char* message) {
  const std::string_view text = message == nullptr ? "" : message;
  return printable_utf8(text.substr(0, text.find('\n')));
}

std::string_view advice(std::string_view state) {
  if (state.starts_with("28")) return "check registry.url's user and registry.password-source";
  if (state.starts_with("53")) return "the server is short of connections, memory or disk";
  if (state == "3D000") return "create the database, or mend its name in registry.url";
  if (state == "42501") return "let the user own the database, or a schema mayfly in it";
  if (state == "57014" || state == "55P03")
    return "another session keeps it locked; look for one that hangs";
  if (state == "25006") return "name the server that can be written, not its standby";
  return "look into the server's log";
}

/// Values as libpq takes them: texts, and bytes as they are.
class Parameters {
 public:
  explicit Parameters(const SqlValues& values) {
    texts_.reserve(values.size());
    for (const SqlValue& value : values) add(value);
  }

  [[nodiscard]] int count() const noexcept { return static_cast<int>(types_.size()); }
  [[nodiscard]] const Oid* types() const noexcept { return types_.data(); }
  [[nodiscard]] const char* const* values() const noexcept { return values_.data(); }
  [[nodiscard]] const int* lengths() const noexcept { return lengths_.data(); }
  [[nodiscard]] const int* formats() const noexcept { return formats_.data(); }

 private:
  void add(const SqlValue& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      texts_.push_back(std::to_string(*number));
      push(kInt8, texts_.back().c_str(), 0, 0);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      push(kText, text->c_str(), 0, 0);
    } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
      static constexpr char kNone = 0;  // a null pointer would be NULL
      push(kBytea, bytes->empty() ? &kNone : reinterpret_cast<const char*>(bytes->data()),
           static_cast<int>(bytes->size()), 1);
    } else {
      push(0, nullptr, 0, 0);
    }
  }
  void push(Oid type, const char* value, int length, int format) {
    types_.push_back(type);
    values_.push_back(value);
    lengths_.push_back(length);
    formats_.push_back(format);
  }

  std::vector<std::string> texts_;
  std::vector<Oid> types_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

SqlValue parse_cell(Oid type, std::string_view text) {
  // A bytea is written as \x and hexadecimal digits.
  if (type == kBytea)
    return parse_hex(text.substr(std::min<std::size_t>(2, text.size()))).value_or(Bytes());
  if (type != kInt8 && type != kInt4) return std::string(text);
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

/// What PQconnectStartParams is given. What stands later wins over the URL.
struct Connection::Start {
  std::array<const char*, 8> keywords{};
  std::array<const char*, 8> values{};
  std::size_t count = 0;

  void add(const char* keyword, const char* value) {
    keywords[count] = keyword;
    values[count++] = value;
  }
};

Connection::Connection(const Server& server, const std::string& name, Clock::time_point deadline)
    : name_(name), epoch_(ForkEpoch::current()) {
  try {
    connect(server, deadline);
    pq_.setnonblocking(connection_, 1);
    set_up(server.patience, deadline);
  } catch (...) {
    pq_.finish(connection_);
    throw;
  }
}

Connection::~Connection() {
  if (is_of_this_process()) {
    pq_.finish(connection_);
  } else {
    close(socket());  // the rest is lost: to take leave would end the parent's session
  }
}

bool Connection::is_of_this_process() const noexcept { return epoch_ == ForkEpoch::current(); }

void Connection::connect(const Server& server, Clock::time_point deadline) {
  const std::string patience = std::to_string(server.patience.count());
  SecretBuffer password;
  if (server.fetch_password) {
    const SecretBuffer read = server.fetch_password();
    password = SecretBuffer(read.size() + 1);  // with a zero at its end
    std::ranges::copy(read.view(), password.span().begin());
  }
  Start start;
  start.add("dbname", server.url.c_str());
  start.add("application_name", "mayfly");
  start.add("client_encoding", "UTF8");
  start.add("target_session_attrs", "read-write");
  start.add("tcp_user_timeout", patience.c_str());
  if (!password.empty()) {
    start.add("password", reinterpret_cast<const char*>(password.view().data()));
  }
  connection_ = pq_.connectStartParams(start.keywords.data(), start.values.data(), 1);
  if (connection_ == nullptr) throw Error(CKR_HOST_MEMORY, name_ + ": no memory for a connection");
  pq_.setNoticeReceiver(
      connection_, [](void*, const PGresult*) {}, nullptr);  // else on standard error
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
    if (pq_.status(connection_) == CONNECTION_BAD) break;
    wait(next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
    next = pq_.connectPoll(connection_);
  }
  if (next != PGRES_POLLING_OK) {
    throw Error(CKR_FUNCTION_FAILED, name_ + ": " + first_line(pq_.errorMessage(connection_)) +
                                         "; start the server, or mend registry.url");
  }
}

void Connection::set_up(std::chrono::milliseconds patience, Clock::time_point deadline) {
  const auto milliseconds = [&](int times) { return std::to_string(patience.count() * times); };
  run_all(
      "SET search_path = mayfly, pg_temp; SET bytea_output = hex; "
      // Who reads a whole table, though it be a small one, meets all who write into it.
      "SET enable_seqscan = off; SET statement_timeout = " +
          milliseconds(1) + "; SET lock_timeout = " + milliseconds(1) +
          "; SET idle_in_transaction_session_timeout = " + milliseconds(2) +
          // What is committed is on the server's disk, whatever is usual there.
          "; SELECT set_config('synchronous_commit', 'on', false) WHERE "
          "current_setting('synchronous_commit') IN ('off', 'local')",
      deadline);
}

void Connection::wait(short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) lose("does not answer in time");
    pollfd ready{socket(), events, 0};
    const int count = poll(&ready, 1, static_cast<int>(left.count()));
    if (count > 0) return;
    if (count < 0 && errno != EINTR) lose("can't be waited for");
  }
}

SqlRows Connection::run(const std::string& statement, const SqlValues& values,
                        Clock::time_point deadline) {
  const Parameters parameters(values);
  if (pq_.sendQueryParams(connection_, statement.c_str(), parameters.count(), parameters.types(),
                          parameters.values(), parameters.lengths(), parameters.formats(),
                          0) == 0) {
    lose(first_line(pq_.errorMessage(connection_)));
  }
  return take_answers(deadline);
}

SqlRows Connection::run_all(const std::string& statements, Clock::time_point deadline) {
  if (pq_.sendQuery(connection_, statements.c_str()) == 0) {
    lose(first_line(pq_.errorMessage(connection_)));
  }
  return take_answers(deadline);
}

SqlRows Connection::take_answers(Clock::time_point deadline) {
  for (int unsent = 1; (unsent = pq_.flush(connection_)) != 0;) {
    if (unsent < 0) lose(first_line(pq_.errorMessage(connection_)));
    // The server may have to be heard before it listens.
    wait(POLLIN | POLLOUT, deadline);
    if (pq_.consumeInput(connection_) == 0) lose(first_line(pq_.errorMessage(connection_)));
  }
  SqlRows rows;
  using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;
  Result failure(nullptr, pq_.clear);
  for (;;) {
    while (pq_.isBusy(connection_) != 0) {
      wait(POLLIN, deadline);
      if (pq_.consumeInput(connection_) == 0) lose(first_line(pq_.errorMessage(connection_)));
    }
    Result result(pq_.getResult(connection_), pq_.clear);
    if (!result) break;
    const ExecStatusType status = pq_.resultStatus(result.get());
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
      rows = rows_of(result.get());
      last_command_ = pq_.cmdStatus(result.get());
    } else {
      failure = std::move(result);
    }
  }
  if (failure) refuse(failure.get());
  return rows;
}

SqlRows Connection::rows_of(const PGresult* result) const {
  SqlRows rows;
  const int columns = pq_.nfields(result);
  for (int row = 0; row < pq_.ntuples(result); ++row) {
    SqlValues cells;
    for (int column = 0; column < columns; ++column) {
      if (pq_.getisnull(result, row, column) != 0) {
        cells.emplace_back();
        continue;
      }
      const std::string_view text(pq_.getvalue(result, row, column),
                                  static_cast<std::size_t>(pq_.getlength(result, row, column)));
      cells.push_back(parse_cell(pq_.ftype(result, column), text));
    }
    rows.emplace_back(std::move(cells));
  }
  return rows;
}

void Connection::refuse(const PGresult* result) const {
  if (pq_.status(connection_) == CONNECTION_BAD) lose(first_line(pq_.resultErrorMessage(result)));
  const char* field = pq_.resultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view state = field == nullptr ? "" : field;
  const std::string message = name_ + ": " +
                              first_line(pq_.resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)) +
                              "; " + std::string(advice(state));
  const bool is_conflict = state == "40001" || state == "40P01";  // not serialisable, deadlock
  if (is_conflict) throw SqlConflict(CKR_FUNCTION_FAILED, message);
  throw Error(CKR_FUNCTION_FAILED, message);
}

void Connection::lose(const std::string& why) const {
  throw ConnectionLost(CKR_FUNCTION_FAILED,
                       name_ + ": " + why + "; see whether the server runs and can be reached");
}

bool Connection::take_notifications() {
  if (pq_.consumeInput(connection_) == 0) lose(first_line(pq_.errorMessage(connection_)));
  bool any = false;
  while (PGnotify* notification = pq_.notifies(connection_)) {
    pq_.freemem(notification);
    any = true;
  }
  return any;
}

}  // namespace mayfly::postgres
