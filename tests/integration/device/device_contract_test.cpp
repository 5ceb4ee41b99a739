#include "integration/device/device_contract.h"

#include <array>
#include <atomic>
#include <barrier>
#include <functional>
#include <thread>

#include "base/error.h"
#include "integration/device/independent_verification.h"

namespace mayfly::test {
namespace {

constexpr std::array<KeySpec, 7> kSpecs = {{{CKK_EC, 256},
                                            {CKK_EC, 384},
                                            {CKK_EC, 521},
                                            {CKK_EC_EDWARDS, 255},
                                            {CKK_RSA, 2048},
                                            {CKK_RSA, 3072},
                                            {CKK_RSA, 4096}}};
constexpr std::array<Hash, 5> kHashes = {Hash::none, Hash::sha224, Hash::sha256, Hash::sha384,
                                         Hash::sha512};
constexpr KeySpec kP256 = {CKK_EC, 256};
constexpr SignatureScheme kEcdsaSha256 = {Scheme::ecdsa, Hash::sha256};

ScopeOwner owner() { return {"contract", "0123456789abcdef", BootClock::time_point::max()}; }

std::vector<SignatureScheme> schemes_of(const KeySpec& spec) {
  if (spec.type == CKK_EC_EDWARDS) return {{Scheme::eddsa}};
  std::vector<SignatureScheme> schemes;
  for (const Hash hash : kHashes) {
    if (spec.type == CKK_EC) {
      schemes.push_back({Scheme::ecdsa, hash});
      continue;
    }
    schemes.push_back({Scheme::rsa_pkcs1, hash});
    if (hash != Hash::none) schemes.push_back({Scheme::rsa_pss, hash, hash, digest_size(hash)});
  }
  return schemes;
}

/// What the scheme wants instead of the message, when the device takes digests.
Bytes digested(const SignatureScheme& scheme, ByteView message) {
  if (scheme.scheme == Scheme::eddsa) return to_bytes(message);
  if (scheme.hash != Hash::none) return digest(scheme.hash, message);
  Bytes input;
  if (scheme.scheme == Scheme::rsa_pkcs1) input = to_bytes(digest_info_prefix(Hash::sha256));
  const Bytes hash = digest(Hash::sha256, message);
  input.insert(input.end(), hash.begin(), hash.end());
  return input;
}

Bytes sign(DeviceKey& key, const SignatureScheme& scheme, ByteView input) {
  Bytes signature(key.public_key().signature_size());
  signature.resize(key.sign({scheme, input}, signature));
  return signature;
}

Bytes sign_digest(DeviceKey& key, std::string_view message) {
  return sign(key, kEcdsaSha256, digest(Hash::sha256, as_bytes(message)));
}

bool verifies(const DeviceKey& key, std::string_view message, ByteView signature) {
  return key.public_key().verify(kEcdsaSha256, digest(Hash::sha256, as_bytes(message)), signature);
}

CK_RV answer_of(const std::function<void()>& action) {
  try {
    action();
    return CKR_OK;
  } catch (const Error& error) {
    EXPECT_STRNE(error.what(), "");
    return error.rv();
  }
}

TEST_P(DeviceContract, TellsWhatItIs) {
  const Device& device = open();
  EXPECT_FALSE(device.info().manufacturer.empty());
  EXPECT_TRUE(device.supports(kP256));
  EXPECT_FALSE(device.supports({CKK_EC, 257}));
  EXPECT_FALSE(device.supports({CKK_AES, 256}));
  EXPECT_FALSE(device.supports({CKK_RSA, 1'000'000}));
  EXPECT_NE(device.sign_input(Scheme::ecdsa, Hash::sha256), SignInput::unsupported);
  EXPECT_EQ(device.sign_input(Scheme::rsa_pss, Hash::none), SignInput::unsupported);
  EXPECT_EQ(device.sign_input(Scheme::eddsa, Hash::sha512), SignInput::unsupported);
}

TEST_P(DeviceContract, MakesKeysOfEveryKindItSupportsAndSignsInEveryWay) {
  Device& device = open();
  const auto scope = device.open_scope(owner());
  const std::string message = "what an agent signs";
  std::size_t signatures = 0;
  for (const KeySpec& spec : kSpecs) {
    if (!device.supports(spec)) continue;
    const auto key = scope->generate(spec);
    ASSERT_EQ(key->public_key().spec(), spec);
    for (const SignatureScheme& scheme : schemes_of(spec)) {
      const SignInput wanted = device.sign_input(scheme.scheme, scheme.hash);
      if (wanted == SignInput::unsupported) continue;
      const Bytes input = digested(scheme, as_bytes(message));
      const Bytes signature =
          sign(*key, scheme, wanted == SignInput::message ? as_bytes(message) : ByteView(input));
      const std::string what = to_string(spec) + ", scheme " +
                               std::to_string(static_cast<int>(scheme.scheme)) + ", hash " +
                               std::to_string(static_cast<int>(scheme.hash));
      EXPECT_TRUE(key->public_key().verify(scheme, input, signature)) << what;
      const Bytes info = key->public_key().subject_public_key_info();
      EXPECT_TRUE(verifies_independently(info, scheme, as_bytes(message), signature)) << what;
      EXPECT_FALSE(verifies_independently(info, scheme, as_bytes("another"), signature)) << what;
      ++signatures;
    }
    EXPECT_EQ(key->destroy(), Destruction::destroyed);
  }
  EXPECT_GT(signatures, 0U);
  EXPECT_EQ(under_test_->count_private_keys(), 0U);
}

TEST_P(DeviceContract, CutsDigestsThatAreLongerThanTheCurve) {
  Device& device = open();
  const auto key = device.open_scope(owner())->generate(kP256);
  const Bytes long_digest = digest(Hash::sha512, as_bytes("message"));
  const Bytes signature = sign(*key, {Scheme::ecdsa, Hash::none}, long_digest);
  const ByteView used = ByteView(long_digest).first(32);
  EXPECT_TRUE(key->public_key().verify({Scheme::ecdsa, Hash::none}, used, signature));
}

TEST_P(DeviceContract, RefusesWhatItCanNotDo) {
  Device& device = open();
  const auto scope = device.open_scope(owner());
  EXPECT_NE(answer_of([&] { (void)scope->generate({CKK_AES, 256}); }), CKR_OK);
  EXPECT_EQ(answer_of([&] { (void)scope->generate({CKK_EC, 257}); }), CKR_CURVE_NOT_SUPPORTED);
  EXPECT_EQ(answer_of([&] { (void)scope->generate({CKK_RSA, 1'000'000}); }), CKR_KEY_SIZE_RANGE);
  const auto key = scope->generate(kP256);
  EXPECT_EQ(answer_of([&] { sign(*key, kEcdsaSha256, as_bytes("no digest")); }),
            CKR_DATA_LEN_RANGE);
  EXPECT_NE(answer_of([&] { sign(*key, {Scheme::rsa_pkcs1, Hash::none}, as_bytes("x")); }), CKR_OK);
  // A refusal leaves nothing stuck.
  EXPECT_TRUE(verifies(*key, "after", sign_digest(*key, "after")));
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(under_test_->count_private_keys(), 0U);
}

TEST_P(DeviceContract, MakesNoKeyThatIsCalledOffAtTheLastMoment) {
  Device& device = open();
  const auto scope = device.open_scope(owner());
  int checks = 0;
  const auto call_off = [&checks] {
    ++checks;
    throw Error(CKR_DEVICE_REMOVED, "called off");
  };
  EXPECT_EQ(answer_of([&] { (void)scope->generate(kP256, call_off); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(checks, 1);
  EXPECT_EQ(under_test_->count_private_keys(), 0U);
  EXPECT_EQ(device.health().pending, 0U);
  const auto key = scope->generate(kP256, [&checks] { ++checks; });
  EXPECT_GT(checks, 1);
  EXPECT_TRUE(verifies(*key, "a", sign_digest(*key, "a")));
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
}

TEST_P(DeviceContract, DestroysOneKeyAndLeavesTheOthers) {
  Device& device = open();
  const auto scope = device.open_scope(owner());
  const auto other_scope = device.open_scope(owner());
  const auto first = scope->generate(kP256);
  const auto second = scope->generate(kP256);
  const auto third = other_scope->generate(kP256);
  EXPECT_EQ(under_test_->count_private_keys(), 3U);

  EXPECT_EQ(first->destroy(), Destruction::destroyed);
  EXPECT_EQ(first->destroy(), Destruction::destroyed);
  EXPECT_EQ(under_test_->count_private_keys(), 2U);
  EXPECT_EQ(answer_of([&] { sign_digest(*first, "after the end"); }), CKR_DEVICE_REMOVED);
  EXPECT_TRUE(verifies(*second, "alive", sign_digest(*second, "alive")));

  EXPECT_EQ(second->destroy(), Destruction::destroyed);
  EXPECT_EQ(under_test_->count_private_keys(), 1U);
  EXPECT_TRUE(verifies(*third, "alive", sign_digest(*third, "alive")));
  EXPECT_EQ(third->destroy(), Destruction::destroyed);
  EXPECT_EQ(under_test_->count_private_keys(), 0U);
}

TEST_P(DeviceContract, KeepsAKeyWhoseScopeWasDropped) {
  Device& device = open();
  auto scope = device.open_scope(owner());
  const auto key = scope->generate(kP256);
  scope.reset();
  EXPECT_TRUE(verifies(*key, "alive", sign_digest(*key, "alive")));
  EXPECT_EQ(under_test_->count_private_keys(), 1U);
  EXPECT_EQ(device.health().open_scopes, 1U);
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(under_test_->count_private_keys(), 0U);
}

TEST_P(DeviceContract, OwesADroppedKeyAndDestroysItOnRetry) {
  Device& device = open();
  const auto scope = device.open_scope(owner());
  const auto kept = scope->generate(kP256);
  auto dropped = scope->generate(kP256);
  dropped.reset();
  EXPECT_EQ(device.health().pending, 1U);
  EXPECT_EQ(device.retry_pending(), 0U);
  EXPECT_EQ(device.health().pending, 0U);
  EXPECT_EQ(under_test_->count_private_keys(), 1U);
  EXPECT_TRUE(verifies(*kept, "alive", sign_digest(*kept, "alive")));
}

TEST_P(DeviceContract, GivesEverythingBackWhenItCloses) {
  Device& device = open();
  const auto scope = device.open_scope(owner());
  const auto key = scope->generate(kP256);
  const auto another = scope->generate(kP256);
  device.close();
  EXPECT_EQ(under_test_->count_private_keys(), 0U);
  EXPECT_EQ(answer_of([&] { sign_digest(*key, "after the end"); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(answer_of([&] { (void)scope->generate(kP256); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_FALSE(device.health().reachable);

  // And it can be opened again.
  Device& again = open();
  const auto fresh = again.open_scope(owner())->generate(kP256);
  EXPECT_TRUE(verifies(*fresh, "alive", sign_digest(*fresh, "alive")));
}

TEST_P(DeviceContract, UsesNoMoreOfTheDeviceAfterManyKeys) {
  Device& device = open();
  const auto cycle = [&] {
    const auto scope = device.open_scope(owner());
    const auto key = scope->generate(kP256);
    ASSERT_TRUE(verifies(*key, "alive", sign_digest(*key, "alive")));
    ASSERT_EQ(key->destroy(), Destruction::destroyed);
  };
  cycle();
  const std::size_t before = under_test_->count_resources();
  for (int i = 0; i < under_test_->many_keys(); ++i) cycle();
  EXPECT_EQ(under_test_->count_resources(), before);
  EXPECT_EQ(under_test_->count_private_keys(), 0U);
  EXPECT_EQ(device.health().open_scopes, 0U);
}

/// Runs an action in many threads that start together.
void in_threads(unsigned count, const std::function<void(unsigned)>& action) {
  std::barrier start(count);
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      action(i);
    });
  }
}

TEST_P(DeviceContract, SignsWithOneKeyFromManyThreads) {
  Device& device = open();
  const auto key = device.open_scope(owner())->generate(kP256);
  in_threads(8, [&](unsigned thread) {
    for (int i = 0; i < 50; ++i) {
      const std::string message = std::to_string(thread) + "/" + std::to_string(i);
      EXPECT_TRUE(verifies(*key, message, sign_digest(*key, message)));
    }
  });
  EXPECT_EQ(key->destroy(), Destruction::destroyed);
  EXPECT_EQ(under_test_->count_private_keys(), 0U);
}

TEST_P(DeviceContract, MakesUsesAndDestroysManyKeysFromManyThreads) {
  Device& device = open();
  const auto shared_scope = device.open_scope(owner());
  in_threads(8, [&](unsigned thread) {
    for (int i = 0; i < under_test_->many_keys() / 50; ++i) {
      const auto own_scope = device.open_scope(owner());
      const auto& scope = (thread + static_cast<unsigned>(i)) % 2 == 0 ? shared_scope : own_scope;
      const auto key = scope->generate(kP256);
      EXPECT_TRUE(verifies(*key, "alive", sign_digest(*key, "alive")));
      EXPECT_EQ(key->destroy(), Destruction::destroyed);
      device.retry_pending();
    }
  });
  EXPECT_EQ(under_test_->count_private_keys(), 0U);
}

TEST_P(DeviceContract, ServesManyOwnersAndThreadsWithFewSessions) {
  constexpr std::size_t kSessions = 4;
  constexpr std::size_t kScopes = 20;
  Device& device = open(kSessions);
  std::vector<std::shared_ptr<KeyScope>> scopes;
  std::vector<std::unique_ptr<DeviceKey>> keys;
  for (std::size_t i = 0; i < kScopes; ++i) {
    scopes.push_back(device.open_scope(owner()));
    keys.push_back(scopes.back()->generate(kP256));
  }
  EXPECT_EQ(under_test_->count_private_keys(), kScopes);

  std::array<std::atomic<unsigned>, 8> made{};
  in_threads(8, [&](unsigned thread) {
    for (unsigned i = 0; i < 100; ++i) {
      DeviceKey& key = *keys[(thread * 7 + i) % kScopes];
      EXPECT_TRUE(verifies(key, "alive", sign_digest(key, "alive")));
      ++made[thread];
    }
  });
  for (const auto& count : made) EXPECT_EQ(count, 100U);

  for (std::size_t i = 0; i < kScopes; ++i) {
    EXPECT_EQ(keys[i]->destroy(), Destruction::destroyed);
    EXPECT_EQ(under_test_->count_private_keys(), kScopes - 1 - i);
  }
}

}  // namespace
}  // namespace mayfly::test
