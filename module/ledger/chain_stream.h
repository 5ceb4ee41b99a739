// Opening a ledger's files for reading.
#pragma once

#include <ext/stdio_filebuf.h>
#include <filesystem>
#include <istream>

#include "base/descriptor.h"

namespace mayfly::ledger {

/// ChainStream reads a file from its beginning. Whoever can write in a ledger's folder may have put
/// something else there: a pipe, which would wait for its other end, or a device, which has none.
class ChainStream final : public std::istream {
 public:
  /// @throws Error CKR_FUNCTION_FAILED "PATH: what is wrong" for what is no file or can't be read.
  explicit ChainStream(const std::filesystem::path& path);
  /// Of a file that is open; `path` is what messages call it.
  /// @throws Error as above.
  ChainStream(const Descriptor& file, const std::filesystem::path& path);

 private:
  __gnu_cxx::stdio_filebuf<char> buffer_;
};

}  // namespace mayfly::ledger
