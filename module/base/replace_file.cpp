#include "base/replace_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"

namespace mayfly {
namespace {

[[noreturn]] void fail(const std::string& path) {
  throw Error(CKR_GENERAL_ERROR, path + ": can't be written: " + std::strerror(errno));
}

void write_whole(int descriptor, ByteView content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path);
    content = content.subspan(static_cast<std::size_t>(written));
  }
  if (fchmod(descriptor, 0644) != 0 || fsync(descriptor) != 0) fail(path);
}

}  // namespace

void replace_file(const std::string& path, ByteView content) {
  // Beside it: a move to another file system is not one step.
  std::string draft = path + ".XXXXXX";
  const Descriptor file(mkostemp(draft.data(), O_CLOEXEC));
  if (!file) fail(path);
  try {
    write_whole(file.number(), content, path);
    if (rename(draft.c_str(), path.c_str()) != 0) fail(path);
  } catch (...) {
    unlink(draft.c_str());
    throw;
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  const Descriptor place(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!place || fsync(place.number()) != 0) fail(path);
}

}  // namespace mayfly
