// Clients that attack the worker of their task: it stays up, others of the task go on signing,
// other tasks notice nothing, and nothing is left of the attack when the attacker has gone.
#include <array>
#include <dirent.h>
#include <fcntl.h>
#include <list>
#include <memory>
#include <random>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/broker/attacked_run.h"
#include "support/send_descriptors.h"

namespace mayfly::test {
namespace {

using broker::RpcReader;
using broker::RpcWriter;
using testing::AllOf;
using testing::Ge;
using testing::Le;
using Number = RpcCallNumber;

using RunAttack = AttackedRun;

/// A template of one attribute array within the other, so deep.
void write_nested(RpcWriter& writer, int depth) {
  writer.u32(1);
  for (int i = 0; i < depth; ++i) {
    writer.u32(CKA_WRAP_TEMPLATE);
    writer.byte(1);
    writer.u32(sizeof(CK_ATTRIBUTE));
    writer.u32(1);
  }
  writer.u32(CKA_CLASS);
  writer.byte(1);
  writer.u32(sizeof(CK_ULONG));
  writer.ulong(CKO_PRIVATE_KEY);
}

TEST_F(RunAttack, RandomBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < rounds() * 5; ++round) {
    HostileClient attacker = connect();
    if (round % 2 == 0) attacker.greet();
    Bytes bytes(1 + random() % 4096);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    attacker.send(bytes);
  }
}

TEST_F(RunAttack, MessagesWithWrongBytes) {
  std::mt19937 random(2);
  HostileClient attacker = connect();
  CK_SESSION_HANDLE session = attacker.open_session();
  for (int round = 0; round < rounds() * 20; ++round) {
    Bytes message = HostileClient::message(
        round % 2 == 0 ? Number::generate_key_pair : Number::find_objects_init,
        round % 2 == 0 ? "uMaAaA" : "uaA", [&](RpcWriter& writer) {
          writer.ulong(session);
          if (round % 2 == 0) {
            writer.u32(CKM_RSA_PKCS_PSS);
            for (const CK_ULONG number : {CKM_SHA256, CKG_MGF1_SHA256, 32UL}) writer.ulong(number);
            writer.u32(0);
          }
          writer.u32(2);
          writer.u32(CKA_ALLOWED_MECHANISMS);
          writer.byte(1);
          writer.u32(8);
          writer.u32(1);
          writer.ulong(CKM_ECDSA);
          writer.u32(CKA_LABEL);
          writer.byte(1);
          writer.u32(4);
          writer.string(as_bytes("name"));
        });
    // Not the header: a longer message would wait for its end.
    const std::size_t changes = 1 + random() % 3;
    for (std::size_t i = 0; i < changes; ++i) {
      message[12 + random() % (message.size() - 12)] = static_cast<std::uint8_t>(random());
    }
    if (attacker.send(message) && attacker.receive()) continue;
    attacker = connect();
    session = attacker.open_session();
  }
}

TEST_F(RunAttack, HugeLengthsAreRefusedWithoutMemoryForThem) {
  const std::size_t space = status_of(worker_, "VmPeak");
  for (const auto& [options, size] : {std::pair{0U, 0xffffffffU},
                                      {0xffffffffU, 0xffffffffU},
                                      {0xffffffffU, 0U},
                                      {0U, 1024U * 1024U + 1U}}) {
    HostileClient attacker = connect();
    attacker.greet();
    Bytes header;
    RpcWriter writer(header);
    for (const std::uint32_t number : {1U, options, size}) writer.u32(number);
    EXPECT_TRUE(attacker.send(header));
    EXPECT_TRUE(attacker.is_hung_up());
  }
  EXPECT_TRUE(is_logged("a message of 4294967295 bytes was announced; at most 1048576 are taken"));
  // A thread of its own takes its stack and a heap; 4 GiB it would be.
  EXPECT_LE(status_of(worker_, "VmPeak"), space + 1024 * 1024);
}

TEST_F(RunAttack, AMessageThatIsAnnouncedTakesMemoryOnlyAsItComes) {
  const std::size_t before = status_of(worker_, "VmRSS");
  std::list<HostileClient> attackers;
  for (int i = 0; i < kConnections - kAlwaysThere - 2; ++i) {
    HostileClient& attacker = attackers.emplace_back(socket_);
    attacker.greet();
    Bytes header;
    RpcWriter writer(header);
    for (const std::uint32_t number : {1U, 0U, 1024U * 1024U}) writer.u32(number);
    writer.u32(1);
    EXPECT_TRUE(attacker.send(header));
  }
  expect_others_sign();
  EXPECT_LE(status_of(worker_, "VmRSS"), before + kForConnections);
}

TEST_F(RunAttack, AttributeArraysWithinOneAnother) {
  HostileClient attacker = connect();
  const CK_SESSION_HANDLE session = attacker.open_session();
  for (const int depth : {1, 10, 1'000, 60'000}) {
    const auto refused = [&](Number call, const std::string& pieces, int handles) {
      const auto answer = attacker.call(call, pieces, [&](RpcWriter& writer) {
        writer.ulong(session);
        for (int i = 0; i < handles; ++i) writer.ulong(1);
        if (call == Number::generate_key_pair) {
          writer.u32(CKM_EC_KEY_PAIR_GEN);
          writer.u32(0xffffffff);
          writer.u32(0);
        }
        write_nested(writer, depth);
      });
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->rv, CKR_ATTRIBUTE_TYPE_INVALID);
    };
    refused(Number::create_object, "uaA", 0);
    refused(Number::copy_object, "uuaA", 1);
    refused(Number::set_attribute_value, "uuaA", 1);
    refused(Number::find_objects_init, "uaA", 0);
    refused(Number::generate_key_pair, "uMaAaA", 0);
  }
  EXPECT_TRUE(is_logged("C_CreateObject: template: "));
}

