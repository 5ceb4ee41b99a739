// A set of objects that can be searched.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/change_log.h"
#include "core/object.h"
#include "core/object_quota.h"

namespace mayfly {

/// ObjectStore holds objects in the order in which they came, with an index over CKA_LABEL and
/// CKA_ID, so that a search by name takes the same time with ten objects and with ten thousand.
class ObjectStore {
 public:
  using ObjectPtr = std::shared_ptr<Object>;

  /// @param quota  What the store shares with others; outlives it.
  explicit ObjectStore(ObjectQuota& quota) : quota_(quota) {}
  ~ObjectStore() { shut(); }
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;

  /// What it throws leaves the store as it was; so do the functions below.
  /// @throws Error CKR_DEVICE_MEMORY at the quota, CKR_SESSION_HANDLE_INVALID once it is shut.
  void add(ObjectPtr object);
  /// Takes the object out. False if it was not there. Allocates nothing.
  bool remove(const Object& object) noexcept;
  /// Changes attributes of an object and its index entries together.
  /// @throws Error CKR_DEVICE_MEMORY at the quota.
  void update(Object& object, const Attributes& changes);

  /// The objects that match the template, oldest first.
  [[nodiscard]] std::vector<ObjectPtr> find(const Attributes& wanted) const;
  [[nodiscard]] std::size_t size() const;

  /// Names an object of the store; never given twice.
  using Number = ChangeLog::Number;

  /// Remembers from now on what comes, changes and goes. Costs memory for each object, and a little
  /// time when one comes or goes.
  /// @param listener  Told each moment, with the store locked: must neither throw nor call back.
  void keep_changes(ChangeLog::Listener listener);

  /// What came, changed and went since a copy was told last.
  struct Changes {
    struct Changed {
      Number number;
      ObjectPtr object;
    };

    ChangeLog::Position now;  ///< what to ask with next time
    bool from_start = false;  ///< it is all there is, and not what changed
    bool more = false;        ///< there are changes after `now`
    std::vector<Changed> changed;
    std::vector<Number> gone;
  };
  /// @param told        How far: nothing yet, or Changes::now.
  /// @param most_bytes  Stops behind the object with which the values have more than this.
  [[nodiscard]] Changes changes_since(const ChangeLog::Position& told,
                                      std::size_t most_bytes) const;
  /// The number of an object; nothing if it is not here.
  [[nodiscard]] std::optional<Number> number_of(const Object& object) const;

  /// Objects that were taken out, oldest first.
  using Taken = std::map<Number, ObjectPtr>;

  /// Takes out all objects; after it, add() refuses. Allocates nothing.
  Taken shut() noexcept;
  /// Takes out the objects for which the predicate holds. Allocates nothing.
  template <typename Predicate>
  Taken take_if(Predicate predicate);

 private:
  // An attribute type with its value, and the objects that have it. Entries stay where they are.
  using NameIndex = std::unordered_map<std::string, std::set<Number>>;
  /// The entries of the index that name an object; null for an attribute that it lacks.
  using Names = std::array<NameIndex::value_type*, 2>;
  struct Place {
    Number number;
    Names names;
    ChangeLog::Mark mark{};  // only if there is a log
  };

  /// Enters names into the index. Whatever it throws, what it entered by then is in `names`.
  void index(Number number, const Attributes& attributes, Names& names);
  /// Takes names out of the index, but for those that are in `kept` as well.
  void unindex(Number number, const Names& names, const Names& kept) noexcept;
  /// An object goes: all but its entry in objects_.
  void forget(const Object& object) noexcept;

  ObjectQuota& quota_;
  mutable std::shared_mutex mutex_;
  bool shut_ = false;
  Number next_ = 1;
  Taken objects_;
  std::size_t bytes_ = 0;
  std::unordered_map<const Object*, Place> places_;
  NameIndex by_name_;
  std::unique_ptr<ChangeLog> log_;  // null if nobody keeps a copy
};

template <typename Predicate>
ObjectStore::Taken ObjectStore::take_if(Predicate predicate) {
  const std::unique_lock lock(mutex_);
  Taken taken;
  for (auto entry = objects_.begin(); entry != objects_.end();) {
    const auto next = std::next(entry);
    if (predicate(*entry->second)) {
      forget(*entry->second);
      taken.insert(taken.end(), objects_.extract(entry));
    }
    entry = next;
  }
  return taken;
}

}  // namespace mayfly
