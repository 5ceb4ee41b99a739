#include "device/tpm/key_policy.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "base/error.h"
#include "base/hash.h"
#include "base/safeguard.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {
namespace {

// Offsets into TPMS_TIME_INFO.
constexpr std::uint16_t kTimeOffset = 0;
constexpr std::uint16_t kRestartsOffset = 16;

template <std::size_t N>
std::array<std::uint8_t, N> big_endian(std::uint64_t number) {
  std::array<std::uint8_t, N> bytes{};
  for (std::size_t i = N; i-- > 0; number >>= 8) bytes[i] = static_cast<std::uint8_t>(number);
  return bytes;
}

std::uint64_t number(const std::array<std::uint8_t, 8>& big_endian_bytes) noexcept {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : big_endian_bytes) value = value << 8 | byte;
  return value;
}

/// The TPM's time at which a key must end.
std::uint64_t time_limit(std::uint64_t now, BootClock::time_point read_at,
                         BootClock::time_point deadline) {
  if (deadline <= read_at) return now;
  // No difference of time points: the deadline may be the largest there is.
  const auto left = std::chrono::floor<std::chrono::milliseconds>(deadline.time_since_epoch()) -
                    std::chrono::ceil<std::chrono::milliseconds>(read_at.time_since_epoch());
  const auto wanted = static_cast<std::uint64_t>(std::max<std::int64_t>(0, left.count())) +
                      static_cast<std::uint64_t>(kDeadlineMargin.count());
  return now > std::numeric_limits<std::uint64_t>::max() - wanted
             ? std::numeric_limits<std::uint64_t>::max()
             : now + wanted;
}

/// The digest of a policy after one more command (TPM 2.0 Part 3, 23).
Bytes extended(ByteView old, TPM2_CC command, ByteView argument) {
  Hasher hasher(Hash::sha256);
  hasher.update(old);
  hasher.update(big_endian<4>(command));
  hasher.update(argument);
  return hasher.finish();
}

Bytes operand_digest(ByteView operand, std::uint16_t offset, TPM2_EO operation) {
  Hasher hasher(Hash::sha256);
  hasher.update(operand);
  hasher.update(big_endian<2>(offset));
  hasher.update(big_endian<2>(operation));
  return hasher.finish();
}

/// Runs a command of a policy.
void require(const std::function<void()>& command, const char* otherwise) {
  try {
    command();
  } catch (const TpmError& error) {
    if (!error.is(TPM2_RC_POLICY)) throw;
    throw Error(CKR_DEVICE_REMOVED, std::string("the TPM refuses to use the key: ") + otherwise);
  }
}

}  // namespace

void KeyPolicy::require_deadline(const TPMS_TIME_INFO& now, BootClock::time_point read_at,
                                 BootClock::time_point deadline) {
  if (!kept(Safeguard::chip_deadline)) return;
  const std::uint64_t restarts =
      std::uint64_t{now.clockInfo.resetCount} << 32 | now.clockInfo.restartCount;
  deadline_ = {big_endian<8>(time_limit(now.time, read_at, deadline)), big_endian<8>(restarts)};
}

Bytes KeyPolicy::digest() const {
  Bytes policy(digest_size(Hash::sha256));
  if (counter_) {
    Bytes argument = operand_digest(counter_->value, 0, TPM2_EO_EQ);
    argument.insert(argument.end(), counter_->name.begin(), counter_->name.end());
    policy = extended(policy, TPM2_CC_PolicyNV, argument);
  }
  if (deadline_) {
    policy = extended(policy, TPM2_CC_PolicyCounterTimer,
                      operand_digest(deadline_->time_limit, kTimeOffset, TPM2_EO_UNSIGNED_LT));
    policy = extended(policy, TPM2_CC_PolicyCounterTimer,
                      operand_digest(deadline_->restarts, kRestartsOffset, TPM2_EO_EQ));
  }
  // A password is asked for as TPM2_PolicyAuthValue asks for the value: the digests are the same.
  return extended(policy, TPM2_CC_PolicyAuthValue, {});
}

std::optional<attestation::HardwareDeadline> KeyPolicy::deadline_claim() const noexcept {
  if (!deadline_) return std::nullopt;
  const std::uint64_t restarts = number(deadline_->restarts);
  return attestation::HardwareDeadline{number(deadline_->time_limit),
                                       static_cast<std::uint32_t>(restarts >> 32),
                                       static_cast<std::uint32_t>(restarts)};
}

void KeyPolicy::satisfy(Tpm& tpm, TPMI_SH_POLICY session, Value value) const {
  if (counter_) {
    require([&] { tpm.policy_nv(session, counter_->index, counter_->value, TPM2_EO_EQ); },
            "its kill switch was thrown");
  }
  if (deadline_) {
    require(
        [&] {
          tpm.policy_counter_timer(session, deadline_->time_limit, kTimeOffset,
                                   TPM2_EO_UNSIGNED_LT);
        },
        "its deadline is past");
    require(
        [&] {
          tpm.policy_counter_timer(session, deadline_->restarts, kRestartsOffset, TPM2_EO_EQ);
        },
        "the TPM was reset, or suspended and resumed, after the key was made");
  }
  if (value == Value::sent) {
    tpm.policy_password(session);
  } else {
    tpm.policy_auth_value(session);
  }
}

}  // namespace mayfly::tpm
