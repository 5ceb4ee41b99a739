#include "registry/sqlite/sqlite_database.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process_identity.h"
#include "registry/sqlite/connection.h"

namespace mayfly::sqlite {
namespace {

constexpr std::int64_t kApplication = 0x6d617966;  // "mayf", by which the file is known

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(CKR_GENERAL_ERROR, path.string() + ": " + why);
}

/// Nobody else may write what decides about keys. Looked at by name: a descriptor of ours on the
/// file would, when closed, drop the locks that another user of SQLite in this process has on it.
/// That is safe since nobody else can write in the folder.
void check_mine(const std::filesystem::path& path, mode_t type, const char* advice) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) refuse(path, std::strerror(errno));
  if ((status.st_mode & S_IFMT) != type) refuse(path, std::string("is of the wrong kind") + advice);
  if (status.st_uid != 0 && status.st_uid != geteuid()) {
    refuse(path, std::string("belongs to another user") + advice);
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    refuse(path, std::string("can be written by others") + advice);
  }
}

void make_file(const std::filesystem::path& file) {
  const int made = open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made >= 0) {
    close(made);
  } else if (errno != EEXIST) {
    refuse(file, std::string("can't be made: ") + std::strerror(errno) +
                     "; name a file in a folder that the process's user can write");
  }
}

/// A transaction on a connection of its own.
class Transaction final : public SqlTransaction {
 public:
  Transaction(Connection& connection, const std::string& boot)
      : connection_(connection),
        boot_(boot),
        now_(std::chrono::duration_cast<std::chrono::milliseconds>(
                 std::chrono::system_clock::now().time_since_epoch())
                 .count()) {}

  using SqlTransaction::run;
  SqlRows run(const std::string& statement, const SqlValues& values) override {
    return connection_.run(statement, values);
  }
  [[nodiscard]] std::int64_t now() const noexcept override { return now_; }
  // All who can share the file are on one machine, whose boot clock nobody sets.
  [[nodiscard]] LeaseTime lease_time() const override {
    return {
        std::chrono::duration_cast<std::chrono::milliseconds>(BootClock::now().time_since_epoch())
            .count(),
        boot_};
  }
  void announce() override {}  // the file itself tells

 private:
  Connection& connection_;
  const std::string& boot_;
  std::int64_t now_;
};

std::int64_t number(SqlTransaction& transaction, const char* query) {
  return transaction.run(query).at(0).number(0);
}

}  // namespace

SqliteDatabase::SqliteDatabase(std::filesystem::path file, std::chrono::milliseconds patience)
    : file_(std::move(file)), patience_(patience), boot_(ProcessIdentity::self().boot) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::canonical(file_.parent_path(), error);
  if (error) refuse(file_.parent_path(), error.message() + "; make the folder for the registry");
  file_ = folder / file_.filename();  // SQLite follows no links
  check_mine(folder, S_IFDIR, "; put the registry into a folder that only its user can write");
  make_file(file_);
  check_mine(file_, S_IFREG, "; move it away, or run: chmod go-w");
  transact(Access::read, [this](SqlTransaction& transaction) { version(transaction); });
}

const SqlDatabase::Types& SqliteDatabase::types() const noexcept {
  static constexpr Types kTypes = {"INTEGER", "BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT"};
  return kTypes;
}

std::int64_t SqliteDatabase::version(SqlTransaction& transaction) {
  const std::int64_t found = number(transaction, "PRAGMA user_version");
  const bool empty = number(transaction, "SELECT count(*) FROM sqlite_master") == 0;
  if (empty ? found != 0 : number(transaction, "PRAGMA application_id") != kApplication) {
    refuse(file_, "is another program's database; name another file");
  }
  return found;
}

void SqliteDatabase::set_version(SqlTransaction& transaction, std::int64_t version) {
  transaction.run("PRAGMA application_id = " + std::to_string(kApplication));
  transaction.run("PRAGMA user_version = " + std::to_string(version));
}

void SqliteDatabase::attempt(Access access, const Body& body, Clock::time_point deadline) {
  Connection connection(file_, deadline);
  connection.run(access == Access::read ? "BEGIN" : "BEGIN IMMEDIATE");
  Transaction transaction(connection, boot_);
  body(transaction);
  commit_by([&] { connection.run("COMMIT"); });  // without it, closing undoes all
}

}  // namespace mayfly::sqlite
