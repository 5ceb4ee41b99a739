// Attribute lists: what a client's template holds and what an object has.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/pkcs11.h"

namespace mayfly {

/// A list of attributes, each type once, in the order in which they were set. Values are owned.
class Attributes {
 public:
  struct Entry {
    CK_ATTRIBUTE_TYPE type;
    Bytes value;
  };

  /// The value, or null if the type is not in the list.
  [[nodiscard]] const Bytes* find(CK_ATTRIBUTE_TYPE type) const noexcept;
  [[nodiscard]] bool contains(CK_ATTRIBUTE_TYPE type) const noexcept {
    return find(type) != nullptr;
  }

  /// A CK_BBOOL attribute; nothing if it is absent.
  /// @throws Error CKR_ATTRIBUTE_VALUE_INVALID if its length is not that of a CK_BBOOL.
  [[nodiscard]] std::optional<bool> flag(CK_ATTRIBUTE_TYPE type) const;
  /// A CK_ULONG attribute; nothing if it is absent.
  /// @throws Error CKR_ATTRIBUTE_VALUE_INVALID if its length is not that of a CK_ULONG.
  [[nodiscard]] std::optional<CK_ULONG> number(CK_ATTRIBUTE_TYPE type) const;

  void set(CK_ATTRIBUTE_TYPE type, Bytes value);
  void set(CK_ATTRIBUTE_TYPE type, ByteView value) { set(type, to_bytes(value)); }
  void set_flag(CK_ATTRIBUTE_TYPE type, bool value);
  void set_number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  /// Sets it only if it is absent.
  void set_default(CK_ATTRIBUTE_TYPE type, ByteView value);

  [[nodiscard]] auto begin() const noexcept { return entries_.begin(); }
  [[nodiscard]] auto end() const noexcept { return entries_.end(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  std::vector<Entry> entries_;
};

/// "CKA_SENSITIVE", or the number in hexadecimal for types without a name here: for messages.
[[nodiscard]] std::string attribute_name(CK_ATTRIBUTE_TYPE type);

}  // namespace mayfly
