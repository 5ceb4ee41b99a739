#include "core/attributes.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace mayfly {

const Bytes* Attributes::find(CK_ATTRIBUTE_TYPE type) const noexcept {
  const auto found =
      std::ranges::find_if(entries_, [type](const Entry& entry) { return entry.type == type; });
  return found == entries_.end() ? nullptr : &found->value;
}

std::optional<bool> Attributes::flag(CK_ATTRIBUTE_TYPE type) const {
  const Bytes* value = find(type);
  if (value == nullptr) return std::nullopt;
  if (value->size() != sizeof(CK_BBOOL)) {
    throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                attribute_name(type) + " has not the size of a CK_BBOOL");
  }
  return value->front() != CK_FALSE;
}

std::optional<CK_ULONG> Attributes::number(CK_ATTRIBUTE_TYPE type) const {
  const Bytes* value = find(type);
  if (value == nullptr) return std::nullopt;
  CK_ULONG number = 0;
  if (value->size() != sizeof number) {
    throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                attribute_name(type) + " has not the size of a CK_ULONG");
  }
  std::memcpy(&number, value->data(), sizeof number);
  return number;
}

void Attributes::set(CK_ATTRIBUTE_TYPE type, Bytes value) {
  const auto found =
      std::ranges::find_if(entries_, [type](const Entry& entry) { return entry.type == type; });
  if (found == entries_.end()) {
    entries_.push_back({type, std::move(value)});
  } else {
    found->value = std::move(value);
  }
}

void Attributes::set_flag(CK_ATTRIBUTE_TYPE type, bool value) {
  set(type, Bytes{value ? std::uint8_t{CK_TRUE} : std::uint8_t{CK_FALSE}});
}

void Attributes::set_number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  set(type, std::move(bytes));
}

void Attributes::set_default(CK_ATTRIBUTE_TYPE type, ByteView value) {
  if (!contains(type)) set(type, value);
}

}  // namespace mayfly