TEST_F(RunAttack, AbsurdCounts) {
  HostileClient attacker = connect();
  const CK_SESSION_HANDLE session = attacker.open_session();
  for (const std::uint32_t count : {1025U, 0x10000000U, 0xfffffffeU, 0xffffffffU}) {
    const auto with_count = [&](RpcWriter& writer) {
      writer.ulong(session);
      writer.u32(count);
    };
    const auto random = attacker.call(Number::generate_random, "ufy", with_count);
    ASSERT_TRUE(random);
    EXPECT_EQ(random->rv, count == 1025 ? CKR_OK : CKR_ARGUMENTS_BAD);
    const auto created = attacker.call(Number::create_object, "uaA", with_count);
    ASSERT_TRUE(created);
    EXPECT_EQ(created->rv, CKR_ARGUMENTS_BAD);
    const auto asked = attacker.call(Number::get_attribute_value, "uufA", [&](RpcWriter& writer) {
      writer.ulong(session);
      with_count(writer);
    });
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->rv, CKR_ARGUMENTS_BAD);
    // As much room as a client likes is no fault: it is filled with what there is.
    const auto begun = attacker.call(Number::find_objects_init, "uaA", [&](RpcWriter& writer) {
      writer.ulong(session);
      writer.u32(0);
    });
    ASSERT_TRUE(begun);
    const auto found = attacker.call(Number::find_objects, "ufu", with_count);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->rv, CKR_OPERATION_ACTIVE == begun->rv ? found->rv : CKR_OK);
  }
  // Room for many values of the greatest size.
  const auto asked = attacker.call(Number::get_attribute_value, "uufA", [&](RpcWriter& writer) {
    writer.ulong(session);
    writer.ulong(1);
    writer.u32(1024);
    for (int i = 0; i < 1024; ++i) {
      writer.u32(CKA_VALUE);
      writer.u32(0xffffffff);
    }
  });
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->rv, CKR_ARGUMENTS_BAD);
  // Mechanisms in an array that says it has 4 billion of them, whose end is not there.
  const auto array = attacker.call(Number::create_object, "uaA", [&](RpcWriter& writer) {
    writer.ulong(session);
    writer.u32(1);
    writer.u32(CKA_ALLOWED_MECHANISMS);
    writer.byte(1);
    writer.u32(8);
    writer.u32(0xffffffff);
  });
  ASSERT_TRUE(array);
  EXPECT_EQ(array->rv, CKR_DEVICE_ERROR);
}

