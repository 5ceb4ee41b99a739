#include "ledger/chain_reader.h"

namespace mayfly::ledger {

ChainReader::ChainReader(std::istream& stream) : stream_(stream), buffer_(kMaxLine + 2, '\0') {}

std::optional<ChainReader::Line> ChainReader::next() {
  if (!stream_) return std::nullopt;
  stream_.getline(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  auto size = static_cast<std::size_t>(stream_.gcount());
  if (stream_.eof() && size == 0) return std::nullopt;
  Line line;
  line.number = ++number_;
  line.complete = !stream_.eof();
  line.too_long = stream_.fail();
  if (line.complete && !line.too_long) --size;  // the newline, which was read and not kept
  line.text = std::string_view(buffer_).substr(0, size);
  return line;
}

}  // namespace mayfly::ledger
