#include "base/task_binding.h"

#include "base/error.h"
#include "base/hash.h"

namespace mayfly {
namespace {

constexpr std::size_t kMaxTaskId = 255;
constexpr std::size_t kSerialDigits = 16;

void update_number(Hasher& hasher, std::uint64_t value, int width) {
  Bytes bytes;
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  hasher.update(bytes);
}

}  // namespace

Bytes thumbprint(const PublicKey& key) {
  return digest(Hash::sha256, key.subject_public_key_info());
}

Bytes binding_digest(const TaskBinding& binding) {
  if (binding.task_id.empty() || binding.task_id.size() > kMaxTaskId) {
    throw Error(CKR_ARGUMENTS_BAD, "a task binding has a task ID of 1 to 255 bytes");
  }
  if (!is_hex(binding.serial, kSerialDigits)) {
    throw Error(CKR_ARGUMENTS_BAD, "a task binding has a serial of 16 lower-case hex digits");
  }
  if (binding.policy_digest.size() != kBindingDigestSize ||
      binding.key_thumbprint.size() != kBindingDigestSize) {
    throw Error(CKR_ARGUMENTS_BAD, "the digests in a task binding have 32 bytes each");
  }
  Hasher hasher(Hash::sha256);
  hasher.update(as_bytes("mayfly-task-v1"));
  update_number(hasher, binding.task_id.size(), 2);
  hasher.update(as_bytes(binding.task_id));
  hasher.update(as_bytes(binding.serial));
  update_number(hasher, binding.deadline_unix_s, 8);
  hasher.update(binding.policy_digest);
  hasher.update(binding.key_thumbprint);
  return hasher.finish();
}

Bytes attestation_challenge(const TaskBinding& binding, ByteView nonce) {
  Hasher hasher(Hash::sha256);
  hasher.update(as_bytes("mayfly-attest-v1"));
  hasher.update(binding_digest(binding));
  hasher.update(nonce);
  return hasher.finish();
}

}  // namespace mayfly