TEST_F(RunAttack, ArgumentsThatCantBeReadDontEndTheConnection) {
  HostileClient attacker = connect();
  const CK_SESSION_HANDLE session = attacker.open_session();
  attacker.generate();
  const auto refused = [&](Number call, const std::string& pieces, CK_RV rv,
                           const HostileClient::Fill& fill) {
    const auto answer = attacker.call(call, pieces, fill);
    ASSERT_TRUE(answer) << pieces;
    EXPECT_EQ(answer->rv, rv) << pieces;
    EXPECT_TRUE(attacker.sign()) << "the connection goes on";
  };
  refused(Number::open_session, "uu", CKR_DEVICE_ERROR, [](RpcWriter& writer) { writer.byte(1); });
  refused(Number::find_objects_init, "uaA", CKR_DEVICE_ERROR, [&](RpcWriter& writer) {
    writer.ulong(session);
    writer.u32(0);
    writer.byte(0);
  });
  // CKM_EDDSA with a CK_EDDSA_PARAMS, and with another structure that is spelt out.
  refused(Number::sign_init, "uMu", CKR_MECHANISM_PARAM_INVALID, [&](RpcWriter& writer) {
    writer.ulong(session);
    writer.u32(0x1057);
    writer.byte(1);
    writer.string(as_bytes("context"));
    writer.ulong(1);
  });
  refused(Number::sign_init, "uMu", CKR_MECHANISM_PARAM_INVALID, [&](RpcWriter& writer) {
    writer.ulong(session);
    writer.u32(0x1057);
    writer.ulong(0);
    writer.string(as_bytes("context"));
    writer.ulong(1);
  });
  // A call with other pieces than its own is none, and neither is one of an unknown number.
  for (const Number call : {Number::finalize, static_cast<Number>(0), static_cast<Number>(1000)}) {
    HostileClient other = connect();
    other.greet();
    EXPECT_FALSE(other.call(call, "u", [](RpcWriter& writer) { writer.ulong(0); }));
  }
}

TEST_F(RunAttack, AttributesOfNewerClientsAreReadAsTheyWriteThem) {
  HostileClient client = connect();
  const CK_SESSION_HANDLE session = client.open_session();
  const auto answer = client.call(Number::find_objects_init, "uaA", [&](RpcWriter& writer) {
    writer.ulong(session);
    writer.u32(3);
    for (const std::uint32_t type : {0x633U, 0x634U}) {  // CKA_ENCAPSULATE, CKA_DECAPSULATE
      writer.u32(type);
      writer.byte(1);
      writer.u32(1);
      writer.byte(0);
    }
    writer.u32(0x61d);  // CKA_PARAMETER_SET
    writer.byte(1);
    writer.u32(sizeof(CK_ULONG));
    writer.ulong(1);
  });
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->rv, CKR_DEVICE_ERROR);
}

TEST_F(RunAttack, AllCallsOutOfOrder) {
  // The pieces of each call, from C_Initialize to C_WaitForSlotEvent.
  static const std::array<std::string, 65> kPieces = {
      "ayyay",   "",      "",      "yfu",   "u",     "u",     "ufu",   "uu",    "uayz",   "uu",
      "u",       "u",     "u",     "uay",   "uayay", "ufy",   "uayuu", "uuay",  "u",      "uaA",
      "uuaA",    "uu",    "uu",    "uufA",  "uuaA",  "uaA",   "ufu",   "u",     "uMu",    "uayfy",
      "uayfy",   "ufy",   "uMu",   "uayfy", "uayfy", "ufy",   "uM",    "uayfy", "uay",    "uu",
      "ufy",     "uMu",   "uayfy", "uay",   "ufy",   "uMu",   "uayfy", "uMu",   "uayay",  "uay",
      "uay",     "uMu",   "uayfy", "uayfy", "uayfy", "uayfy", "uayfy", "uMaA",  "uMaAaA", "uMuufy",
      "uMuayaA", "uMuaA", "uay",   "ufy",   "u"};
  for (const bool initialized : {false, true}) {
    for (std::uint32_t number = 0; number < 80; ++number) {
      for (const std::size_t size : {0U, 4U, 8U, 12U, 13U, 17U, 20U, 24U, 28U, 40U}) {
        HostileClient attacker = connect();
        if (initialized) {
          attacker.open_session();
        } else {
          attacker.greet();
        }
        const std::string pieces =
            number >= 1 && number <= kPieces.size() ? kPieces[number - 1] : "u";
        const auto answer =
            attacker.call(static_cast<Number>(number), pieces, [&](RpcWriter& writer) {
              for (std::size_t i = 0; i < size; ++i) writer.byte(0);
            });
        if (answer && !initialized) {
          EXPECT_NE(answer->rv, CKR_OK) << "call " << number;
        }
      }
    }
  }
}

