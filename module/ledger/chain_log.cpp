#include "ledger/chain_log.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <span>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "ledger/canonical_json.h"
#include "ledger/chain_file.h"
#include "ledger/chain_reader.h"
#include "ledger/chain_stream.h"
#include "ledger/merkle_tree.h"

namespace mayfly::ledger {
namespace {

constexpr const char* kFileName = "closed-chains";
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::milliseconds kBetweenTries{20};
constexpr std::size_t kSerialDigits = 16;
constexpr std::size_t kMostTaskId = 255;

constexpr std::array<Verdict, 4> kVerdicts = {Verdict::sealed, Verdict::keyless, Verdict::unsealed,
                                              Verdict::truncated};

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& problem) {
  throw Error(CKR_FUNCTION_FAILED, path.string() + ": " + problem);
}

/// Waits for whoever has the file, as long as that is bearable.
void lock(const Descriptor& file, int kind, const std::filesystem::path& path) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (flock(file.number(), kind | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) fail(path, std::string("can't be locked: ") + std::strerror(errno));
    if (std::chrono::steady_clock::now() >= deadline) {
      fail(path, "is being written by another process; try again");
    }
    std::this_thread::sleep_for(kBetweenTries);
  }
}

/// Opens a ledger's folder. Root may add to the list of another user's: whoever signs checkpoints
/// should be somebody else than who writes chains.
Descriptor open_folder_of_any(const std::filesystem::path& folder) {
  if (geteuid() != 0) return open_folder(folder);
  Descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) fail(folder, std::string("can't be opened: ") + std::strerror(errno));
  return opened;
}

/// Lets the file be its folder's owner's, and nothing else than such a file.
void require_own(const Descriptor& file, const Descriptor& folder,
                 const std::filesystem::path& path) {
  struct stat place {};
  struct stat status {};
  if (fstat(folder.number(), &place) != 0 || fstat(file.number(), &status) != 0) {
    fail(path, std::string("can't be examined: ") + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1 ||
      (status.st_uid != geteuid() && status.st_uid != place.st_uid)) {
    fail(path, "is another user's, or no file of its own; look at who made it");
  }
  if (status.st_uid != place.st_uid && geteuid() == 0 &&
      fchown(file.number(), place.st_uid, place.st_gid) != 0) {
    fail(path, std::string("can't be given to its folder's owner: ") + std::strerror(errno));
  }
}

const char* event_name(ClosedChain::Event event) {
  return event == ClosedChain::Event::closed ? "closed" : "purged";
}

std::string line_of(const ClosedChain& chain) {
  return canonical_json({{"entries", chain.head.entries},
                         {"event", event_name(chain.event)},
                         {"head", to_hex(chain.head.hash)},
                         {"serial", chain.task.serial},
                         {"task", chain.task.id},
                         {"time", chain.time_ms},
                         {"verdict", to_string(chain.verdict)}});
}

Verdict verdict_in(JsonObject& object) {
  const std::string name = object.text("verdict");
  for (const Verdict verdict : kVerdicts) {
    if (name == to_string(verdict)) return verdict;
  }
  object.refuse("verdict", "is none of a closed chain");
}

ClosedChain parse_line(std::string_view line) {
  const nlohmann::json json = parse_json(line, kMaxLine);
  JsonObject object(json, "the record");
  ClosedChain chain;
  chain.head.entries = object.number("entries", kMaxJsonNumber);
  const std::string event = object.text("event");
  if (event == "purged") {
    chain.event = ClosedChain::Event::purged;
  } else if (event != "closed") {
    object.refuse("event", "is neither closed nor purged");
  }
  chain.head.hash = object.bytes("head", kHashSize, kHashSize);
  chain.task.serial = object.text("serial");
  if (!is_hex(chain.task.serial, kSerialDigits)) object.refuse("serial", "is none");
  chain.task.id = object.printable_text("task", kMostTaskId);
  chain.time_ms = object.number("time", kMaxTime);
  chain.verdict = verdict_in(object);
  object.finish();
  if (line_of(chain) != line) object.refuse("form", "is not the canonical one");
  return chain;
}

}  // namespace

