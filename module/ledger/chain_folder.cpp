#include "ledger/chain_folder.h"

#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <sstream>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/process_identity.h"
#include "ledger/chain_file.h"
#include "ledger/chain_reader.h"
#include "ledger/chain_story.h"

namespace mayfly::ledger {
namespace {

/// Of a chain's own first entry, which nothing vouches for: enough to tell whose it says it is.
std::optional<ChainOrigin> read_origin(const Descriptor& file) {
  std::string start(kMaxLine + 1, '\0');
  const ssize_t size = pread(file.number(), start.data(), start.size(), 0);
  if (size <= 0) return std::nullopt;
  start.resize(static_cast<std::size_t>(size));
  std::istringstream stream(start);
  ChainReader reader(stream);
  const auto line = reader.next();
  if (!line || !line->complete || line->too_long) return std::nullopt;
  try {
    ChainStory story;
    story.take(parse_entry(line->text));
    const ChainSummary& summary = story.summary();
    return ChainOrigin{summary.task, summary.deadline_unix_s, summary.owner};
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool is_being_written(const Descriptor& file) {
  struct stat status {};
  return fstat(file.number(), &status) == 0 && S_ISREG(status.st_mode) &&
         (status.st_mode & S_IWUSR) != 0;
}

}  // namespace

std::vector<std::filesystem::path> chain_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".jsonl") files.push_back(entry->path());
  }
  if (error) {
    throw Error(CKR_FUNCTION_FAILED,
                "the ledger's folder " + folder.string() + " can't be read: " + error.message());
  }
  std::ranges::sort(files);
  return files;
}

bool is_finished(const std::filesystem::path& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         (status.st_mode & S_IWUSR) == 0;
}

bool is_abandoned(const ChainOrigin& origin) {
  const auto owner = ProcessIdentity::parse(origin.owner);
  const bool over = unix_now_s() > origin.deadline_unix_s;
  if (!owner) return over;
  try {
    const Liveness life = liveness(*owner, ProcessIdentity::self());
    return life == Liveness::dead || (life == Liveness::out_of_sight && over);
  } catch (const Error&) {  // it can't be told
    return false;
  }
}

std::vector<AbandonedChain> take_abandoned(const std::filesystem::path& folder) {
  std::vector<AbandonedChain> abandoned;
  const Descriptor opened = open_folder(folder);
  for (const std::filesystem::path& path : chain_files(folder)) {
    // One descriptor for all that is done, so that nothing else can take the file's place.
    const Descriptor file(openat(opened.number(), path.filename().c_str(),
                                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file || !is_being_written(file)) continue;
    const auto origin = read_origin(file);
    // One without a whole entry may be about to get it.
    if (!origin || !is_abandoned(*origin)) continue;
    if (fchmod(file.number(), S_IRUSR) != 0) continue;
    abandoned.push_back({path, origin->task});
  }
  return abandoned;
}

}  // namespace mayfly::ledger
