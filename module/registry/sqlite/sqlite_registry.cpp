#include "registry/sqlite/sqlite_registry.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "registry/sqlite/database.h"

namespace mayfly {
namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr std::int64_t kApplication = 0x6d617966;  // "mayf", by which the file is known
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kUuidBytes = 16;
constexpr std::size_t kHostDigits = 12;

constexpr char kSchema[] = R"(
  CREATE TABLE registry(uuid BLOB NOT NULL);
  CREATE TABLE stored_key(
    id BLOB NOT NULL PRIMARY KEY,
    label TEXT NOT NULL,
    device TEXT NOT NULL,
    task_id TEXT NOT NULL,
    recorded INTEGER NOT NULL,
    given_up INTEGER NOT NULL DEFAULT 0);
  CREATE INDEX stored_key_of_device ON stored_key(device);
  PRAGMA application_id = 1835104614;
  PRAGMA user_version = 1;
)";
static_assert(kApplication == 1835104614 && kVersion == 1);

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

/// The machine's own ID (machine-id(5)); empty where there is none, as in many containers.
std::string machine_id() {
  std::ifstream file("/etc/machine-id");
  std::string id;
  std::getline(file, id);
  return id;
}

std::int64_t number(Database& database, const char* query) {
  Statement statement = database.prepare(query);
  statement.step();
  return statement.number(0);
}

class SqliteRegistry final : public Registry {
 public:
  explicit SqliteRegistry(std::filesystem::path file);

  [[nodiscard]] const std::string& host() const noexcept override { return host_; }
  void add_stored_key(const StoredKeyRecord& record) override;
  void remove_stored_key(ByteView id) override;
  void give_up_stored_key(ByteView id) override;
  [[nodiscard]] std::vector<StoredKeyRecord> stored_keys(const std::string& device) override;

 private:
  static void make_schema(Database& database);

  std::filesystem::path file_;
  std::string host_;
};

SqliteRegistry::SqliteRegistry(std::filesystem::path file) : file_(std::move(file)) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::canonical(file_.parent_path(), error);
  if (error) refuse(file_.parent_path(), error.message() + "; make the folder for the registry");
  file_ = folder / file_.filename();  // SQLite follows no links
  check_mine(folder, S_IFDIR, "; put the registry into a folder that only its user can write");
  make_file(file_);
  check_mine(file_, S_IFREG, "; move it away, or run: chmod go-w");
  Database database(file_);
  const std::int64_t found = number(database, "PRAGMA user_version");
  const bool empty = number(database, "SELECT count(*) FROM sqlite_master") == 0;
  if (empty ? found != 0 : number(database, "PRAGMA application_id") != kApplication) {
    refuse(file_, "is another program's database; name another file");
  }
  if (found > kVersion) {
    refuse(file_, "was written by a newer mayfly; use that one, or name another file");
  }
  if (found == 0) make_schema(database);
  Statement uuid = database.prepare("SELECT uuid FROM registry");
  if (!uuid.step()) refuse(file_, "is no registry; restore it, or move it away");
  Hasher hasher(Hash::sha256);
  hasher.update(uuid.blob(0));
  hasher.update(as_bytes(machine_id()));
  host_ = to_hex(hasher.finish()).substr(0, kHostDigits);
  database.commit();
}

void SqliteRegistry::make_schema(Database& database) {
  std::array<std::uint8_t, kUuidBytes> uuid;
  fill_random(uuid, "a registry");
  database.execute(kSchema);
  database.prepare("INSERT INTO registry(uuid) VALUES (?)").bind(ByteView(uuid)).step();
}

void SqliteRegistry::add_stored_key(const StoredKeyRecord& record) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  Database database(file_);
  database
      .prepare("INSERT INTO stored_key(id, label, device, task_id, recorded) VALUES (?,?,?,?,?)")
      .bind(ByteView(record.id))
      .bind(record.label)
      .bind(record.device)
      .bind(record.task_id)
      .bind(std::chrono::floor<std::chrono::seconds>(now).count())
      .step();
  database.commit();
}

void SqliteRegistry::remove_stored_key(ByteView id) {
  Database database(file_);
  database.prepare("DELETE FROM stored_key WHERE id = ?").bind(id).step();
  database.commit();
}

void SqliteRegistry::give_up_stored_key(ByteView id) {
  Database database(file_);
  database.prepare("UPDATE stored_key SET given_up = 1 WHERE id = ?").bind(id).step();
  database.commit();
}

std::vector<StoredKeyRecord> SqliteRegistry::stored_keys(const std::string& device) {
  Database database(file_);
  Statement rows = database.prepare(
      "SELECT id, label, device, task_id, given_up FROM stored_key WHERE device = ? ORDER BY "
      "recorded");
  rows.bind(device);
  std::vector<StoredKeyRecord> records;
  while (rows.step())
    records.push_back(
        {rows.blob(0), rows.text(1), rows.text(2), rows.text(3), rows.number(4) != 0});
  return records;
}

}  // namespace

std::unique_ptr<Registry> open_sqlite_registry(std::filesystem::path file) {
  return std::make_unique<SqliteRegistry>(std::move(file));
}

}  // namespace mayfly
