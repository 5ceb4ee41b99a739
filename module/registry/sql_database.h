// A database that speaks SQL, as far as the registry needs it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace mayfly {

/// A parameter or a cell: NULL, a number, a text or bytes.
using SqlValue = std::variant<std::monostate, std::int64_t, std::string, Bytes>;
using SqlValues = std::vector<SqlValue>;

/// One row of an answer.
class SqlRow {
 public:
  explicit SqlRow(SqlValues cells) : cells_(std::move(cells)) {}

  // @throws Error CKR_FUNCTION_FAILED by each for a cell of another kind: somebody else has written
  // into the registry.
  [[nodiscard]] std::int64_t number(std::size_t column) const { return get<std::int64_t>(column); }
  [[nodiscard]] const std::string& text(std::size_t column) const {
    return get<std::string>(column);
  }
  [[nodiscard]] const Bytes& bytes(std::size_t column) const { return get<Bytes>(column); }
  [[nodiscard]] bool is_null(std::size_t column) const {
    return std::holds_alternative<std::monostate>(cells_.at(column));
  }

 private:
  template <typename Kind>
  const Kind& get(std::size_t column) const {
    const Kind* cell = std::get_if<Kind>(&cells_.at(column));
    if (cell == nullptr) {
      throw Error(CKR_FUNCTION_FAILED,
                  "the registry holds a value of the wrong kind; restore it from a backup");
    }
    return *cell;
  }

  SqlValues cells_;
};
using SqlRows = std::vector<SqlRow>;

/// What leases run by: a clock that all who share a database read the same. Values of different
/// eras can't be compared: one is of the time before a restart.
struct LeaseTime {
  std::int64_t milliseconds = 0;
  std::string era;
};

/// A transaction that is under way.
class SqlTransaction {
 public:
  virtual ~SqlTransaction() = default;

  /// Runs one statement, in which $1 stands for the first of `values`. All dialects are given the
  /// same text, but for the types in the schema.
  virtual SqlRows run(const std::string& statement, const SqlValues& values) = 0;
  SqlRows run(const std::string& statement) { return run(statement, {}); }

  /// Milliseconds since 1970 by the registry's clock, when the transaction began.
  [[nodiscard]] virtual std::int64_t now() const noexcept = 0;
  [[nodiscard]] virtual LeaseTime lease_time() const = 0;

  /// Others who watch the registry are told after the commit.
  virtual void announce() = 0;
};

/// The transaction has met another, or its connection was gone before it had done anything; it can
/// be begun anew.
class SqlConflict final : public Error {
 public:
  using Error::Error;
};

/// A database and how to reach it.
class SqlDatabase {
 public:
  /// What a transaction does. It may be done more than once, until one gets through.
  using Body = std::function<void(SqlTransaction&)>;
  enum class Access {
    read,
    write,
    migrate,  ///< a write that waits until no other migrates, and sees what that one did
  };
  using Clock = std::chrono::steady_clock;

  virtual ~SqlDatabase() = default;
  SqlDatabase() = default;
  SqlDatabase(const SqlDatabase&) = delete;
  SqlDatabase& operator=(const SqlDatabase&) = delete;

  /// Runs a transaction, as if no other ran at the same time, and commits it. What `body` throws
  /// undoes it.
  void transact(Access access, const Body& body) { transact_within(std::nullopt, access, body); }
  /// The same, waiting no longer than told, where that is less than patience().
  void transact_within(std::optional<std::chrono::milliseconds> most, Access access,
                       const Body& body);

  /// The schema's types, as this database writes them.
  struct Types {
    const char* number;  ///< 64 bits
    const char* bytes;
    const char* counter;  ///< a primary key that counts up by itself
  };
  [[nodiscard]] virtual const Types& types() const noexcept = 0;

  /// The version of the schema; 0 for an empty database.
  /// @throws Error CKR_GENERAL_ERROR for a database that is another program's.
  virtual std::int64_t version(SqlTransaction& transaction) = 0;
  virtual void set_version(SqlTransaction& transaction, std::int64_t version) = 0;

  /// How messages name it: the file, or the host and the name. Never a password.
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;

 protected:
  /// Tries once. @throws SqlConflict when it may be tried again before the deadline;
  /// RegistryUnanswered when it may have been done.
  virtual void attempt(Access access, const Body& body, Clock::time_point deadline) = 0;
  /// Commits in an attempt. @throws what `commit` throws if the transaction can be begun anew, else
  /// RegistryUnanswered.
  static void commit_by(const std::function<void()>& commit);
  [[nodiscard]] virtual std::chrono::milliseconds patience() const noexcept = 0;
};

}  // namespace mayfly
