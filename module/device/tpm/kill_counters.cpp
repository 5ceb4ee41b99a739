#include "device/tpm/kill_counters.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "device/tpm/liveness.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {
namespace {

/// So many are kept for the next keys: each spares two writes to NV memory, and takes its room.
constexpr std::size_t kMostFree = 16;
constexpr int kAttempts = 16;

// A part of what the owner may give out (TCG Registry of Reserved Handles, 2.2).
constexpr TPMI_RH_NV_INDEX kFirst = 0x01a40000;
constexpr TPMI_RH_NV_INDEX kCount = 0x10000;

constexpr TPMA_NV kAttributes = TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT | TPMA_NV_OWNERWRITE |
                                TPMA_NV_OWNERREAD | TPMA_NV_NO_DA;
constexpr std::uint16_t kSize = 8;
constexpr std::string_view kTag = "mfly";

void append(Bytes& to, std::uint64_t number, std::size_t bytes) {
  while (bytes-- > 0) to.push_back(static_cast<std::uint8_t>(number >> (8 * bytes)));
}

std::uint64_t take(ByteView& from, std::size_t bytes) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : from.first(bytes)) number = number << 8 | byte;
  from = from.subspan(bytes);
  return number;
}

/// Who made an index, in the 32 bytes of an authPolicy: tag, boot, PID and time namespace, PID,
/// start.
Bytes owner_tag(const ProcessIdentity& owner) {
  Bytes tag = to_bytes(as_bytes(kTag));
  append(tag, parse_hex_number(owner.boot).value_or(0), 8);
  append(tag, owner.pid_namespace, 4);
  append(tag, owner.time_namespace, 4);
  append(tag, owner.pid, 4);
  append(tag, owner.started, 8);
  return tag;
}

std::optional<ProcessIdentity> owner_of(const Tpm::NvArea& index) {
  const TPMS_NV_PUBLIC& area = index.area;
  ByteView tag = view(area.authPolicy);
  if ((area.attributes & ~TPMA_NV_WRITTEN) != kAttributes || area.nameAlg != TPM2_ALG_SHA256 ||
      area.dataSize != kSize || tag.size() != 32 || as_text(tag.first(kTag.size())) != kTag) {
    return std::nullopt;
  }
  tag = tag.subspan(kTag.size());
  ProcessIdentity owner;
  const std::string boot = to_hex_number(take(tag, 8));
  owner.boot = std::string(16 - boot.size(), '0') + boot;
  owner.pid_namespace = take(tag, 4);
  owner.time_namespace = take(tag, 4);
  owner.pid = take(tag, 4);
  owner.started = take(tag, 8);
  return owner;
}

/// Calls `action` with each index where counters are, and with who made it. One that vanishes
/// meanwhile is left out.
template <typename Action>
void for_each_index(Tpm& tpm, const Action& action) {
  for (const TPM2_HANDLE index : tpm.handles(kFirst)) {
    if (index >= kFirst + kCount) return;
    try {
      action(index, owner_of(tpm.nv_read_public(index)));
    } catch (const TpmError& error) {
      if (!error.names_nothing()) throw;
    }
  }
}

}  // namespace

KillCounters::KillCounters() : self_(ProcessIdentity::self()) {
  Tpm::NvArea own;
  own.area.attributes = kAttributes;
  own.area.nameAlg = TPM2_ALG_SHA256;
  own.area.dataSize = kSize;
  own.area.authPolicy = sized<TPM2B_DIGEST>(owner_tag(self_));
  if (owner_of(own) != self_) {
    throw Error(CKR_FUNCTION_FAILED, "this process can't be named in an index of the TPM");
  }
}

void KillCounters::check_owner(Tpm& tpm) {
  if ((tpm.property(TPM2_PT_PERMANENT) & TPMA_PERMANENT_OWNERAUTHSET) == 0) return;
  throw Error(CKR_GENERAL_ERROR,
              "tpm.kill-switch needs counters in the TPM, and its owner has an authorisation "
              "value that mayfly does not know: leave the kill switch out, or take the owner's "
              "value away (tpm2_changeauth -c owner)");
}

