#include "credential/attestation/policy.h"

#include "credential/attestation/tpm_structures.h"

namespace mayfly::attestation {
namespace {

// TPM_CC (part 2, 6.5.2) and TPM_EO (6.8)
constexpr std::uint32_t kPolicyNv = 0x00000149;
constexpr std::uint32_t kPolicyAuthValue = 0x0000016b;  // PolicyPassword has the same digest
constexpr std::uint32_t kPolicyCounterTimer = 0x0000016d;
constexpr std::uint16_t kEqual = 0x0000;
constexpr std::uint16_t kUnsignedLess = 0x0005;

// Offsets in TPMS_TIME_INFO
constexpr std::uint16_t kTimeOffset = 0;
constexpr std::uint16_t kResetsOffset = 16;  // resetCount, then restartCount

Bytes big_endian(std::uint64_t value, int width) {
  Bytes bytes;
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  return bytes;
}

/// A policy digest in the making (part 3, 23).
class PolicyDigest {
 public:
  explicit PolicyDigest(Hash hash) : hash_(hash), digest_(digest_size(hash), 0) {}

  void compare(std::uint32_t command, ByteView operand, std::uint16_t offset,
               std::uint16_t operation, ByteView name) {
    Hasher arguments(hash_);
    arguments.update(operand);
    arguments.update(big_endian(offset, 2));
    arguments.update(big_endian(operation, 2));
    const Bytes hashed = arguments.finish();
    Hasher next = begin(command);
    next.update(hashed);
    next.update(name);
    digest_ = next.finish();
  }
  void add(std::uint32_t command) { digest_ = begin(command).finish(); }

  [[nodiscard]] const Bytes& value() const noexcept { return digest_; }

 private:
  [[nodiscard]] Hasher begin(std::uint32_t command) const {
    Hasher hasher(hash_);
    hasher.update(digest_);
    hasher.update(big_endian(command, 4));
    return hasher;
  }

  Hash hash_;
  Bytes digest_;
};

}  // namespace

Bytes policy_digest(const PolicyClaim& claim, Hash hash) {
  if (!claim.deadline && !claim.kill_switch) return {};
  PolicyDigest policy(hash);
  if (claim.kill_switch) {
    const CounterIndex index = parse_counter_index(claim.kill_switch->index_public);
    policy.compare(kPolicyNv, big_endian(claim.kill_switch->value, 8), 0, kEqual, index.name);
  }
  if (claim.deadline) {
    policy.compare(kPolicyCounterTimer, big_endian(claim.deadline->time_limit_ms, 8), kTimeOffset,
                   kUnsignedLess, {});
    Bytes counts = big_endian(claim.deadline->resets, 4);
    const Bytes restarts = big_endian(claim.deadline->restarts, 4);
    counts.insert(counts.end(), restarts.begin(), restarts.end());
    policy.compare(kPolicyCounterTimer, counts, kResetsOffset, kEqual, {});
  }
  policy.add(kPolicyAuthValue);
  return policy.value();
}

}  // namespace mayfly::attestation
