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
  const std::size_t bytes = object->size();
  quota_.take(1, bytes);
  const Number number = next_++;
  index(number, *object);
  numbers_.emplace(object.get(), number);
  objects_.emplace(number, std::move(object));
  bytes_ += bytes;
}

bool ObjectStore::remove(const Object& object) {
  const std::unique_lock lock(mutex_);
  const auto found = numbers_.find(&object);
  if (found == numbers_.end()) return false;
  const Number number = found->second;
  forget(number, object);
  objects_.erase(number);
  return true;
}

void ObjectStore::update(Object& object, const Attributes& changes) {
  const std::unique_lock lock(mutex_);
  const auto found = numbers_.find(&object);
  if (found == numbers_.end()) throw Error(CKR_OBJECT_HANDLE_INVALID, "the object is gone");
  // As if the new values came on top of the old ones, until it is known what they are.
  std::size_t more = 0;
  for (const auto& change : changes) more += change.value.size();
  quota_.take(0, more);
  const std::size_t before = object.size();
  unindex(found->second, object);
  object.change(changes);
  index(found->second, object);
  const std::size_t after = object.size();
  quota_.give_back(0, before + more - after);
  bytes_ += after - before;
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
  quota_.give_back(objects_.size(), bytes_);
  bytes_ = 0;
  Taken taken;
  taken.swap(objects_);
  numbers_.clear();
  by_name_.clear();
  return taken;
}

void ObjectStore::forget(Number number, const Object& object) {
  const std::size_t bytes = object.size();
  unindex(number, object);
  numbers_.erase(&object);
  bytes_ -= bytes;
  quota_.give_back(1, bytes);
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