TEST_F(RunAttack, PointersInParametersAreNeverFollowed) {
  HostileClient attacker = connect();
  const CK_SESSION_HANDLE session = attacker.open_session();
  // CKM_ECDH1_DERIVE, CKM_RSA_PKCS_OAEP, CKM_EDDSA, CKM_ECDSA, CKM_AES_GCM with "structures".
  for (const std::uint32_t mechanism : {0x1050U, 0x9U, 0x1057U, 0x1041U, 0x1087U}) {
    for (const std::size_t size : {1U, 24U, 32U, 40U, 48U}) {
      const auto answer = attacker.call(Number::sign_init, "uMu", [&](RpcWriter& writer) {
        writer.ulong(session);
        writer.u32(mechanism);
        writer.string(Bytes(size, 0x41));
        writer.ulong(1);
      });
      ASSERT_TRUE(answer);
      EXPECT_THAT(answer->rv, testing::AnyOf(CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID));
    }
  }
}

TEST_F(RunAttack, ThousandsOfConnectionsOneAfterTheOther) {
  for (int i = 0; i < rounds() * 50; ++i) {
    HostileClient attacker = connect();
    ASSERT_TRUE(attacker.connected());
    if (i % 50 == 0) {
      attacker.open_session();
    } else if (i % 3 == 0) {
      attacker.greet();
    }
  }
}

