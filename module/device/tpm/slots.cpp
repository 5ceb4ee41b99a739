#include "device/tpm/slots.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "device/tpm/public_area.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {

TPM2_HANDLE Slots::load(SavedObject& object) {
  if (object.handle != 0) {
    loaded_.splice(loaded_.begin(), loaded_, std::ranges::find(loaded_, &object));
    return object.handle;
  }
  add(
      object,
      [&] {
        try {
          return tpm_.context_load(object.context);
        } catch (const TpmError& error) {
          // The secret that contexts are sealed with is another after a reset.
          if (!error.is(TPM2_RC_INTEGRITY) && !error.is(TPM2_RC_HANDLE)) throw;
          throw Error(CKR_DEVICE_REMOVED, "the TPM was reset: what it had made before is gone (" +
                                              decode(error.code()) + ")");
        }
      },
      nullptr);
  return object.handle;
}

void Slots::add(SavedObject& object, const std::function<TPM2_HANDLE()>& make,
                const SavedObject* kept) {
  std::list<SavedObject*> entry = {&object};  // no memory is needed once it is loaded
  object.handle = with_room(make, kept);
  loaded_.splice(loaded_.begin(), entry);
}

TPM2_HANDLE Slots::with_room(const std::function<TPM2_HANDLE()>& command, const SavedObject* kept) {
  while (loaded_.size() >= most_ && unload_oldest(kept)) continue;
  while (true) {
    try {
      return command();
    } catch (const TpmError& error) {
      if (!error.objects_full()) throw;
      // Others use slots as well. First those that may take what is ours give way.
      if (!(shared_ && unload_others() > 0) && !unload_oldest(kept)) throw;
    }
  }
}

bool Slots::unload_oldest(const SavedObject* kept) {
  const auto oldest = std::find_if(loaded_.rbegin(), loaded_.rend(),
                                   [kept](const SavedObject* object) { return object != kept; });
  if (oldest == loaded_.rend()) return false;
  unload(**oldest);
  return true;
}

void Slots::flush(const SavedObject& object) {
  try {
    // Where handles are shared, this one may have become somebody else's.
    if (shared_ && !equal(view(tpm_.read_public(object.handle).name), object.name)) return;
    tpm_.flush_context(object.handle);
  } catch (const TpmError& error) {
    if (!error.names_nothing()) throw;  // else it was unloaded by others
  }
}

void Slots::unload(SavedObject& object) {
  if (object.handle == 0) return;
  flush(object);
  forget(object);
}

void Slots::forget(SavedObject& object) noexcept {
  if (object.handle == 0) return;
  object.handle = 0;
  std::erase(loaded_, &object);
}

void Slots::forget_all() noexcept {
  for (SavedObject* object : loaded_) object->handle = 0;
  loaded_.clear();
}

void Slots::unload_all() {
  while (unload_oldest(nullptr)) continue;
}

bool Slots::is_loaded(TPM2_HANDLE handle) const noexcept {
  return std::ranges::any_of(
      loaded_, [handle](const SavedObject* object) { return object->handle == handle; });
}

std::size_t Slots::unload_others() {
  // Whose children are ours is known from the parent, which is the same in all processes. Where it
  // is not loaded, it must have been told of before.
  std::map<TPM2_HANDLE, Tpm::PublicArea> areas;
  for (const TPM2_HANDLE handle : tpm_.handles(TPM2_HR_TRANSIENT)) {
    try {
      const Tpm::PublicArea& area = areas[handle] = tpm_.read_public(handle);
      if (is_parent(area)) know_parent(to_bytes(view(area.qualified_name)));
    } catch (const TpmError&) {
      if (!tpm_.usable()) throw;
      areas.erase(handle);  // it is gone by now, or no key
    }
  }
  std::size_t count = 0;
  for (const auto& [handle, area] : areas) {
    const bool ours =
        is_parent(area) || std::ranges::any_of(parents_, [&](const Bytes& parent) {
          return equal(view(area.qualified_name), qualified_name(parent, view(area.name)));
        });
    if (!ours || is_loaded(handle)) continue;
    try {
      tpm_.flush_context(handle);
      ++count;
    } catch (const TpmError& error) {
      if (!error.names_nothing()) throw;
    }
  }
  return count;
}

}  // namespace mayfly::tpm
