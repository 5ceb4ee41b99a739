#include "core/object_store.h"

#include <array>
#include <mutex>

#include "base/error.h"

namespace mayfly {
namespace {

constexpr std::array<CK_ATTRIBUTE_TYPE, 2> kIndexed = {CKA_LABEL, CKA_ID};

std::string index_key(CK_ATTRIBUTE_TYPE type, ByteView value) {
  std::string key = std::to_string(type) + ':';
  key += as_text(value);
  return key;
}

}  // namespace

void ObjectStore::add(ObjectPtr object) {
  const std::unique_lock lock(mutex_);
  if (shut_) throw Error(CKR_SESSION_HANDLE_INVALID, "the task or the session has ended");
  if (objects_.size() >= limit_) {
    throw Error(CKR_DEVICE_MEMORY, "the task holds " + std::to_string(limit_) +
                                       " objects already; see limits.objects");
  }
  const Number number = next_++;
  index(number, *object);
  numbers_.emplace(object.get(), number);
  objects_.emplace(number, std::move(object));
}

bool ObjectStore::remove(const Object& object) {
  const std::unique_lock lock(mutex_);
  const auto found = numbers_.find(&object);
  if (found == numbers_.end()) return false;
  unindex(found->second, object);
  objects_.erase(found->second);
  numbers_.erase(found);
  return true;
}

void ObjectStore::update(Object& object, const Attributes& changes) {
  const std::unique_lock lock(mutex_);
  const auto found = numbers_.find(&object);
  if (found == numbers_.end()) throw Error(CKR_OBJECT_HANDLE_INVALID, "the object is gone");
  unindex(found->second, object);
  object.change(changes);
  index(found->second, object);
}

std::vector<ObjectStore::ObjectPtr> ObjectStore::find(const Attributes& wanted) const {
  const std::shared_lock lock(mutex_);
  std::vector<ObjectPtr> result;
  for (const CK_ATTRIBUTE_TYPE type : kIndexed) {
    const auto value = wanted.find(type);
    if (!value) continue;
    const auto named = by_name_.find(index_key(type, *value));
    if (named == by_name_.end()) return result;
    for (const Number number : named->second) {
      const ObjectPtr& object = objects_.at(number);
      if (object->matches(wanted)) result.push_back(object);
    }
    return result;
  }
  for (const auto& [number, object] : objects_) {
    if (object->matches(wanted)) result.push_back(object);
  }
  return result;
}

std::size_t ObjectStore::size() const {
  const std::shared_lock lock(mutex_);
  return objects_.size();
}

ObjectStore::Taken ObjectStore::shut() noexcept {
  const std::unique_lock lock(mutex_);
  shut_ = true;
  Taken taken;
  taken.swap(objects_);
  numbers_.clear();
  by_name_.clear();
  return taken;
}

void ObjectStore::index(Number number, const Object& object) {
  for (const CK_ATTRIBUTE_TYPE type : kIndexed) {
    if (const auto value = object.get(type)) by_name_[index_key(type, *value)].insert(number);
  }
}

void ObjectStore::unindex(Number number, const Object& object) {
  for (const CK_ATTRIBUTE_TYPE type : kIndexed) {
    const auto value = object.get(type);
    if (!value) continue;
    const auto named = by_name_.find(index_key(type, *value));
    if (named == by_name_.end()) continue;
    named->second.erase(number);
    if (named->second.empty()) by_name_.erase(named);
  }
}

}  // namespace mayfly