std::filesystem::path chain_log_path(const std::filesystem::path& folder) {
  return folder / kFileName;
}

void ChainLog::add(const ClosedChain& chain) {
  const std::string& serial = chain.task.serial;
  const ClosedChain* const before = closed(serial);
  if (chain.event == ClosedChain::Event::closed) {
    if (before != nullptr) {
      throw Error(CKR_DATA_INVALID, "the chain " + serial + " is closed a second time");
    }
  } else if (before == nullptr || purged(serial) != nullptr) {
    throw Error(CKR_DATA_INVALID, "the chain " + serial + " is removed, and was not there");
  }
  Bytes leaf = leaf_hash(as_bytes(line_of(chain)));
  (chain.event == ClosedChain::Event::closed ? closed_ : purged_).emplace(serial, chains_.size());
  chains_.push_back(chain);
  leaves_.push_back(std::move(leaf));
}

Bytes ChainLog::root(std::uint64_t size) const {
  return merkle_root(std::span(leaves_).first(size));
}

const ClosedChain* ChainLog::closed(const std::string& serial) const {
  const auto found = closed_.find(serial);
  return found == closed_.end() ? nullptr : &chains_[found->second];
}

const ClosedChain* ChainLog::purged(const std::string& serial) const {
  const auto found = purged_.find(serial);
  return found == purged_.end() ? nullptr : &chains_[found->second];
}

/// @param whole  The bytes of all whole lines.
ChainLog ChainLog::parse(const Descriptor& file, const std::filesystem::path& path,
                         std::uint64_t& whole) {
  ChainLog log;
  whole = 0;
  ChainStream stream(file, path);
  ChainReader reader(stream);
  while (const auto line = reader.next()) {
    if (!line->complete && !line->too_long) break;  // a crash; nothing was signed with it
    try {
      log.add(parse_line(line->text));
    } catch (const Error& error) {
      throw Error(CKR_DATA_INVALID, path.string() + ": line " + std::to_string(line->number) +
                                        " was changed: " + error.what());
    }
    whole += line->text.size() + 1;
  }
  if (stream.bad()) fail(path, "can't be read");
  return log;
}

ChainLog ChainLog::read(const std::filesystem::path& folder) {
  const std::filesystem::path path = chain_log_path(folder);
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return {};
    fail(path, std::string("can't be read: ") + std::strerror(errno));
  }
  lock(file, LOCK_SH, path);
  std::uint64_t whole = 0;
  return parse(file, path, whole);
}

ChainLogFile::ChainLogFile(const std::filesystem::path& folder) : path_(chain_log_path(folder)) {
  const Descriptor opened = open_folder_of_any(folder);
  file_.reset(openat(opened.number(), kFileName,
                     O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!file_) fail(path_, std::string("can't be opened: ") + std::strerror(errno));
  require_own(file_, opened, path_);
  lock(file_, LOCK_EX, path_);
  log_ = ChainLog::parse(file_, path_, size_);
  if (ftruncate(file_.number(), static_cast<off_t>(size_)) != 0) {
    fail(path_, std::string("can't be written: ") + std::strerror(errno));
  }
  if (fsync(opened.number()) != 0) fail(path_, "has a folder that can't be written to the disk");
}

void ChainLogFile::add(const std::vector<ClosedChain>& chains) {
  if (chains.empty()) return;
  ChainLog after = log_;
  std::string lines;
  for (const ClosedChain& chain : chains) {
    after.add(chain);
    lines += line_of(chain) + '\n';
  }
  std::size_t done = 0;
  int error = 0;
  while (done < lines.size() && error == 0) {
    const ssize_t written = write(file_.number(), lines.data() + done, lines.size() - done);
    if (written >= 0) {
      done += static_cast<std::size_t>(written);
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0 && fdatasync(file_.number()) != 0) error = errno;
  if (error != 0) {
    const bool is_clean = ftruncate(file_.number(), static_cast<off_t>(size_)) == 0;
    fail(path_, std::string("can't be written: ") + std::strerror(error) +
                    (is_clean ? "" : "; nor can what was written be taken back"));
  }
  size_ += lines.size();
  log_ = std::move(after);
}

}  // namespace mayfly::ledger
