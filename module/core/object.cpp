#include "core/object.h"

#include <cstring>
#include <mutex>

#include "base/error.h"

namespace mayfly {

Object::Object(Attributes attributes, std::shared_ptr<SessionKey> key, HostName host_name)
    : class_(attributes.number(CKA_CLASS).value()),
      key_type_(attributes.number(CKA_KEY_TYPE)),
      token_(attributes.flag(CKA_TOKEN).value_or(false)),
      private_(attributes.flag(CKA_PRIVATE).value_or(true)),
      host_name_(host_name),
      key_(std::move(key)),
      attributes_(std::move(attributes)) {}

Object::Object(Attributes attributes, PublicKey key, HostName host_name)
    : class_(attributes.number(CKA_CLASS).value()),
      key_type_(attributes.number(CKA_KEY_TYPE)),
      token_(attributes.flag(CKA_TOKEN).value_or(false)),
      private_(attributes.flag(CKA_PRIVATE).value_or(false)),
      host_name_(host_name),
      public_key_(std::move(key)),
      attributes_(std::move(attributes)) {}

Object::Object(Attributes attributes, HostName host_name)
    : class_(attributes.number(CKA_CLASS).value()),
      key_type_(attributes.number(CKA_KEY_TYPE)),
      token_(attributes.flag(CKA_TOKEN).value_or(false)),
      private_(attributes.flag(CKA_PRIVATE).value_or(false)),
      host_name_(host_name),
      attributes_(std::move(attributes)) {}

bool Object::allows(CK_ATTRIBUTE_TYPE flag) const {
  const std::shared_lock lock(mutex_);
  return attributes_.flag(flag).value_or(false);
}

bool Object::allows_mechanism(CK_MECHANISM_TYPE mechanism) const {
  const std::shared_lock lock(mutex_);
  const auto allowed = attributes_.find(CKA_ALLOWED_MECHANISMS);
  if (!allowed) return true;
  for (std::size_t at = 0; at + sizeof mechanism <= allowed->size(); at += sizeof mechanism) {
    if (std::memcmp(allowed->data() + at, &mechanism, sizeof mechanism) == 0) return true;
  }
  return false;
}

std::optional<Bytes> Object::get(CK_ATTRIBUTE_TYPE type) const {
  const std::shared_lock lock(mutex_);
  const auto value = attributes_.find(type);
  return value ? std::optional(to_bytes(*value)) : std::nullopt;
}

bool Object::matches(const Attributes& wanted) const {
  const std::shared_lock lock(mutex_);
  for (const auto entry : wanted) {
    const auto value = attributes_.find(entry.type);
    if (!value || !equal(*value, entry.value)) return false;
  }
  return true;
}

Attributes Object::attributes() const {
  const std::shared_lock lock(mutex_);
  return attributes_;
}

CK_ULONG Object::size() const {
  const std::shared_lock lock(mutex_);
  CK_ULONG total = 0;
  for (const auto entry : attributes_) total += entry.value.size();
  return total;
}

void Object::replace(Attributes attributes) noexcept {
  const std::unique_lock lock(mutex_);
  attributes_ = std::move(attributes);
}

}  // namespace mayfly
