#include "core/attributes.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace mayfly {

std::optional<ByteView> Attributes::find(CK_ATTRIBUTE_TYPE type) const noexcept {
  for (std::size_t at = 0; at < places_.size(); ++at) {
    if (places_[at].type == type) return entry(at).value;
  }
  return std::nullopt;
}

std::optional<bool> Attributes::flag(CK_ATTRIBUTE_TYPE type) const {
  const auto value = find(type);
  if (!value) return std::nullopt;
  if (value->size() != sizeof(CK_BBOOL)) {
    throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                attribute_name(type) + " has not the size of a CK_BBOOL");
  }
  return value->front() != CK_FALSE;
}

std::optional<CK_ULONG> Attributes::number(CK_ATTRIBUTE_TYPE type) const {
  const auto value = find(type);
  if (!value) return std::nullopt;
  CK_ULONG number = 0;
  if (value->size() != sizeof number) {
    throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                attribute_name(type) + " has not the size of a CK_ULONG");
  }
  std::memcpy(&number, value->data(), sizeof number);
  return number;
}

void Attributes::set(CK_ATTRIBUTE_TYPE type, ByteView value) {
  // Room for what an object of a task usually has, so that one is made with two allocations.
  static constexpr std::size_t kUsualCount = 32;
  static constexpr std::size_t kUsualBytes = 512;
  if (places_.capacity() < kUsualCount) places_.reserve(kUsualCount);
  if (values_.capacity() < kUsualBytes) values_.reserve(kUsualBytes);
  const auto known =
      std::ranges::find_if(places_, [type](const Place& place) { return place.type == type; });
  values_.reserve(values_.size() + value.size());  // so that nothing below fails half-way
  if (known == places_.end()) {
    places_.push_back({type, values_.size(), value.size()});
  } else if (value.size() == known->size) {
    std::ranges::copy(value, values_.begin() + static_cast<std::ptrdiff_t>(known->offset));
    return;
  } else {
    // The old value goes, or an object whose attribute is set again and again would grow for ever.
    const Place old = *known;
    const auto start = values_.begin() + static_cast<std::ptrdiff_t>(old.offset);
    values_.erase(start, start + static_cast<std::ptrdiff_t>(old.size));
    for (Place& place : places_) {
      if (place.offset > old.offset) place.offset -= old.size;
    }
    *known = {type, values_.size(), value.size()};
  }
  values_.insert(values_.end(), value.begin(), value.end());
}

void Attributes::set_flag(CK_ATTRIBUTE_TYPE type, bool value) {
  const std::uint8_t byte = value ? CK_TRUE : CK_FALSE;
  set(type, {&byte, 1});
}

void Attributes::set_number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  set(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}

void Attributes::set_default(CK_ATTRIBUTE_TYPE type, ByteView value) {
  if (!contains(type)) set(type, value);
}

}  // namespace mayfly
