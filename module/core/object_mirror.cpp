#include "core/object_mirror.h"

#include "base/error.h"
#include "core/key_template.h"

namespace mayfly {
namespace {

/// The public half that a private key tells of itself. It has no CKA_EC_POINT, but the whole
/// SubjectPublicKeyInfo, of which the point is the end.
PublicKey half_of_private_key(const Attributes& attributes, CK_KEY_TYPE type) {
  if (type == CKK_RSA) return read_public_key(attributes, type);
  const auto params = attributes.find(CKA_EC_PARAMS);
  const auto info = attributes.find(CKA_PUBLIC_KEY_INFO);
  const auto spec = params ? spec_of_ec_params(*params) : std::nullopt;
  if (!spec || spec->type != type || !info) {
    throw Error(CKR_GENERAL_ERROR, "a private key does not tell its public half");
  }
  const std::size_t coordinate = (spec->bits + 7) / 8;
  const std::size_t size = type == CKK_EC ? 1 + 2 * coordinate : coordinate;
  if (info->size() <= size) throw Error(CKR_GENERAL_ERROR, "CKA_PUBLIC_KEY_INFO is too short");
  PublicKey half = PublicKey::from_point(*spec, info->last(size));
  if (!equal(half.subject_public_key_info(), *info)) {
    throw Error(CKR_GENERAL_ERROR, "CKA_PUBLIC_KEY_INFO is not that of the key's curve");
  }
  return half;
}

bool same(const Attributes& a, const Attributes& b) {
  if (a.size() != b.size()) return false;
  for (const auto entry : a) {
    const auto value = b.find(entry.type);
    if (!value || !equal(*value, entry.value)) return false;
  }
  return true;
}

}  // namespace

std::shared_ptr<Object> make_hosted_object(const HostedObject& told, TaskHost& host) {
  const Attributes& attributes = told.attributes;
  const HostName name{told.handle, told.number};
  const CK_KEY_TYPE type = attributes.number(CKA_KEY_TYPE).value_or(CKK_VENDOR_DEFINED);
  switch (attributes.number(CKA_CLASS).value_or(CKO_VENDOR_DEFINED)) {
    case CKO_PRIVATE_KEY:
      return std::make_shared<Object>(attributes,
                                      std::make_shared<SessionKey>(host.key(
                                          told.handle, half_of_private_key(attributes, type))),
                                      name);
    case CKO_PUBLIC_KEY:
      return std::make_shared<Object>(attributes, read_public_key(attributes, type), name);
    case CKO_CERTIFICATE:
    case CKO_DATA:
      return std::make_shared<Object>(attributes, name);
    default:
      throw Error(CKR_GENERAL_ERROR, "an object is of a class that no task has");
  }
}

std::shared_ptr<Object> ObjectMirror::take_in(Task& task, TaskHost& host,
                                              const HostedObject& told) {
  const std::scoped_lock lock(mutex_);
  const auto known = entries_.find(told.number);
  if (known != entries_.end()) {
    const std::shared_ptr<Object>& object = known->second.object;
    if (object->host_name().handle == told.handle) {
      if (!same(object->attributes(), told.attributes)) {
        task.objects().update(*object, told.attributes);
      }
      return object;
    }
    // A logout takes handles away; what comes by a new one is not what the old one named.
    remove(task, *object);
    entries_.erase(known);
  }
  std::shared_ptr<Object> object;
  try {
    object = make_hosted_object(told, host);
  } catch (const Error& error) {
    throw host.give_up(error.what());
  }
  if (told.number == 0 || !object->is_token_object()) {
    throw host.give_up("what should be a token object is none");
  }
  task.objects().add(object);
  try {
    entries_.emplace(told.number, Entry{object, ++count_});
  } catch (...) {
    remove(task, *object);
    throw;
  }
  return object;
}

void ObjectMirror::remove(Task& task, Object& object) noexcept {
  object.retire();
  task.objects().remove(object);
}

void ObjectMirror::drop(Task& task, std::uint64_t number) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto known = entries_.find(number);
  if (known == entries_.end()) return;
  remove(task, *known->second.object);
  entries_.erase(known);
}

ObjectMirror::Moment ObjectMirror::now() const {
  const std::scoped_lock lock(mutex_);
  return count_;
}

void ObjectMirror::drop_unlisted(Task& task, const std::unordered_set<std::uint64_t>& listed,
                                 Moment moment) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(entries_, [&](const auto& entry) {
    if (entry.second.came > moment || listed.contains(entry.first)) return false;
    remove(task, *entry.second.object);
    return true;
  });
}

}  // namespace mayfly
