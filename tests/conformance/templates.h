// Attribute templates in tests.
#pragma once

#include <cstring>
#include <deque>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/pkcs11.h"

namespace mayfly::test {

/// One attribute with a value of its own.
struct Attribute {
  Attribute(CK_ATTRIBUTE_TYPE t, bool flag)
      : type(t), value{flag ? std::uint8_t{CK_TRUE} : std::uint8_t{CK_FALSE}} {}
  Attribute(CK_ATTRIBUTE_TYPE t, CK_ULONG number) : type(t), value(sizeof number) {
    std::memcpy(value.data(), &number, sizeof number);
  }
  Attribute(CK_ATTRIBUTE_TYPE t, const char* text)
      : type(t), value(to_bytes(as_bytes(std::string_view(text)))) {}
  Attribute(CK_ATTRIBUTE_TYPE t, Bytes bytes) : type(t), value(std::move(bytes)) {}

  CK_ATTRIBUTE_TYPE type;
  Bytes value;
};

/// A template that owns its values. Attributes may be there twice and may hold nonsense: it is made
/// for testing what a token does with such.
class Template {
 public:
  Template() = default;
  Template(std::initializer_list<Attribute> attributes) {
    for (const Attribute& attribute : attributes) add(attribute);
  }
  Template(const Template& other) {
    for (const Attribute& attribute : other.values_) add(attribute);
  }
  Template& operator=(const Template& other) {
    Template copy(other);
    values_.swap(copy.values_);
    entries_.swap(copy.entries_);
    return *this;
  }

  Template& add(const Attribute& attribute) {
    Attribute& kept = values_.emplace_back(attribute);
    entries_.push_back({kept.type, kept.value.data(), kept.value.size()});
    return *this;
  }
  /// An entry as it is, with a pointer and a length that need not fit.
  Template& add_raw(CK_ATTRIBUTE entry) {
    entries_.push_back(entry);
    return *this;
  }
  /// Everything of another template behind what is here.
  Template& append(const Template& other) {
    for (const Attribute& attribute : other.values_) add(attribute);
    return *this;
  }
  /// This template without an attribute.
  [[nodiscard]] Template without(CK_ATTRIBUTE_TYPE type) const {
    Template rest;
    for (const Attribute& attribute : values_) {
      if (attribute.type != type) rest.add(attribute);
    }
    return rest;
  }

  /// NULL when the template is empty, as clients have it.
  [[nodiscard]] CK_ATTRIBUTE* data() noexcept {
    return entries_.empty() ? nullptr : entries_.data();
  }
  [[nodiscard]] CK_ULONG size() const noexcept { return entries_.size(); }

 private:
  std::deque<Attribute> values_;
  std::vector<CK_ATTRIBUTE> entries_;
};

/// A number as the bytes of a CK_ULONG attribute.
[[nodiscard]] inline Bytes number_bytes(CK_ULONG number) { return Attribute(0, number).value; }
/// A flag as the byte of a CK_BBOOL attribute.
[[nodiscard]] inline Bytes flag_bytes(bool flag) { return Attribute(0, flag).value; }

}  // namespace mayfly::test
