// Attributes and mechanisms in p11-kit's remote protocol.
#pragma once

#include <deque>
#include <vector>

#include "tools/broker/rpc_message.h"

namespace mayfly::broker {

/// RpcTemplate models the attributes of one call: a template that came with values, or one whose
/// values are asked for. Byte strings stay in the message, which must outlive it.
class RpcTemplate {
 public:
  /// Attributes with values ("aA").
  ///
  /// Arrays of attributes (CKA_WRAP_TEMPLATE and the like), which can lie within one another as
  /// deep as a client likes, are refused before they are looked into.
  ///
  /// @throws MalformedMessage
  /// @throws Error CKR_ARGUMENTS_BAD (too many), CKR_ATTRIBUTE_TYPE_INVALID (an array of
  ///         attributes), CKR_ATTRIBUTE_VALUE_INVALID (a length that is not the value's).
  [[nodiscard]] static RpcTemplate with_values(RpcReader& message);

  /// Attributes that are asked for ("fA"), each with room for as much as the other side has room
  /// for, and no more than an attribute can have.
  /// @throws MalformedMessage
  /// @throws Error CKR_ARGUMENTS_BAD: too many, or too much room.
  [[nodiscard]] static RpcTemplate asked_for(RpcReader& message);

  [[nodiscard]] CK_ATTRIBUTE_PTR data() noexcept { return attributes_.data(); }
  [[nodiscard]] CK_ULONG size() const noexcept { return attributes_.size(); }

  /// Writes the attributes as an answer ("aA").
  /// @throws Error CKR_GENERAL_ERROR if a value has a size that its type can't have.
  void write(RpcWriter& answer) const;

 private:
  std::vector<CK_ATTRIBUTE> attributes_;
  std::deque<std::vector<CK_ULONG>> numbers_;  // values of numbers; never moved
  Bytes room_;
};

/// @throws Error CKR_MECHANISM_PARAM_INVALID
[[noreturn]] void refuse_parameter();

/// RpcMechanism models a mechanism with its parameter ("M").
class RpcMechanism {
 public:
  /// Only mechanisms that the module knows are read: how a parameter is written depends on its
  /// mechanism, and none of these has a parameter that holds pointers.
  /// @throws MalformedMessage
  /// @throws Error CKR_MECHANISM_INVALID; CKR_MECHANISM_PARAM_INVALID for a parameter in a form
  /// that
  ///         is not known.
  explicit RpcMechanism(RpcReader& message);
  RpcMechanism(const RpcMechanism&) = delete;
  RpcMechanism& operator=(const RpcMechanism&) = delete;

  [[nodiscard]] CK_MECHANISM_PTR get() noexcept { return &mechanism_; }

 private:
  CK_MECHANISM mechanism_{};
  CK_RSA_PKCS_PSS_PARAMS pss_{};
};

}  // namespace mayfly::broker
