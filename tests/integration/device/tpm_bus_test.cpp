// What somebody learns, and can do, who sits between mayfly and its TPM.
#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/secret.h"
#include "device/tpm/clock_watch.h"
#include "device/tpm/public_area.h"
#include "integration/device/burglar.h"
#include "support/swtpm.h"
#include "support/tpm_tap.h"

namespace mayfly::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr KeySpec kP256 = {CKK_EC, 256};
constexpr SignatureScheme kEcdsaSha256 = {Scheme::ecdsa, Hash::sha256};

struct Mode {
  const char* name;
  TpmDeadline deadline;
  bool kill_switch;
};
constexpr Mode kModes[] = {{"hardware", TpmDeadline::hardware, false},
                           {"hardware with kill switch", TpmDeadline::hardware, true},
                           {"software", TpmDeadline::software, false},
                           {"software with kill switch", TpmDeadline::software, true}};

class TpmBusTest : public testing::Test {
 protected:
  TpmBusTest() { swtpm_.reset(); }
  ~TpmBusTest() override {
    if (device_ != nullptr) device_->close();
  }

  Device& open(const Mode& mode, bool encrypt) {
    if (device_ != nullptr) device_->close();
    TpmDeviceOptions options;
    options.tcti = tap_.tcti();
    options.deadline = mode.deadline;
    options.kill_switch = mode.kill_switch;
    options.encrypt = encrypt;
    tap_.forget();
    chip_ = std::make_shared<tpm::Chip>(options);
    burglar_.emplace(*chip_, swtpm_.tcti());
    device_ = tpm::make_tpm_device(chip_);
    return *device_;
  }

  static bool signs(DeviceKey& key) {
    const Bytes hashed = digest(Hash::sha256, as_bytes("what an agent signs"));
    Bytes signature(key.public_key().signature_size());
    signature.resize(key.sign({kEcdsaSha256, hashed}, signature));
    return key.public_key().verify(kEcdsaSha256, hashed, signature);
  }
  static CK_RV answer_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.rv();
    }
    return CKR_OK;
  }

  Swtpm swtpm_;
  TpmTap tap_{swtpm_.tcti()};
  std::shared_ptr<tpm::Chip> chip_;
  std::optional<Burglar> burglar_;
  std::unique_ptr<Device> device_;
};

TEST_F(TpmBusTest, AnAuthorisationValueIsHeardOnlyWhereNothingIsEncrypted) {
  for (const Mode& mode : kModes) {
    for (const bool encrypt : {false, true}) {
      SCOPED_TRACE(std::string(mode.name) + (encrypt ? ", encrypted" : ""));
      Device& device = open(mode, encrypt);
      const auto key =
          device.open_scope({"task", "0123456789abcdef", BootClock::time_point::max()})
              ->generate(kP256);
      const Bytes secret = burglar_->loot().at(0).secret;
      EXPECT_EQ(tap_.has_heard(secret), !encrypt) << "when the key is made";
      tap_.forget();
      EXPECT_TRUE(signs(*key));
      EXPECT_TRUE(signs(*key)) << "in the same session";
      EXPECT_EQ(tap_.has_heard(secret), !encrypt) << "when it signs";
      tap_.forget();
      static_cast<void>(key->attest([](ByteView) { return Bytes(32, 1); }));
      EXPECT_EQ(tap_.has_heard(secret), !encrypt) << "when it is certified";
      EXPECT_TRUE(signs(*key));
      EXPECT_EQ(key->destroy(), Destruction::destroyed);
      device.close();
      EXPECT_TRUE(burglar_->tpm().handles(TPM2_HR_TRANSIENT).empty());
      EXPECT_TRUE(burglar_->tpm().handles(TPM2_HR_HMAC_SESSION).empty());
      EXPECT_TRUE(burglar_->tpm().handles(TPM2_HR_NV_INDEX).empty());
    }
  }
}

TEST_F(TpmBusTest, ADigestIsHeardOnlyWhereNothingIsEncrypted) {
  for (const bool encrypt : {false, true}) {
    const auto key = open(kModes[0], encrypt)
                         .open_scope({"task", "0123456789abcdef", BootClock::time_point::max()})
                         ->generate(kP256);
    EXPECT_TRUE(signs(*key));
    EXPECT_EQ(tap_.has_heard(digest(Hash::sha256, as_bytes("what an agent signs"))), !encrypt);
  }
}

