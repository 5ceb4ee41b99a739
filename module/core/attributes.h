// Attribute lists: what a client's template holds and what an object has.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/pkcs11.h"

namespace mayfly {

/// A list of attributes, each type once, in the order in which they were first set. The values
/// stand one behind the other in one block of memory: an object has dozens of them, most of one
/// byte.
class Attributes {
  struct Place {
    CK_ATTRIBUTE_TYPE type;
    std::size_t offset;
    std::size_t size;
  };

 public:
  struct Entry {
    CK_ATTRIBUTE_TYPE type;
    ByteView value;
  };

  /// The value, or nothing if the type is not in the list. Good until the list is changed.
  [[nodiscard]] std::optional<ByteView> find(CK_ATTRIBUTE_TYPE type) const noexcept;
  [[nodiscard]] bool contains(CK_ATTRIBUTE_TYPE type) const noexcept {
    return find(type).has_value();
  }

  /// A CK_BBOOL attribute; nothing if it is absent.
  /// @throws Error CKR_ATTRIBUTE_VALUE_INVALID if its length is not that of a CK_BBOOL.
  [[nodiscard]] std::optional<bool> flag(CK_ATTRIBUTE_TYPE type) const;
  /// A CK_ULONG attribute; nothing if it is absent.
  /// @throws Error CKR_ATTRIBUTE_VALUE_INVALID if its length is not that of a CK_ULONG.
  [[nodiscard]] std::optional<CK_ULONG> number(CK_ATTRIBUTE_TYPE type) const;

  /// `value` must not point into this list.
  void set(CK_ATTRIBUTE_TYPE type, ByteView value);
  void set_flag(CK_ATTRIBUTE_TYPE type, bool value);
  void set_number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  /// Sets it only if it is absent.
  void set_default(CK_ATTRIBUTE_TYPE type, ByteView value);

  /// Iterates over entries.
  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = Entry;

    Iterator() = default;
    Iterator(const Attributes& list, std::size_t at) noexcept : list_(&list), at_(at) {}
    Entry operator*() const noexcept { return list_->entry(at_); }
    Iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    Iterator operator++(int) noexcept { return {*list_, at_++}; }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept { return a.at_ == b.at_; }

   private:
    const Attributes* list_ = nullptr;
    std::size_t at_ = 0;
  };
  [[nodiscard]] Iterator begin() const noexcept { return {*this, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {*this, places_.size()}; }
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

 private:
  [[nodiscard]] Entry entry(std::size_t at) const noexcept {
    const Place& place = places_[at];
    return {place.type, ByteView(values_).subspan(place.offset, place.size)};
  }

  std::vector<Place> places_;
  Bytes values_;
};

/// "CKA_SENSITIVE", or the number in hexadecimal for types without a name here: for messages.
[[nodiscard]] std::string attribute_name(CK_ATTRIBUTE_TYPE type);

}  // namespace mayfly
