// Whether the owner of something in the TPM is over.
#pragma once

#include "base/process_identity.h"
#include "device/device.h"

namespace mayfly::tpm {

/// Whether a process is proven to be over. Of another boot nothing is known but what the caller
/// says.
/// @throws Error CKR_FUNCTION_FAILED when that can't be looked up.
[[nodiscard]] inline bool is_dead(const ProcessIdentity& owner, const ProcessIdentity& self,
                                  EarlierBoots earlier_boots) {
  const Liveness found = liveness(owner, self);
  return found == Liveness::dead || (found == Liveness::out_of_sight && owner.boot != self.boot &&
                                     earlier_boots == EarlierBoots::are_over);
}

}  // namespace mayfly::tpm
