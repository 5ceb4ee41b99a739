// Several clients of one task, each a libmayfly.so that meets it through the task's own door.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <sys/wait.h>
#include <thread>

#include "conformance/device_behind.h"
#include "conformance/fixture.h"
#include "conformance/process.h"
#include "credential/attestation/evidence.h"
#include "credential/attestation/verify.h"

// LeakSanitizer can't search a process that has unloaded copies of a library with thread-local
// data: its own tracer dies of it.
extern "C" __attribute__((visibility("default"))) int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() { return 1; }

namespace mayfly::test {
namespace {

class DoorTest : public ConformanceTest {
 protected:
  void SetUp() override {
    setenv("MAYFLY_TEST_DOOR", "door", 1);
    ConformanceTest::SetUp();
    const auto copy = folder_.path() / "libmayfly-other.so";
    std::filesystem::copy_file(ModuleProvider::module_path(), copy);
    other_.emplace(folder_.path() / "client.toml", copy);
    text_ = provider_->reserved(kTask, "");
    InitializeArgs args;
    args.reserved = text_.data();
    ASSERT_RV(CKR_OK, other_->functions().C_Initialize(&args));
  }
  void TearDown() override {
    static_cast<void>(other_->functions().C_Finalize(nullptr));
    ConformanceTest::TearDown();
  }

  /// What `act` does is done by the other client, in its own slot.
  template <typename Act>
  auto as_other(Act act) {
    const Swap swap(*this);
    return act();
  }

  [[nodiscard]] MAYFLY_TASK_INFO info() {
    MAYFLY_TASK_INFO told{};
    EXPECT_RV(CKR_OK, vendor_->MAYFLY_TaskInfo(slot_, &told));
    return told;
  }

  std::optional<ModuleProvider> other_;
  std::string text_;

 private:
  class Swap {
   public:
    explicit Swap(DoorTest& test) : test_(test), p11_(test.p11_), slot_(test.slot_) {
      test.p11_ = &test.other_->functions();
      test.slot_ = test.only_slot();
    }
    ~Swap() {
      test_.p11_ = p11_;
      test_.slot_ = slot_;
    }

   private:
    DoorTest& test_;
    const CK_FUNCTION_LIST_3_0* p11_;
    CK_SLOT_ID slot_;
  };
};

TEST_F(DoorTest, TokenObjectsOfOneClientAreTheOthersToo) {
  const CK_SESSION_HANDLE session = open_session();
  for (const KeyKind* kind : quick_kinds()) {
    SCOPED_TRACE(kind->name);
    const KeyPair pair =
        generate(session, *kind, {{CKA_TOKEN, true}}, {{CKA_TOKEN, true}, {CKA_LABEL, "old"}});
    as_other([&] {
      const CK_SESSION_HANDLE theirs = open_session();
      const auto found = find(theirs, {{CKA_CLASS, CKO_PRIVATE_KEY}});
      ASSERT_EQ(found.size(), 1U);
      EXPECT_RV(CKR_OK, sign_answer(theirs, found.front(), *kind));
    });
    EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, pair.private_key));
    EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, pair.public_key));
    EXPECT_EQ(info().keys, 0U);
  }
}

TEST_F(DoorTest, GivesEvidenceWhereTheDeviceDoes) {
  const CK_SESSION_HANDLE session = open_session();
  const Bytes nonce(16, 0x5a);
  for (const bool on_token : {false, true}) {
    const KeyPair pair = generate(session, kP256, {}, {{CKA_TOKEN, on_token}});
    Bytes room(MAYFLY_EVIDENCE_MAX);
    CK_ULONG size = 0;
    const auto ask = [&](CK_ULONG key, std::uint8_t* buffer) {
      return vendor_->MAYFLY_Attest(slot_, key, nonce.data(), nonce.size(), buffer, &size);
    };
    if (!device_behind().attests()) {
      EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED, ask(pair.private_key, nullptr));
      continue;
    }
    ASSERT_RV(CKR_OK, ask(pair.private_key, nullptr));
    EXPECT_EQ(size, MAYFLY_EVIDENCE_MAX);
    size -= 1;
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, ask(pair.private_key, room.data()));
    EXPECT_EQ(size, MAYFLY_EVIDENCE_MAX);
    EXPECT_EQ(room, Bytes(room.size())) << "nothing was written";
    ASSERT_RV(CKR_OK, ask(pair.private_key, room.data()));
    const auto evidence = attestation::evidence_from_json(as_text(ByteView(room).first(size)));
    attestation::Expectations expected;
    expected.nonce = nonce;
    expected.received_unix_s = static_cast<std::uint64_t>(std::time(nullptr));
    expected.task_id = kTask;
    attestation::Trust trust;
    trust.enrolled_public = evidence.attestation_key_public;
    const auto verified = attestation::verify(evidence, expected, trust);
    EXPECT_EQ(verified.serial, std::string(info().serial));
    EXPECT_EQ(encode_ec_point(verified.key.point()), get(session, pair.public_key, CKA_EC_POINT));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, ask(pair.public_key, room.data()));
    EXPECT_RV(CKR_OK, p11_->C_DestroyObject(session, pair.private_key));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, ask(pair.private_key, room.data()));
  }
}

