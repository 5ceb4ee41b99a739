// Counters in the TPM that end keys.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/process_identity.h"
#include "device/device.h"
#include "device/tpm/tpm.h"

namespace mayfly::tpm {

/// One counter, and the value at which its key works. When it counts on, the key is dead: a
/// counter that is defined anew begins above what any counter had, and after TPM2_Clear at least
/// where the highest one was. So undefining alone ends nothing; what ends a key is that some
/// counter of the TPM has counted past its value.
struct KillCounter {
  TPMI_RH_NV_INDEX index = 0;
  Bytes name;
  std::array<std::uint8_t, 8> value{};  ///< big-endian

  bool operator==(const KillCounter&) const = default;
};

/// KillCounters hands out the counters of this process. A counter serves one key after the other.
///
/// Each index says in its authPolicy, which nobody can fulfil, that it is mayfly's, and which
/// process made it: so those of dead processes are told from anybody else's by the TPM itself.
///
/// Not safe to use from several threads.
class KillCounters {
 public:
  /// @throws Error CKR_FUNCTION_FAILED when this process can't tell who it is.
  KillCounters();

  /// Looks whether the TPM's owner lets us have counters. Writes nothing.
  /// @throws Error CKR_GENERAL_ERROR when not, TpmError.
  static void check_owner(Tpm& tpm);

  /// A counter for a new key. @throws TpmError CKR_DEVICE_MEMORY when NV memory is full.
  [[nodiscard]] KillCounter take(Tpm& tpm);

  /// Ends the key that the counter was taken for; the counter can then be taken again, or is
  /// removed when enough are free. Where somebody has undefined it, the TPM is made to count past
  /// its value, so that no counter can have that value again.
  /// @throws TpmError when the key may not be at its end.
  void kill(Tpm& tpm, const KillCounter& counter);

  /// Finds the counters of this process that a lost connection made nobody's, and ends the keys
  /// that they may have been for.
  void recover(Tpm& tpm);

  /// Removes all that can be taken. Those of keys that live stay.
  void undefine_free(Tpm& tpm);

  /// Whether there are indices where counters of mayfly's would be, whosever.
  [[nodiscard]] static bool are_there(Tpm& tpm);

  /// Ends the keys of dead processes, and removes their counters.
  ReapReport reap(Tpm& tpm, EarlierBoots earlier_boots);

 private:
  [[nodiscard]] TPMI_RH_NV_INDEX define(Tpm& tpm);
  void count_past(Tpm& tpm, const KillCounter& counter);
  [[nodiscard]] static bool is_there(Tpm& tpm, const KillCounter& counter);

  ProcessIdentity self_;
  std::vector<TPMI_RH_NV_INDEX> free_;
  std::set<TPMI_RH_NV_INDEX> taken_;  // of keys that were not ended yet
};

}  // namespace mayfly::tpm
