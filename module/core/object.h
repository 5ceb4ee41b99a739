// Objects of a token.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>

#include "base/handle.h"
#include "core/attributes.h"
#include "core/session_key.h"

namespace mayfly {

/// What the process that holds an object calls it; zeros for an object that is kept here.
struct HostName {
  std::uint64_t handle = 0;  ///< HostedObject::handle
  std::uint64_t number = 0;  ///< HostedObject::number
};

/// Object models one PKCS#11 object: its attributes and, for keys, the key behind it.
///
/// What decides over authority (class, CKA_TOKEN, CKA_PRIVATE, CKA_SIGN, the key) never changes;
/// names (CKA_LABEL, CKA_ID and the like) can.
class Object {
 public:
  /// A private key, named by this object; takes over one name of the key.
  Object(Attributes attributes, std::shared_ptr<SessionKey> key, HostName host_name = {});
  /// A public key.
  Object(Attributes attributes, PublicKey key, HostName host_name = {});
  /// A certificate or data.
  explicit Object(Attributes attributes, HostName host_name = {});

  [[nodiscard]] CK_OBJECT_CLASS object_class() const noexcept { return class_; }
  /// CKA_KEY_TYPE; nothing for what is no key.
  [[nodiscard]] std::optional<CK_KEY_TYPE> key_type() const noexcept { return key_type_; }
  [[nodiscard]] bool is_token_object() const noexcept { return token_; }
  [[nodiscard]] bool is_private() const noexcept { return private_; }
  [[nodiscard]] const HostName& host_name() const noexcept { return host_name_; }
  /// The flag as it is now; false if the object has no such attribute.
  [[nodiscard]] bool allows(CK_ATTRIBUTE_TYPE flag) const;
  /// Whether CKA_ALLOWED_MECHANISMS, if there is one, names the mechanism.
  [[nodiscard]] bool allows_mechanism(CK_MECHANISM_TYPE mechanism) const;

  /// The key to sign with; null for all but private keys.
  [[nodiscard]] const std::shared_ptr<SessionKey>& session_key() const noexcept { return key_; }
  /// The key to verify with; null for all but public keys.
  [[nodiscard]] const PublicKey* public_key() const noexcept {
    return public_key_ ? &*public_key_ : nullptr;
  }

  [[nodiscard]] std::optional<Bytes> get(CK_ATTRIBUTE_TYPE type) const;
  /// Whether every attribute of the template is there with that very value.
  [[nodiscard]] bool matches(const Attributes& wanted) const;
  [[nodiscard]] Attributes attributes() const;
  /// Bytes of all attribute values together, for C_GetObjectSize.
  [[nodiscard]] CK_ULONG size() const;
  /// Only ObjectStore::update() calls it, after the rules were checked.
  void replace(Attributes attributes) noexcept;

  /// Marks the object as gone. @return false if it was so already.
  bool retire() noexcept { return !retired_.exchange(true); }
  [[nodiscard]] bool retired() const noexcept { return retired_.load(); }

 private:
  const CK_OBJECT_CLASS class_;
  const std::optional<CK_KEY_TYPE> key_type_;
  const bool token_;
  const bool private_;
  const HostName host_name_;
  const std::shared_ptr<SessionKey> key_;
  const std::optional<PublicKey> public_key_;
  std::atomic<bool> retired_{false};
  mutable std::shared_mutex mutex_;  // guards attributes_
  Attributes attributes_;
};

}  // namespace mayfly
