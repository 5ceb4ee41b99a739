#include "base/task_binding.h"

#include "base/task_binding.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "unit/base/vectors.h"

namespace mayfly::test {
namespace {

TaskBinding binding() {
  return {"invoice-4711", "0123456789abcdef", 1'700'000'900, Bytes(32, 0xaa), Bytes(32, 0xbb)};
}

// Both digests were computed by hand:
//   { printf 'mayfly-task-v1\0\14invoice-47110123456789abcdef'; printf '%016x' 1700000900 | xxd -r
//   -p;
//     printf 'aa%.0s' {1..32} | xxd -r -p; printf 'bb%.0s' {1..32} | xxd -r -p; } | sha256sum
//   { printf 'mayfly-attest-v1'; printf %s DIGEST | xxd -r -p; printf nonce; } | sha256sum
TEST(TaskBinding, HasTheDocumentedEncoding) {
  EXPECT_EQ(to_hex(binding_digest(binding())),
            "624a683fdd13bcc20327f32e957d71bbd239ad4b74b0a278a6c3dbe76ebef57e");
  EXPECT_EQ(to_hex(attestation_challenge(binding(), as_bytes("nonce"))),
            "2e353b3534506e712de8413da37ab688ea5fa500e0b5548a7efc6e2821fd6d00");
}

TEST(TaskBinding, DiffersWithEachOfItsParts) {
  const Bytes whole = binding_digest(binding());
  void (*const changes[])(TaskBinding&) = {
      [](TaskBinding& b) { b.task_id += "0"; },
      [](TaskBinding& b) { b.serial[0] = '1'; },
      [](TaskBinding& b) { ++b.deadline_unix_s; },
      [](TaskBinding& b) { b.policy_digest[31] ^= 1; },
      [](TaskBinding& b) { b.key_thumbprint[0] ^= 1; },
  };
  for (const auto change : changes) {
    TaskBinding changed = binding();
    change(changed);
    EXPECT_NE(binding_digest(changed), whole);
  }
}

TEST(TaskBinding, RefusesPartsOfAnotherLength) {
  void (*const changes[])(TaskBinding&) = {
      [](TaskBinding& b) { b.task_id.clear(); },
      [](TaskBinding& b) { b.task_id = std::string(256, 'a'); },
      [](TaskBinding& b) { b.serial += "0"; },
      [](TaskBinding& b) { b.serial[0] = 'A'; },
      [](TaskBinding& b) { b.policy_digest.clear(); },
      [](TaskBinding& b) { b.key_thumbprint.push_back(0); },
  };
  for (const auto change : changes) {
    TaskBinding changed = binding();
    change(changed);
    EXPECT_THROW(static_cast<void>(binding_digest(changed)), Error);
  }
}

TEST(TaskBinding, ThumbprintIsTheDigestOfTheEncodedKey) {
  const Vector rsa = read_vectors("rsa.txt").front();
  const PublicKey key = PublicKey::from_rsa(rsa.bytes("modulus"), rsa.bytes("exponent"));
  EXPECT_EQ(thumbprint(key), digest(Hash::sha256, key.subject_public_key_info()));
}

}  // namespace
}  // namespace mayfly::test
