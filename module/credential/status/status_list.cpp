#include "credential/status/status_list.h"

#include <memory>
#include <zlib.h>

#include "base/base64url.h"
#include "base/error.h"

namespace mayfly::credential {
namespace {

constexpr std::uint64_t kPlacesInByte = 8;

[[noreturn]] void refuse_list(const std::string& why) {
  throw Error(CKR_DATA_INVALID, "the status list " + why);
}

/// Unpacks at most kMaxStatusBytes, whatever the input promises.
Bytes inflate_bounded(const Bytes& packed) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) throw Error(CKR_HOST_MEMORY, "no memory for a status list");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  stream.next_in = const_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  Bytes bytes;
  int answer = Z_OK;
  while (answer == Z_OK) {
    static constexpr std::size_t kStep = 64 * 1024;
    const std::size_t before = bytes.size();
    bytes.resize(before + kStep);
    stream.next_out = bytes.data() + before;
    stream.avail_out = kStep;
    answer = inflate(&stream, Z_NO_FLUSH);
    bytes.resize(before + kStep - stream.avail_out);
    if (bytes.size() > kMaxStatusBytes) refuse_list("is too large");
  }
  if (answer != Z_STREAM_END || stream.avail_in != 0) refuse_list("is not in ZLIB's format");
  return bytes;
}

}  // namespace

StatusList::StatusList(std::uint64_t places) { extend(places); }

void StatusList::extend(std::uint64_t places) {
  const std::uint64_t size = places / kPlacesInByte + (places % kPlacesInByte != 0 ? 1 : 0);
  if (size > kMaxStatusBytes) {
    throw Error(CKR_ARGUMENTS_BAD, "a status list has at most " +
                                       std::to_string(kMaxStatusBytes * kPlacesInByte) + " places");
  }
  if (size > bytes_.size()) bytes_.resize(size, 0xff);
}

void StatusList::set(std::uint64_t index, Status status) {
  if (bits_ != 1 || index >= places()) {
    throw Error(CKR_ARGUMENTS_BAD, "the status list has no place " + std::to_string(index));
  }
  const auto mask = static_cast<std::uint8_t>(1U << index % kPlacesInByte);
  std::uint8_t& byte = bytes_[index / kPlacesInByte];
  byte = static_cast<std::uint8_t>(status == Status::valid ? byte & ~mask : byte | mask);
}

std::optional<unsigned> StatusList::at(std::uint64_t index) const noexcept {
  if (index >= places()) return std::nullopt;
  const unsigned in_byte = 8 / bits_;
  const auto shift = static_cast<unsigned>(index % in_byte) * bits_;
  return bytes_[index / in_byte] >> shift & ((1U << bits_) - 1);
}

std::string StatusList::packed() const {
  uLongf size = compressBound(bytes_.size());
  Bytes packed(size);
  if (compress2(packed.data(), &size, bytes_.data(), bytes_.size(), Z_BEST_COMPRESSION) != Z_OK) {
    throw Error(CKR_HOST_MEMORY, "no memory for a status list");
  }
  packed.resize(size);
  return to_base64url(packed);
}

StatusList StatusList::unpacked(std::uint64_t bits, std::string_view packed) {
  if (bits != 1 && bits != 2 && bits != 4 && bits != 8) refuse_list("has not 1, 2, 4 or 8 bits");
  const std::optional<Bytes> bytes = parse_base64url(packed);
  if (!bytes) refuse_list("is no base64url");
  return {static_cast<unsigned>(bits), inflate_bounded(*bytes)};
}

}  // namespace mayfly::credential
