#include "ledger/canonical_json.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_reader.h"

namespace mayfly::ledger {
namespace {

constexpr int kMaxDepth = 10;

[[noreturn]] void refuse(const char* what) {
  throw Error(CKR_DATA_INVALID, std::string("a ledger can't hold ") + what);
}

void require_plain(const nlohmann::json& value, int depth) {
  if (depth > kMaxDepth) refuse("what lies so deep");
  if (value.is_string() || value.is_boolean()) return;
  if (value.is_number_integer()) {
    if (!value.is_number_unsigned() && value.get<std::int64_t>() < 0) refuse("negative numbers");
    if (value.get<std::uint64_t>() > kMaxJsonNumber) refuse("numbers from 2^53 on");
    return;
  }
  if (!value.is_structured()) refuse("null or numbers that are not whole");
  if (value.is_object()) {
    for (const auto& [name, member] : value.items()) {
      if (std::ranges::any_of(name, [](char c) { return c < 0x20 || c > 0x7e; })) {
        refuse("members whose names are not ASCII");
      }
    }
  }
  for (const nlohmann::json& member : value) require_plain(member, depth + 1);
}

}  // namespace

std::string canonical_json(const nlohmann::json& value) {
  require_plain(value, 0);
  try {
    // nlohmann's objects are sorted by bytes, and its strings are escaped as RFC 8785 wants it.
    return value.dump();
  } catch (const nlohmann::json::exception&) {
    refuse("texts that are not UTF-8");
  }
}

}  // namespace mayfly::ledger