TEST_F(RunAttack, MoreConnectionsAtOnceThanTheLimit) {
  std::list<HostileClient> attackers;
  int refused = 0;
  for (int i = 0; i < kConnections; ++i) {
    HostileClient& attacker = attackers.emplace_back(socket_);
    try {
      attacker.open_session();
    } catch (const std::runtime_error&) {
      ++refused;
    }
  }
  // The bystanders and the client that signs have theirs.
  EXPECT_EQ(refused, kAlwaysThere);
  for (int i = 0; i < 300; ++i) {
    EXPECT_THROW(connect().open_session(), std::runtime_error);
  }
  EXPECT_TRUE(is_logged("32 are open; see limits.connections"));
  expect_others_sign();
  attackers.clear();
  EXPECT_TRUE(eventually([&] {
    try {
      connect().open_session();
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }));
}

TEST_F(RunAttack, ClientsThatStopInTheMiddle) {
  std::list<HostileClient> attackers;
  for (const std::size_t size : {1U, 4U, 11U, 12U, 13U, 20U}) {
    HostileClient& attacker = attackers.emplace_back(socket_);
    attacker.greet();
    const Bytes message = HostileClient::message(Number::finalize, "", [](RpcWriter&) {});
    ASSERT_LE(size, message.size());
    EXPECT_TRUE(attacker.send(ByteView(message).first(std::min(size, message.size() - 1))));
  }
  expect_others_sign();
}

TEST_F(RunAttack, AClientThatNeverReads) {
  std::list<HostileClient> attackers;
  for (int i = 0; i < 8; ++i) {
    HostileClient& attacker = attackers.emplace_back(socket_);
    const CK_SESSION_HANDLE session = attacker.open_session();
    const Bytes message =
        HostileClient::message(Number::generate_random, "ufy", [&](RpcWriter& writer) {
          writer.ulong(session);
          writer.u32(64 * 1024);
        });
    // Until the worker's thread is stuck in sending, and does not read any more.
    EXPECT_TRUE(eventually([&] {
      std::size_t sent = 0;
      while (attacker.send_what_fits(message) == message.size()) ++sent;
      return sent == 0;
    }));
  }
  expect_others_sign();
}

TEST_F(RunAttack, FloodsOfRefusedCallsDontFillTheLog) {
  HostileClient attacker = connect();
  const CK_SESSION_HANDLE session = attacker.open_session();
  const int calls = rounds() * 500;
  Bytes batch;
  static constexpr int kBatch = 50;
  const Bytes one = HostileClient::message(Number::sign, "uayfy", [&](RpcWriter& writer) {
    writer.ulong(session);
    writer.byte(1);
    writer.string(std::array<std::uint8_t, 32>{});
    writer.u32(64);
  });
  for (int i = 0; i < kBatch; ++i) batch.insert(batch.end(), one.begin(), one.end());
  for (int done = 0; done < calls; done += kBatch) {
    ASSERT_TRUE(attacker.send(batch));
    for (int i = 0; i < kBatch; ++i) {
      const auto answer = attacker.receive();
      ASSERT_TRUE(answer);
      ASSERT_EQ(answer->rv, CKR_OPERATION_NOT_INITIALIZED);
    }
  }
  // The next line says what is not there. (A line a second is written.)
  EXPECT_TRUE(eventually([&] {
    attacker.send(one);
    static_cast<void>(attacker.receive());
    return home_.log().find("lines like this were left out") != std::string::npos;
  }));
}

TEST_F(RunAttack, FloodsOfSessionsAndSearches) {
  HostileClient attacker = connect();
  const CK_SESSION_HANDLE session = attacker.open_session();
  std::size_t opened = 1;
  for (int i = 0; i < rounds() * 10; ++i) {
    const auto answer = attacker.call(Number::open_session, "uu", [&](RpcWriter& writer) {
      writer.ulong(attacker.slot());
      writer.ulong(CKF_SERIAL_SESSION);
    });
    ASSERT_TRUE(answer);
    if (answer->rv == CKR_OK) ++opened;
    const auto search = attacker.call(Number::find_objects_init, "uaA", [&](RpcWriter& writer) {
      writer.ulong(session);
      writer.u32(0);
    });
    ASSERT_TRUE(search);
    EXPECT_EQ(search->rv, i == 0 ? CKR_OK : CKR_OPERATION_ACTIVE);
    const auto again = attacker.call(Number::initialize, "ayyay", [](RpcWriter& writer) {
      writer.byte(1);
      writer.string(as_bytes("PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1"));
      writer.byte(1);
      writer.byte(1);
      writer.string(as_bytes("task=other"));
    });
    ASSERT_TRUE(again);
    EXPECT_EQ(again->rv, CKR_CRYPTOKI_ALREADY_INITIALIZED);
  }
  EXPECT_EQ(opened, static_cast<std::size_t>(kSessions));
}

void write_bytes(RpcWriter& writer, CK_ATTRIBUTE_TYPE type, const std::string& value) {
  writer.u32(static_cast<std::uint32_t>(type));
  writer.byte(1);
  writer.u32(static_cast<std::uint32_t>(value.size()));
  writer.string(as_bytes(value));
}

void write_number(RpcWriter& writer, CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  writer.u32(static_cast<std::uint32_t>(type));
  writer.byte(1);
  writer.u32(sizeof value);
  writer.ulong(value);
}

/// Makes a certificate with a label.
std::optional<RpcAnswer> create(HostileClient& client, CK_SESSION_HANDLE session,
                                const std::string& label) {
  return client.call(Number::create_object, "uaA", [&](RpcWriter& writer) {
    writer.ulong(session);
    writer.u32(5);
    write_number(writer, CKA_CLASS, CKO_CERTIFICATE);
    write_number(writer, CKA_CERTIFICATE_TYPE, CKC_X_509);
    write_bytes(writer, CKA_SUBJECT, "subject");
    write_bytes(writer, CKA_VALUE, "value");
    write_bytes(writer, CKA_LABEL, label);
  });
}

TEST_F(RunAttack, FloodsOfObjectsStopAtTheTasksQuota) {
  std::list<HostileClient> attackers;
  for (const std::size_t size : {64U * 1024U, 1U}) {
    std::size_t made = 0;
    for (int i = 0; i < 4; ++i) {  // more connections get no more
      HostileClient& attacker = attackers.emplace_back(socket_);
      const CK_SESSION_HANDLE session = attacker.open_session();
      std::optional<RpcAnswer> answer;
      while ((answer = create(attacker, session, std::string(size, 'x'))) && answer->rv == CKR_OK) {
        ++made;
      }
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->rv, CKR_DEVICE_MEMORY);
    }
    EXPECT_THAT(made, AllOf(Ge(10U), Le(size == 1 ? static_cast<unsigned>(kObjects) : 64U)));
    attackers.clear();
    // What they had is free again, as soon as the worker has noticed that they are gone.
    EXPECT_TRUE(is_calm());
  }
  EXPECT_TRUE(is_logged("see limits.objects"));
}

