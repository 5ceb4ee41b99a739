#include "tools/whole_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "tools/failure.h"

namespace mayfly::tools {
namespace {

std::string read_all(std::istream& in, const std::string& path, std::size_t most) {
  std::string content(most + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (in.bad()) throw Failure(kNoInput, path + " can't be read: " + std::strerror(errno));
  content.resize(static_cast<std::size_t>(in.gcount()));
  if (content.size() > most) {
    throw Failure(kUsage, path + " is longer than any such file is; take another");
  }
  return content;
}

}  // namespace

std::string read_whole_file(const std::string& path, std::size_t most) {
  if (path == "-") return read_all(std::cin, "standard input", most);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  // A folder opens, and fails at the first read.
  if (!file || file.peek() == std::ifstream::traits_type::eof()) {
    const std::string reason = errno != 0 ? std::strerror(errno) : "it is empty";
    throw Failure(kNoInput, path + " can't be read: " + reason);
  }
  return read_all(file, path, most);
}

}  // namespace mayfly::tools
