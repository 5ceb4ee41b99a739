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
  const Attributes attributes = object->attributes();
  const std::size_t bytes = object->size();
  quota_.take(1, bytes);
  const Number number = next_++;
  Names names{};
  try {
    objects_.emplace(number, object);
    index(number, attributes, names);
    Place& place = places_.emplace(object.get(), Place{number, names}).first->second;
    if (log_ != nullptr) place.mark = log_->came(number);
  } catch (...) {
    places_.erase(object.get());
    unindex(number, names, {});
    objects_.erase(number);
    quota_.give_back(1, bytes);
    throw;
  }
  bytes_ += bytes;
}

bool ObjectStore::remove(const Object& object) noexcept {
  const std::unique_lock lock(mutex_);
  const auto found = places_.find(&object);
  if (found == places_.end()) return false;
  const Number number = found->second.number;
  forget(object);
  objects_.erase(number);
  return true;
}

void ObjectStore::update(Object& object, const Attributes& changes) {
  const std::unique_lock lock(mutex_);
  const auto found = places_.find(&object);
  if (found == places_.end()) throw Error(CKR_OBJECT_HANDLE_INVALID, "the object is gone");
  auto& [number, names, mark] = found->second;
  Attributes changed = object.attributes();
  // As if the new values came on top of the old ones, until it is known what they are.
  std::size_t more = 0;
  for (const auto& change : changes) {
    changed.set(change.type, change.value);
    more += change.value.size();
  }
  quota_.take(0, more);
  Names new_names{};
  try {
    index(number, changed, new_names);
  } catch (...) {
    unindex(number, new_names, names);
    quota_.give_back(0, more);
    throw;
  }
  unindex(number, names, new_names);
  names = new_names;
  const std::size_t before = object.size();
  object.replace(std::move(changed));
  const std::size_t after = object.size();
  quota_.give_back(0, before + more - after);
  bytes_ += after - before;
  if (log_ != nullptr) log_->changed(mark);
}

void ObjectStore::keep_changes(ChangeLog::Listener listener) {
  auto log = std::make_unique<ChangeLog>(std::move(listener));
  const std::unique_lock lock(mutex_);
  for (const auto& [number, object] : objects_) places_.at(object.get()).mark = log->came(number);
  log_ = std::move(log);
}

ObjectStore::Changes ObjectStore::changes_since(const ChangeLog::Position& told,
                                                std::size_t most_bytes) const {
  const std::shared_lock lock(mutex_);
  Changes changes;
  if (log_ == nullptr) return changes;
  changes.from_start = !log_->reaches_back_to(told);
  const ChangeLog::Moment since = changes.from_start ? 0 : told.changed;
  changes.now = {log_->now(), log_->now()};
  if (!changes.from_start) changes.gone = log_->gone_since(told.gone);
  auto first = log_->living().end();
  while (first != log_->living().begin() && std::prev(first)->moment > since) --first;
  std::size_t bytes = 0;
  for (auto entry = first; entry != log_->living().end(); ++entry) {
    if (bytes > most_bytes) {
      changes.more = true;
      changes.now.changed = std::prev(entry)->moment;
      break;
    }
    const ObjectPtr& object = objects_.at(entry->object);
    changes.changed.push_back({entry->object, object});
    bytes += object->size();
  }
  return changes;
}

std::optional<ObjectStore::Number> ObjectStore::number_of(const Object& object) const {
  const std::shared_lock lock(mutex_);
  const auto found = places_.find(&object);
  return found == places_.end() ? std::nullopt : std::optional(found->second.number);
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
  places_.clear();
  by_name_.clear();
  log_.reset();
  return taken;
}

void ObjectStore::forget(const Object& object) noexcept {
  const std::size_t bytes = object.size();
  const auto found = places_.find(&object);
  unindex(found->second.number, found->second.names, {});
  if (log_ != nullptr) log_->went(found->second.mark);
  places_.erase(found);
  bytes_ -= bytes;
  quota_.give_back(1, bytes);
}

void ObjectStore::index(Number number, const Attributes& attributes, Names& names) {
  for (std::size_t i = 0; i < kIndexed.size(); ++i) {
    const auto value = attributes.find(kIndexed[i]);
    if (!value) continue;
    names[i] = &*by_name_.try_emplace(index_key(kIndexed[i], *value)).first;
    names[i]->second.insert(number);
  }
}

void ObjectStore::unindex(Number number, const Names& names, const Names& kept) noexcept {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == nullptr || names[i] == kept[i]) continue;
    names[i]->second.erase(number);
    if (names[i]->second.empty()) by_name_.erase(by_name_.find(names[i]->first));
  }
}

}  // namespace mayfly