#ifndef MAYFLY_TEST_SANITIZED  // there, a process that gets no memory is ended
TEST_F(RunAttack, AtTheEndOfItsMemoryTheWorkerRefusesAndLivesOn) {
  rlimit limit{};
  ASSERT_EQ(prlimit(worker_, RLIMIT_DATA, nullptr, &limit), 0);
  const std::size_t data = status_of(worker_, "VmData") * 1024;
  // 512 MiB, and 8 MiB for the stack of each of the connections.
  EXPECT_THAT(limit.rlim_cur,
              AllOf(Ge(data + 400U * 1024U * 1024U), Le(data + 1024U * 1024U * 1024U)));

  std::list<HostileClient> attackers;
  for (int i = 0; i < 8; ++i) attackers.emplace_back(socket_).open_session();
  const std::size_t crowded = status_of(worker_, "VmData") * 1024;
  limit.rlim_cur = crowded + 1024U * 1024U;
  ASSERT_EQ(prlimit(worker_, RLIMIT_DATA, &limit, nullptr), 0);
  // Each asks for a message of 1 MiB to be kept, and gets it or not.
  bool refused = false;
  for (HostileClient& attacker : attackers) {
    Bytes message(1024 * 1024 + 12);
    message[9] = 0x10;  // its length
    if (!attacker.send(ByteView(message).first(message.size() - 1))) refused = true;
  }
  EXPECT_TRUE(refused || is_logged("a connection was ended by a fault"));
  expect_others_sign();
}
#endif

TEST_F(RunAttack, AnAttributeThatIsSetAgainAndAgainTakesNoMoreMemory) {
  HostileClient attacker = connect();
  const CK_SESSION_HANDLE session = attacker.open_session();
  const auto made = create(attacker, session, "label");
  ASSERT_TRUE(made);
  ASSERT_EQ(made->rv, CKR_OK);
  Bytes values = made->values;
  const CK_OBJECT_HANDLE object = RpcReader(values).ulong();
  for (int i = 0; i < rounds() * 20; ++i) {
    const auto set = attacker.call(Number::set_attribute_value, "uuaA", [&](RpcWriter& writer) {
      writer.ulong(session);
      writer.ulong(object);
      writer.u32(1);
      write_bytes(writer, CKA_LABEL, std::string(i % 2 == 0 ? 1 : 64 * 1024, 'x'));
    });
    ASSERT_TRUE(set);
    ASSERT_EQ(set->rv, CKR_OK);
  }
}

TEST_F(RunAttack, ClientsThatPassDescriptors) {
  HostileClient attacker = connect();
  attacker.open_session();
  const Bytes message = HostileClient::message(Number::get_slot_list, "yfu", [](RpcWriter& writer) {
    writer.byte(1);
    writer.u32(16);
  });
  static constexpr std::size_t kPassed = 100;
  std::array<int, kPassed> descriptors;
  descriptors.fill(attacker.socket());
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(send_descriptors(attacker.socket(), message, descriptors),
              static_cast<ssize_t>(message.size()));
    ASSERT_TRUE(attacker.receive());
    EXPECT_LE(descriptors_of(worker_), descriptors_ + 1);
  }
}

TEST_F(RunAttack, ClientsThatShutHalfOfTheSocket) {
  for (const int half : {SHUT_RD, SHUT_WR}) {
    HostileClient attacker = connect();
    const CK_SESSION_HANDLE session = attacker.open_session();
    attacker.generate();
    ASSERT_EQ(shutdown(attacker.socket(), half), 0);
    attacker.send(HostileClient::message(Number::generate_random, "ufy", [&](RpcWriter& writer) {
      writer.ulong(session);
      writer.u32(1024);
    }));
    // Its connection is over on the other side, though it holds its own.
    EXPECT_TRUE(is_calm());
  }
}

TEST_F(RunAttack, AClientThatIsKilledWhileItSigns) {
  for (int round = 0; round < rounds() / 4; ++round) {
    int ready[2];
    ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
    const pid_t attacker = fork();
    if (attacker == 0) {
      HostileClient hostile = connect();
      hostile.open_session();
      hostile.generate();
      while (hostile.sign()) {
        [[maybe_unused]] const ssize_t written = write(ready[1], "s", 1);
      }
      _exit(1);
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    kill(attacker, SIGKILL);
    waitpid(attacker, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
  }
  expect_others_sign();
}

}  // namespace
}  // namespace mayfly::test