TPMI_RH_NV_INDEX KillCounters::define(Tpm& tpm) {
  TPMS_NV_PUBLIC area{};
  area.nameAlg = TPM2_ALG_SHA256;
  area.attributes = kAttributes;
  area.authPolicy = sized<TPM2B_DIGEST>(owner_tag(self_));
  area.dataSize = kSize;
  for (int attempt = 1;; ++attempt) {
    std::array<std::uint8_t, 2> random{};
    fill_random(random, "the index of a counter");
    area.nvIndex = kFirst + (TPMI_RH_NV_INDEX{random[0]} << 8 | random[1]) % kCount;
    try {
      tpm.nv_define_space(area);
      break;
    } catch (const TpmError& error) {
      if (!error.is(TPM2_RC_NV_DEFINED) || attempt == kAttempts) throw;
    }
  }
  try {
    tpm.nv_increment(area.nvIndex);  // it has no value before, and another name
  } catch (const TpmError&) {
    if (tpm.usable()) tpm.nv_undefine_space(area.nvIndex);  // else recover() finds it
    throw;
  }
  return area.nvIndex;
}

KillCounter KillCounters::take(Tpm& tpm) {
  while (true) {
    if (free_.empty()) free_.push_back(define(tpm));
    KillCounter counter;
    counter.index = free_.back();
    try {
      const Tpm::NvArea found = tpm.nv_read_public(counter.index);
      if (owner_of(found) == self_) {
        counter.name = found.name;
        const Bytes value = tpm.nv_read(counter.index, kSize);
        std::ranges::copy(value, counter.value.begin());
        taken_.insert(counter.index);
        free_.pop_back();
        return counter;
      }
    } catch (const TpmError& error) {
      if (!error.names_nothing()) throw;
    }
    free_.pop_back();  // somebody undefined it
  }
}

void KillCounters::kill(Tpm& tpm, const KillCounter& counter) {
  if (!is_there(tpm, counter)) {
    log::warn("somebody has undefined a counter of the TPM that was to end a key");
    count_past(tpm, counter);
    taken_.erase(counter.index);
    return;
  }
  tpm.nv_increment(counter.index);
  taken_.erase(counter.index);
  if (free_.size() >= kMostFree) {
    try {
      tpm.nv_undefine_space(counter.index);
      return;
    } catch (const TpmError& error) {
      log::warn("a counter that no key needs stays in the TPM for now", error);
    }
  }
  free_.push_back(counter.index);
}

/// Whether the index is still the one that it was: it may be somebody else's by now.
bool KillCounters::is_there(Tpm& tpm, const KillCounter& counter) {
  try {
    return tpm.nv_read_public(counter.index).name == counter.name;
  } catch (const TpmError& error) {
    if (!error.names_nothing()) throw;
    return false;
  }
}

void KillCounters::count_past(Tpm& tpm, const KillCounter& counter) {
  const TPMI_RH_NV_INDEX index = define(tpm);
  try {
    const Bytes old(counter.value.begin(), counter.value.end());
    while (tpm.nv_read(index, kSize) <= old) tpm.nv_increment(index);
  } catch (const TpmError&) {
    if (tpm.usable()) free_.push_back(index);
    throw;
  }
  free_.push_back(index);
}

bool KillCounters::are_there(Tpm& tpm) {
  const std::vector<TPM2_HANDLE> found = tpm.handles(kFirst);
  return !found.empty() && found.front() < kFirst + kCount;
}

void KillCounters::recover(Tpm& tpm) {
  std::vector<TPMI_RH_NV_INDEX> found;
  for_each_index(tpm, [&](TPMI_RH_NV_INDEX index, const std::optional<ProcessIdentity>& owner) {
    if (owner != self_ || taken_.contains(index)) return;
    if (std::ranges::find(free_, index) == free_.end()) tpm.nv_increment(index);
    found.push_back(index);
  });
  free_ = std::move(found);
}

void KillCounters::undefine_free(Tpm& tpm) {
  for (; !free_.empty(); free_.pop_back()) {
    try {
      tpm.nv_undefine_space(free_.back());
    } catch (const TpmError& error) {
      if (!error.names_nothing()) throw;
    }
  }
}

ReapReport KillCounters::reap(Tpm& tpm, EarlierBoots earlier_boots) {
  ReapReport report;
  for_each_index(tpm, [&](TPMI_RH_NV_INDEX index, const std::optional<ProcessIdentity>& owner) {
    if (!owner) {
      ++report.foreign;
    } else if (*owner != self_) {
      if (!is_dead(*owner, self_, earlier_boots)) {
        ++report.alive;
        return;
      }
      tpm.nv_increment(index);
      tpm.nv_undefine_space(index);
      ++report.destroyed;
    }
  });
  return report;
}

}  // namespace mayfly::tpm