TEST_F(DoorTest, WhatOneClientChangesOrDestroysIsSoForTheOther) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256, {}, {{CKA_TOKEN, true}});
  as_other([&] {
    const CK_SESSION_HANDLE theirs = open_session();
    const auto found = find(theirs, {{CKA_CLASS, CKO_PRIVATE_KEY}});
    ASSERT_EQ(found.size(), 1U);
    Template name{{CKA_LABEL, "new"}};
    EXPECT_RV(CKR_OK, p11_->C_SetAttributeValue(theirs, found.front(), name.data(), name.size()));
  });
  EXPECT_EQ(get(session, pair.private_key, CKA_LABEL), (Bytes{'n', 'e', 'w'}));
  EXPECT_EQ(find(session, {{CKA_LABEL, "new"}}), std::vector{pair.private_key});

  CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
  ASSERT_RV(CKR_OK, p11_->C_SignInit(session, &mechanism, pair.private_key));
  as_other([&] {
    const CK_SESSION_HANDLE theirs = open_session();
    const auto found = find(theirs, {{CKA_CLASS, CKO_PRIVATE_KEY}});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_RV(CKR_OK, p11_->C_DestroyObject(theirs, found.front()));
  });
  Bytes data(4);
  Bytes signature(64);
  CK_ULONG size = signature.size();
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11_->C_Sign(session, data.data(), data.size(), signature.data(), &size));
  EXPECT_EQ(signature, Bytes(64));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(session, pair.private_key, kP256));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, get_answer(session, pair.private_key, CKA_LABEL));
}

TEST_F(DoorTest, SessionObjectsAreTheClientsOwnAndDieWithIt) {
  as_other([&] { generate(open_session(), kP256); });
  EXPECT_EQ(find(open_session(), {{CKA_CLASS, CKO_PRIVATE_KEY}}).size(), 0U);
  EXPECT_EQ(info().keys, 1U);
  EXPECT_RV(CKR_OK, other_->functions().C_Finalize(nullptr));
  EXPECT_EQ(info().keys, 0U);
}

TEST_F(DoorTest, AClientThatIsKilledTakesItsSessionKeysWithIt) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    InitializeArgs args;
    args.reserved = text_.data();
    bool good = p11_->C_Initialize(&args) == CKR_OK;
    slot_ = only_slot();
    const CK_SESSION_HANDLE session = open_session();
    good = good && generate(session, kP256).private_key != 0;
    good = good && generate(session, kP256, {}, {{CKA_TOKEN, true}}).private_key != 0;
    good = good && write(ready[1], "x", 1) == 1;
    if (!good) _exit(1);
    while (true) pause();
  }
  char byte = 0;
  close(ready[1]);
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  EXPECT_EQ(info().keys, 2U);
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  while (info().keys != 1) usleep(1000);
  EXPECT_EQ(find(open_session(), {{CKA_CLASS, CKO_PRIVATE_KEY}}).size(), 1U);
}

// libp11 goes on with its parent's slot; no session and no object of the parent's is the child's.
TEST_F(DoorTest, AForkedChildThatStartsAfreshFindsTheTaskInTheSameSlot) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256, {}, {{CKA_TOKEN, true}});
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    InitializeArgs args;
    args.reserved = text_.data();
    bool good = p11_->C_Initialize(&args) == CKR_OK;
    good = good && only_slot() == slot_;
    CK_SESSION_HANDLE own = 0;
    good = good && p11_->C_OpenSession(slot_, CKF_SERIAL_SESSION, nullptr, nullptr, &own) == CKR_OK;
    const auto found = find(own, {{CKA_CLASS, CKO_PRIVATE_KEY}});
    good = good && found.size() == 1 && found.front() != pair.private_key && own != session;
    good = good && sign_answer(own, found.front(), kP256) == CKR_OK;
    good = good && sign_answer(own, pair.private_key, kP256) == CKR_KEY_HANDLE_INVALID;
    good = good && sign_answer(session, found.front(), kP256) == CKR_SESSION_HANDLE_INVALID;
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
}