TEST_F(TpmBusTest, AnswersThatWereChangedAreFoundOut) {
  // One bit of a signature, or of the new key's public half.
  const auto spoil = [](Bytes& answer) {
    if (answer.size() > 100) answer[60] ^= 1;
  };
  const ScopeOwner owner{"task", "0123456789abcdef", BootClock::time_point::max()};
  for (const Mode& mode : kModes) {
    SCOPED_TRACE(mode.name);
    for (const bool encrypt : {false, true}) {
      Device& device = open(mode, encrypt);
      const auto scope = device.open_scope(owner);
      const auto key = scope->generate(kP256);
      ASSERT_TRUE(signs(*key));
      tap_.change_answers(TPM2_CC_Sign, spoil);
      Bytes signature(64);
      const Bytes hashed(32, 1);
      const CK_RV rv = answer_of([&] { (void)key->sign({kEcdsaSha256, hashed}, signature); });
      tap_.change_answers(0, {});
      EXPECT_EQ(rv, encrypt ? CKR_DEVICE_REMOVED : CKR_OK) << "else nobody knows better";
      static_cast<void>(key->destroy());
      if (encrypt) {
        static_cast<void>(device.retry_pending());
        EXPECT_TRUE(signs(*scope->generate(kP256))) << "another connection, other sessions";
        tap_.change_answers(TPM2_CC_CreateLoaded, spoil);
        EXPECT_EQ(answer_of([&] { (void)scope->generate(kP256); }), CKR_DEVICE_REMOVED);
        tap_.change_answers(0, {});
        EXPECT_TRUE(signs(*scope->generate(kP256)));
      }
    }
  }
}

/// How often bytes are in the private writable memory of this process. They are given with all bits
/// turned, and memory is looked at through a window that is shared: looking leaves no copies.
std::size_t count_in_memory(ByteView turned) {
  static constexpr std::size_t kWindow = std::size_t{1} << 20;
  static constexpr std::size_t kLargest = std::size_t{1} << 32;  // beyond: a sanitizer's own
  void* const shared =
      mmap(nullptr, kWindow, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw std::runtime_error("mmap");
  const ByteSpan window(static_cast<std::uint8_t*>(shared), kWindow);
  const Descriptor memory(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char rights[5] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) != 3 ||
        std::string_view(rights) != "rw-p" || end - begin > kLargest) {
      continue;
    }
    while (end - begin >= turned.size()) {
      const ssize_t got = pread(memory.number(), window.data(), std::min(kWindow, end - begin),
                                static_cast<off_t>(begin));
      if (got < static_cast<ssize_t>(turned.size())) break;
      const auto stop = window.begin() + got;
      for (auto at = window.begin(); at != stop; ++at) {
        at = std::search(
            at, stop, turned.begin(), turned.end(),
            [](std::uint8_t a, std::uint8_t b) { return a == static_cast<std::uint8_t>(~b); });
        if (at == stop) break;
        ++count;
      }
      // The next window begins where one that begins in this one would not have ended.
      begin += static_cast<std::uintptr_t>(got) - (turned.size() - 1);
    }
  }
  munmap(shared, kWindow);
  return count;
}

TEST_F(TpmBusTest, ACommandThatFailedLeavesNoAuthorisationValueInMemory) {
  tpm::Tpm tpm({swtpm_.tcti(), seconds(10)});
  const auto parent = tpm.create_primary(TPM2_RH_NULL, tpm::parent_template());
  const auto key =
      tpm.create_loaded(parent.handle, {}, tpm::session_key_template(kP256, {}), {}, nullptr);
  Bytes turned(32);
  fill_random(turned, "a wrong value");
  {
    SecretBuffer secret(32);
    std::ranges::transform(turned, secret.span().begin(),
                           [](std::uint8_t byte) { return static_cast<std::uint8_t>(~byte); });
    EXPECT_EQ(count_in_memory(turned), 1U) << "what is there is found";
    TPMT_SIG_SCHEME scheme{};
    scheme.scheme = TPM2_ALG_ECDSA;
    scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
    EXPECT_EQ(answer_of([&] {
                (void)tpm.sign(key.handle, {TPM2_RH_PW, secret.view()}, Bytes(32, 1), scheme);
              }),
              CKR_DEVICE_ERROR);
  }
  EXPECT_EQ(count_in_memory(turned), 0U);
  tpm.flush_context(key.handle);
  tpm.flush_context(parent.handle);
}

TEST(ClockWatch, TellsATpmThatRunsSlow) {
  const auto look = [](tpm::ClockWatch& watch, std::uint64_t ms, std::uint32_t restarts,
                       milliseconds machine) {
    TPMS_TIME_INFO time{};
    time.time = ms;
    time.clockInfo.restartCount = restarts;
    return watch.look(time, BootClock::time_point(seconds(1'000) + machine));
  };
  tpm::ClockWatch watch;
  EXPECT_EQ(look(watch, 5'000, 0, seconds(0)), std::nullopt) << "the first";
  EXPECT_EQ(look(watch, 15'000, 0, seconds(10)), std::nullopt) << "too early to tell";
  EXPECT_EQ(look(watch, 104'000, 0, seconds(100)), 1);
  EXPECT_EQ(look(watch, 88'300, 0, seconds(100)), 16);
  EXPECT_EQ(look(watch, 205'000, 0, seconds(100)), 0) << "fast is none of our business";
  EXPECT_EQ(look(watch, 1'000, 1, seconds(200)), std::nullopt) << "it was restarted";
  EXPECT_EQ(look(watch, 101'000, 1, seconds(300)), 0);
}

}  // namespace
}  // namespace mayfly::test
