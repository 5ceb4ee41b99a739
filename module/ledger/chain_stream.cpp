#include "ledger/chain_stream.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

namespace mayfly::ledger {
namespace {

[[noreturn]] void cannot_read(const std::filesystem::path& path, const std::string& why) {
  throw Error(CKR_FUNCTION_FAILED, path.string() + " can't be read: " + why);
}

/// A descriptor of its own on the file, which is nothing else than a file.
int own_descriptor(const Descriptor& file, const std::filesystem::path& path) {
  if (!file) cannot_read(path, std::strerror(errno));
  struct stat status {};
  if (fstat(file.number(), &status) != 0) cannot_read(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) cannot_read(path, "it is no regular file");
  const int number = fcntl(file.number(), F_DUPFD_CLOEXEC, 0);
  if (number < 0) cannot_read(path, std::strerror(errno));
  return number;
}

}  // namespace

ChainStream::ChainStream(const Descriptor& file, const std::filesystem::path& path)
    : std::istream(nullptr), buffer_(own_descriptor(file, path), std::ios::in | std::ios::binary) {
  rdbuf(&buffer_);
  seekg(0);
}

ChainStream::ChainStream(const std::filesystem::path& path)
    : ChainStream(Descriptor(open(path.c_str(), O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)),
                  path) {}

}  // namespace mayfly::ledger