TEST_F(DoorTest, StartsAThousandTimes) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256, {}, {{CKA_TOKEN, true}});
  const std::size_t before = open_descriptors();
  InitializeArgs args;
  args.reserved = text_.data();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_RV(CKR_OK, other_->functions().C_Finalize(nullptr));
    ASSERT_RV(CKR_OK, other_->functions().C_Initialize(&args));
    if (i % 100 != 0) continue;
    as_other([&] {
      const CK_SESSION_HANDLE theirs = open_session();
      for (const CK_OBJECT_HANDLE key : find(theirs, {{CKA_CLASS, CKO_PRIVATE_KEY}})) {
        EXPECT_RV(CKR_OK, sign_answer(theirs, key, kP256));
      }
    });
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
}

TEST_F(DoorTest, SignsALongMessageAsAWhole) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kEd25519);
  Bytes data(3 << 20, 0xab);
  Bytes signature;
  ASSERT_RV(CKR_OK, sign(session, pair.private_key, CKM_EDDSA, data, signature));
  CK_MECHANISM mechanism{CKM_EDDSA, nullptr, 0};
  ASSERT_RV(CKR_OK, p11_->C_VerifyInit(session, &mechanism, pair.public_key));
  EXPECT_RV(CKR_OK,
            p11_->C_Verify(session, data.data(), data.size(), signature.data(), signature.size()));
}

TEST_F(DoorTest, TheEndOfTheTaskIsTold) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256);
  CK_SLOT_ID event = 0;
  EXPECT_RV(CKR_NO_EVENT, p11_->C_WaitForSlotEvent(CKF_DONT_BLOCK, &event, nullptr));
  CK_SLOT_ID waited = 0;
  std::thread waiting(
      [&] { EXPECT_RV(CKR_OK, other_->functions().C_WaitForSlotEvent(0, &waited, nullptr)); });
  EXPECT_RV(CKR_OK, end_task());
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, sign_answer(session, pair.private_key, kP256));
  EXPECT_RV(CKR_OK, p11_->C_WaitForSlotEvent(CKF_DONT_BLOCK, &event, nullptr));
  EXPECT_EQ(event, slot_);
  EXPECT_RV(CKR_NO_EVENT, p11_->C_WaitForSlotEvent(CKF_DONT_BLOCK, &event, nullptr));
  CK_TOKEN_INFO token;
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11_->C_GetTokenInfo(slot_, &token));
  CK_SESSION_HANDLE late = 0;
  EXPECT_RV(CKR_TOKEN_NOT_PRESENT,
            p11_->C_OpenSession(slot_, CKF_SERIAL_SESSION, nullptr, nullptr, &late));
  EXPECT_EQ(slots().size(), 0U);
  waiting.join();
  EXPECT_NE(waited, 0U);
}

TEST_F(DoorTest, TellsOfTheTaskAndLeavesItToTheBroker) {
  CK_TOKEN_INFO token;
  ASSERT_RV(CKR_OK, p11_->C_GetTokenInfo(slot_, &token));
  const MAYFLY_TASK_INFO told = info();
  EXPECT_EQ(std::string(told.serial),
            std::string(reinterpret_cast<const char*>(token.serialNumber), 16));
  EXPECT_EQ(std::string(told.task_id), kTask);
  EXPECT_EQ(told.state, MAYFLY_TASK_OPEN);
  EXPECT_GT(told.seconds_left, 0U);
  const MAYFLY_TASK_REQUEST request{"another", 0, nullptr, nullptr, nullptr};
  CK_SLOT_ID slot = 0;
  EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED, vendor_->MAYFLY_OpenTask(&request, &slot));
  EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED, vendor_->MAYFLY_CloseTask(slot_));
  EXPECT_RV(CKR_SLOT_ID_INVALID, vendor_->MAYFLY_CloseTask(slot_ + 1'000'000));
  EXPECT_EQ(slots().size(), 1U);
}

}  // namespace
}  // namespace mayfly::test
