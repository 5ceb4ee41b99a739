#include "secrets/process_memory.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iomanip>
#include <set>
#include <sstream>
#include <system_error>
#include <unistd.h>

#include "base/descriptor.h"

namespace mayfly::test {
namespace {

constexpr std::size_t kPiece = 1 << 20;
constexpr std::size_t kOverlap = 64;

std::vector<Mapping> mappings_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/maps");
  std::vector<Mapping> result;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    Mapping mapping;
    char dash = 0;
    std::string offset, device, inode;
    fields >> std::hex >> mapping.start >> dash >> mapping.end >> mapping.permissions >> offset >>
        device >> inode >> std::ws;
    std::getline(fields, mapping.name);
    result.push_back(mapping);
  }
  return result;
}

void read_mapping(int memory, const Mapping& mapping,
                  const std::function<void(const Mapping&, std::uint64_t, ByteView)>& look) {
  Bytes piece(kPiece);
  for (std::uint64_t at = mapping.start; at < mapping.end;) {
    const std::size_t wanted = std::min<std::uint64_t>(kPiece, mapping.end - at);
    const ssize_t got = pread(memory, piece.data(), wanted, static_cast<off_t>(at));
    if (got <= 0) return;  // memory of a device, or a guard page
    const auto size = static_cast<std::size_t>(got);
    look(mapping, at, ByteView(piece).first(size));
    if (at + size >= mapping.end) return;
    at += size > kOverlap ? size - kOverlap : size;
  }
}

}  // namespace

bool read_memory(pid_t process,
                 const std::function<void(const Mapping&, std::uint64_t, ByteView)>& look) {
  const std::string file = "/proc/" + std::to_string(process) + "/mem";
  const Descriptor memory(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!memory) {
    if (errno == EACCES || errno == EPERM) return false;
    throw std::system_error(errno, std::generic_category(), file);
  }
  for (const Mapping& mapping : mappings_of(process)) {
    if (mapping.permissions.starts_with('r') && mapping.name != "[vvar]") {
      read_mapping(memory.number(), mapping, look);
    }
  }
  return true;
}

std::optional<std::vector<std::string>> places_of(pid_t process, std::string_view text) {
  std::set<std::string> places;
  const ByteView wanted = as_bytes(text);
  const bool allowed =
      read_memory(process, [&](const Mapping& mapping, std::uint64_t start, ByteView memory) {
        for (auto found = memory.begin(); found != memory.end(); ++found) {
          found = std::search(found, memory.end(), wanted.begin(), wanted.end());
          if (found == memory.end()) break;
          std::ostringstream place;
          place << std::hex << start + static_cast<std::uint64_t>(found - memory.begin()) << ' '
                << mapping.permissions << ' ' << mapping.name;
          places.insert(place.str());
        }
      });
  if (!allowed) return std::nullopt;
  return std::vector<std::string>(places.begin(), places.end());
}

}  // namespace mayfly::test
