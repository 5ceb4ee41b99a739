// Which objects are loaded in the TPM.
#pragma once

#include <functional>
#include <list>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// An object of ours: its saved context, and where it is loaded now.
struct SavedObject {
  Bytes context;  ///< marshalled; useless outside of this TPM, and in it after a reset
  Bytes name;
  TPM2_HANDLE handle = 0;  ///< 0: not loaded
};

/// Slots lets many objects share the few places that a TPM has for loaded ones. What is used is
/// loaded, what was used longest ago makes room.
///
/// A loaded object is only a copy of a saved one, so nothing is lost when one is unloaded. That is
/// also why mayfly's processes may unload one another's where no resource manager keeps them apart:
/// whoever misses an object loads it again.
///
/// Not safe to use from several threads.
class Slots {
 public:
  /// @param most    How many objects may be loaded at once.
  /// @param shared  Whether handles may mean other processes' objects: no resource manager is
  /// there.
  Slots(Tpm& tpm, std::size_t most, bool shared) : tpm_(tpm), most_(most), shared_(shared) {}
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  /// Tells of a parent of session keys, which proves that its children are mayfly's, also where it
  /// is not loaded itself.
  void know_parent(Bytes qualified_name) { parents_.insert(std::move(qualified_name)); }

  /// Loads an object unless it is.
  /// @throws Error CKR_DEVICE_REMOVED when the TPM does not know the context any more, TpmError.
  TPM2_HANDLE load(SavedObject& object);

  /// Makes an object with `make`, which returns its handle; it is in `object` as soon as it is
  /// made.
  /// @param kept  An object that stays loaded meanwhile; may be null.
  void add(SavedObject& object, const std::function<TPM2_HANDLE()>& make, const SavedObject* kept);

  /// Unloads an object if it is loaded. It must not be used again when that throws.
  void unload(SavedObject& object);

  /// Takes an object for unloaded: its handle turned out to mean something else.
  void forget(SavedObject& object) noexcept;

  /// Takes all for unloaded, without asking the TPM.
  void forget_all() noexcept;

  /// Unloads all.
  void unload_all();

  /// Unloads what other processes of mayfly loaded, dead or alive.
  /// @return how many objects that were
  std::size_t unload_others();

  [[nodiscard]] std::size_t loaded() const noexcept { return loaded_.size(); }

 private:
  [[nodiscard]] TPM2_HANDLE with_room(const std::function<TPM2_HANDLE()>& command,
                                      const SavedObject* kept);
  bool unload_oldest(const SavedObject* kept);
  [[nodiscard]] bool is_loaded(TPM2_HANDLE handle) const noexcept;
  void flush(const SavedObject& object);

  Tpm& tpm_;
  const std::size_t most_;
  const bool shared_;
  std::set<Bytes> parents_;
  std::list<SavedObject*> loaded_;  // used last first
};

}  // namespace mayfly::tpm
