// What the functions in C have in common: arguments in, results out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "mayfly/verify.h"
#include "verifier/verifier.h"

namespace mayfly::verifier {

inline constexpr std::size_t kMaxFields = 1024;
inline constexpr std::size_t kMaxCredential = 64 * 1024;
inline constexpr std::size_t kMaxText = 1024 * 1024;

/// A caller's structure, as this version knows it: what an earlier header did not have is zero, and
/// so must be what only a later one has.
/// @throws BadCall for NULL, for a size that is none, and for a member that is not known here: it
///         may ask for a check.
template <typename Struct>
[[nodiscard]] Struct known(const Struct* given, const char* name) {
  if (given == nullptr) throw BadCall(std::string(name) + " is NULL");
  if (given->size < sizeof given->size || given->size > 64 * sizeof(Struct)) {
    throw BadCall(std::string(name) + "->size is not sizeof *" + name);
  }
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  const std::size_t known_size = std::min(given->size, sizeof(Struct));
  if (std::any_of(bytes + known_size, bytes + given->size,
                  [](unsigned char b) { return b != 0; })) {
    throw BadCall(std::string(name) + " has a member that this library does not know");
  }
  Struct copy{};
  std::memcpy(&copy, given, std::min(given->size, sizeof copy));
  return copy;
}

/// A setting; empty for NULL.
/// @throws BadCall for an empty text: it says nothing, where whoever gave it believes that it is
///         looked at; and for one that is longer than `most` bytes.
[[nodiscard]] std::string text(const char* given, const char* name, std::size_t most = kMaxText);

/// A credential or a proof: an empty one came from the other side. At most one byte longer than
/// `most`, so that it is refused as too long.
[[nodiscard]] std::string token(const char* given, std::size_t most = kMaxCredential);

/// The fields and the body of a request. The rest of the message is the caller's to fill in.
/// @throws BadCall for NULL where something is counted, and for too many fields.
template <typename Given>
void read_message(const Given& given, credential::HttpMessage& message, Bytes& body) {
  if (given.field_count > kMaxFields) throw BadCall("there are too many fields");
  if (given.field_count != 0 && given.fields == nullptr) throw BadCall("fields is NULL");
  for (std::size_t i = 0; i < given.field_count; ++i) {
    const auto& field = given.fields[i];
    if (field.name == nullptr || field.value == nullptr) throw BadCall("a field is NULL");
    message.fields.emplace_back(token(field.name, kMaxText), token(field.value, kMaxText));
  }
  if (given.body_size == 0) return;
  if (given.body == nullptr) throw BadCall("body is NULL");
  const auto* const bytes = static_cast<const std::uint8_t*>(given.body);
  body.assign(bytes, bytes + given.body_size);
}

/// Writes as much of a text as there is room for, and its zero.
template <std::size_t size>
void put(char (&room)[size], std::string_view text) {
  const std::string_view fitting = utf8_prefix(text, size - 1);
  std::memcpy(room, fitting.data(), fitting.size());
  room[fitting.size()] = '\0';
}

/// The same for what must be told whole or not at all.
/// @throws Error CKR_FUNCTION_FAILED
template <std::size_t size>
void put_whole(char (&room)[size], const std::string& text) {
  if (text.size() >= size) throw Error(CKR_FUNCTION_FAILED, "a text is too long to be told");
  put(room, text);
}

/// Whether a caller's result has room for what came of a call. One whose size was forgotten is told
/// so all the same, where every version has its status: it may be zero, which would say that all
/// holds.
template <typename Result>
[[nodiscard]] bool has_room(Result* out) noexcept {
  if (out == nullptr || out->size >= offsetof(Result, status) + sizeof out->status) return true;
  out->status = MAYFLY_VERIFY_BAD_CALL;
  return false;
}

/// Gives a result to the caller, as far as he knows its structure.
template <typename Result>
[[nodiscard]] int give(Result* out, Result& result) noexcept {
  if (out == nullptr) return result.status;
  result.size = out->size;
  std::memcpy(out, &result, std::min(out->size, sizeof result));
  return result.status;
}

}  // namespace mayfly::verifier
