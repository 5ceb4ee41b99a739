// The life of tasks, as their ledgers tell it, over SoftHSM2.
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/process_identity.h"
#include "base/task_binding.h"
#include "integration/ledger/ledger_home.h"
#include "support/failure_of.h"

namespace mayfly::test {
namespace {

using ledger::Entry;
using ledger::Event;
using ledger::Verdict;
using ledger::Verification;

class Ledger : public testing::Test {
 protected:
  void open_library(const std::string& more = "") {
    library_ = std::make_unique<Library>(Config::load(home_.config(more)));
    application_ = std::make_unique<Application>(library_->tasks(), 100);
  }
  ~Ledger() override {
    application_.reset();
    if (library_ != nullptr) library_->close();
  }

  std::shared_ptr<Session> session_of(const std::shared_ptr<Task>& task) {
    return application_->session(application_->open_session(task->slot(), true));
  }

  Bytes sign(Session& session, const MechanismChoice& choice, ObjectHandle key,
             std::string_view data) {
    session.sign_init(choice, key);
    Bytes signature(session.signature_size());
    signature.resize(session.sign(as_bytes(data), signature));
    return signature;
  }

  [[nodiscard]] std::filesystem::path chain(const std::string& task) const {
    return home_.chains().at(task);
  }

  const LedgerHome home_;
  std::unique_ptr<Library> library_;
  std::unique_ptr<Application> application_;
};

std::vector<Event> events_of(const std::vector<Entry>& entries) {
  std::vector<Event> events;
  for (const Entry& entry : entries) events.push_back(entry.event);
  return events;
}

TEST_F(Ledger, TellsTheWholeLifeOfATask) {
  open_library();
  const auto task = library_->tasks().open({"invoices", {}});
  const auto session = session_of(task);
  session->login(as_bytes("anything"));
  const KeyPairHandles pair = session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
  const PublicKey key = session->object(pair.private_key)->session_key()->public_key();
  sign(*session, {CKM_ECDSA_SHA256, {}}, pair.private_key, "a message");
  sign(*session, {CKM_ECDSA_SHA384, {}}, pair.private_key, "a message");
  const std::string raw(32, 'd');
  sign(*session, {CKM_ECDSA, {}}, pair.private_key, raw);
  EXPECT_NE(answer_of([&] { sign(*session, {CKM_RSA_PKCS, {}}, pair.private_key, raw); }), CKR_OK);
  session->destroy_object(pair.private_key);
  task->end(TaskState::closed);

  const auto path = chain("invoices");
  const Verification found = verify_path(
      path, {.task_id = "invoices", .serial = task->serial(), .keys = {thumbprint(key)}});
  ASSERT_EQ(found.verdict, Verdict::sealed) << found.line << " " << found.problem;
  const std::vector<Entry> entries = entries_of(path);
  EXPECT_EQ(events_of(entries),
            (std::vector{Event::open, Event::login, Event::active, Event::generation,
                         Event::signature, Event::signature, Event::signature, Event::refusal,
                         Event::destruction, Event::end, Event::seal}));
  EXPECT_EQ(entries[0].data.at("owner"), ProcessIdentity::self().text());
  EXPECT_EQ(entries[0].data.at("deadline"), task->deadline_unix_s());
  EXPECT_EQ(entries[4].data.at("digest"), to_hex(digest(Hash::sha256, as_bytes("a message"))));
  EXPECT_EQ(entries[4].data.at("of"), "message");
  EXPECT_EQ(entries[5].data.at("digest"), to_hex(digest(Hash::sha384, as_bytes("a message"))));
  EXPECT_EQ(entries[6].data.at("digest"), to_hex(as_bytes(raw)));
  EXPECT_EQ(entries[6].data.at("of"), "input");
  EXPECT_EQ(entries[6].data.at("mechanism"), "CKM_ECDSA");
  EXPECT_EQ(entries[9].data.at("cause"), "closed");
  EXPECT_EQ(home_.token().count_objects(CKO_PRIVATE_KEY), 0U) << "the ledger's key is gone, too";
}

TEST_F(Ledger, IsVouchedForByKeysOfEachKind) {
  open_library();
  const auto task = library_->tasks().open({"kinds", {}});
  const auto session = session_of(task);
  ledger::Expectations expected;
  const auto make = [&](CK_MECHANISM_TYPE mechanism, const Attributes& wanted) {
    const auto pair = session->generate_key_pair(mechanism, wanted, {});
    const auto key = session->object(pair.private_key)->session_key();
    expected.keys.push_back(thumbprint(key->public_key()));
  };
  make(CKM_EC_KEY_PAIR_GEN, ec_template(256));
  make(CKM_EC_KEY_PAIR_GEN, ec_template(384));
  make(CKM_EC_KEY_PAIR_GEN, ec_template(521));
  make(CKM_EC_EDWARDS_KEY_PAIR_GEN, ec_template(255));
  make(CKM_RSA_PKCS_KEY_PAIR_GEN, rsa_template());
  task->end(TaskState::closed);
  const Verification found = verify_path(chain("kinds"), expected);
  EXPECT_EQ(found.verdict, Verdict::sealed) << found.line << " " << found.problem;
}

TEST_F(Ledger, TellsWhatWasSignedInEachWay) {
  open_library();
  const auto task = library_->tasks().open({"ways", {}});
  const auto session = session_of(task);
  const ObjectHandle ed =
      session->generate_key_pair(CKM_EC_EDWARDS_KEY_PAIR_GEN, ec_template(255), {}).private_key;
  const ObjectHandle rsa =
      session->generate_key_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, rsa_template(), {}).private_key;
  const std::string info = "a DigestInfo";
  const std::string large(200, 'l');
  sign(*session, {CKM_EDDSA, {}}, ed, "a message");
  sign(*session, {CKM_RSA_PKCS, {}}, rsa, info);
  sign(*session, {CKM_RSA_PKCS, {}}, rsa, large);
  sign(*session, {CKM_SHA512_RSA_PKCS, {}}, rsa, "a message");
  task->end(TaskState::closed);
  std::vector<std::pair<std::string, std::string>> told;
  for (const Entry& entry : entries_of(chain("ways"))) {
    if (entry.event == Event::signature) {
      told.emplace_back(entry.data.at("of"), entry.data.at("digest"));
    }
  }
  const auto hashed = [](Hash hash, const std::string& text) {
    return to_hex(digest(hash, as_bytes(text)));
  };
  EXPECT_EQ(told, (std::vector<std::pair<std::string, std::string>>{
                      {"message", hashed(Hash::sha256, "a message")},
                      {"input", to_hex(as_bytes(info))},
                      {"input hash", hashed(Hash::sha256, large)},
                      {"message", hashed(Hash::sha512, "a message")}}));
}

TEST_F(Ledger, IsSealedWhateverEndsTheTask) {
  open_library("[policy]\nmax-signatures = 2\n");
  for (const TaskState cause :
       {TaskState::closed, TaskState::expired, TaskState::revoked, TaskState::lost}) {
    const auto task = library_->tasks().open({to_string(cause), {}});
    session_of(task)->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
    task->end(cause);
    const Verification found = verify_path(chain(to_string(cause)));
    EXPECT_EQ(found.verdict, Verdict::sealed) << found.problem;
    EXPECT_EQ(found.summary.end, cause);
  }
  const auto task = library_->tasks().open({"spent", {}});
  const auto session = session_of(task);
  const auto pair = session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
  sign(*session, {CKM_ECDSA_SHA256, {}}, pair.private_key, "1");
  sign(*session, {CKM_ECDSA_SHA256, {}}, pair.private_key, "2");
  const Verification found = verify_path(chain("spent"));
  EXPECT_EQ(found.verdict, Verdict::sealed) << found.problem;
  EXPECT_EQ(found.summary.end, TaskState::exhausted);
  EXPECT_EQ(found.summary.signatures, 2U) << "the ledger's own take none of the task's";
  EXPECT_EQ(home_.token().count_objects(CKO_PRIVATE_KEY), 0U);
}

TEST_F(Ledger, OfATaskWithoutKeysAsksTheDeviceForNothing) {
  open_library();
  const auto task = library_->tasks().open({"idle", {}});
  const std::size_t sessions = home_.token().count_sessions();
  task->end(TaskState::closed);
  EXPECT_EQ(home_.token().count_sessions(), sessions);
  EXPECT_EQ(verify_path(chain("idle")).verdict, Verdict::keyless);
}

TEST_F(Ledger, TellsTheRegistryItsKeyOnce) {
  open_library("[registry]\nfile = \"registry.db\"\n");
  const auto task = library_->tasks().open({"told", {}});
  const auto known = [&] {
    TaskFilter filter;
    filter.serial = task->serial();
    filter.ended_too = true;
    return library_->book()->registry().tasks(filter).at(0).ledger_key;
  };
  EXPECT_TRUE(known().empty());
  const auto session = session_of(task);
  session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
  const Bytes told = known();
  task->end(TaskState::closed);
  const auto key = verify_path(chain("told")).summary.ledger_key;
  ASSERT_TRUE(key);
  EXPECT_EQ(told, key->subject_public_key_info());
  EXPECT_EQ(known(), told);
}

TEST_F(Ledger, GoesOnWithoutTheRegistryThatItsKeyIsFor) {
  open_library("[registry]\nfile = \"registry.db\"\n");
  const auto task = library_->tasks().open({"alone", {}});
  std::ofstream(home_.folder().parent_path() / "registry.db") << "no database any more";
  const auto session = session_of(task);
  const auto pair = session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
  sign(*session, {CKM_ECDSA_SHA256, {}}, pair.private_key, "a message");
  task->end(TaskState::closed);
  EXPECT_EQ(verify_path(chain("alone")).verdict, Verdict::sealed);
}

TEST_F(Ledger, NamesTheTaskAbove) {
  open_library();
  const auto parent = library_->tasks().open({"above", {}});
  const auto child = library_->tasks().open({"below", {}}, parent);
  parent->end(TaskState::closed);
  EXPECT_EQ(verify_path(chain("below")).summary.permission.parent, parent->serial());
  EXPECT_EQ(verify_path(chain("below")).summary.end, TaskState::closed);
  EXPECT_EQ(verify_path(chain("above")).summary.end, TaskState::closed);
}

TEST_F(Ledger, HasEverySignatureOfManyThreads) {
  open_library();
  const auto task = library_->tasks().open({"threads", {}});
  const auto owner = session_of(task);
  Attributes wanted = ec_template();
  Attributes lasting;
  lasting.set_flag(CKA_TOKEN, true);
  const ObjectHandle key =
      owner->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, lasting).private_key;
  constexpr int kThreads = 16;
  constexpr int kEach = 50;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, session = session_of(task)] {
      for (int n = 0; n < kEach; ++n) sign(*session, {CKM_ECDSA_SHA256, {}}, key, "x");
    });
  }
  for (std::thread& thread : threads) thread.join();
  task->end(TaskState::closed);
  const Verification found = verify_path(chain("threads"));
  EXPECT_EQ(found.verdict, Verdict::sealed) << found.line << " " << found.problem;
  EXPECT_EQ(found.summary.signatures, std::uint64_t{kThreads * kEach});
}

TEST_F(Ledger, IsSealedThoughTheTaskEndsAmidSignaturesAndGenerations) {
  open_library();
  for (int round = 0; round < 20; ++round) {
    const std::string id = "amid " + std::to_string(round);
    const auto task = library_->tasks().open({id, {}});
    const auto owner = session_of(task);
    Attributes lasting;
    lasting.set_flag(CKA_TOKEN, true);
    const ObjectHandle key =
        owner->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), lasting).private_key;
    std::atomic<std::uint64_t> given_out{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i, session = session_of(task)] {
        try {
          while (true) {
            if (i == 0) {
              const auto pair = session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
              session->destroy_object(pair.private_key);
            } else {
              sign(*session, {CKM_ECDSA_SHA256, {}}, key, "x");
              ++given_out;
            }
          }
        } catch (const Error&) {  // the task has ended
        }
      });
    }
    while (given_out < 20) std::this_thread::yield();
    task->end(TaskState::revoked);
    for (std::thread& thread : threads) thread.join();
    const Verification found = verify_path(chain(id));
    ASSERT_EQ(found.verdict, Verdict::sealed) << found.line << " " << found.problem;
    EXPECT_GE(found.summary.signatures, given_out);
  }
  EXPECT_EQ(home_.token().count_objects(CKO_PRIVATE_KEY), 0U);
}

TEST_F(Ledger, CountsRefusalsOfWhichThereAreTooManyToWrite) {
  open_library("[log]\nlevel = \"off\"\n");
  const auto task = library_->tasks().open({"flood", {}});
  const auto session = session_of(task);
  const auto pair = session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
  constexpr std::uint64_t kAttempts = 20'000;
  for (std::uint64_t i = 0; i < kAttempts; ++i) {
    EXPECT_NE(answer_of([&] { session->sign_init({CKM_RSA_PKCS, {}}, pair.private_key); }), CKR_OK);
  }
  sign(*session, {CKM_ECDSA_SHA256, {}}, pair.private_key, "x");
  const auto path = chain("flood");
  const auto before = entries_of(path);
  ASSERT_EQ(before.back().event, Event::signature);
  EXPECT_EQ(before[before.size() - 2].event, Event::refusals) << "told before what comes next";
  task->end(TaskState::closed);
  const Verification found = verify_path(path);
  EXPECT_EQ(found.verdict, Verdict::sealed) << found.problem;
  EXPECT_EQ(found.summary.refusals, kAttempts);
  EXPECT_LT(found.summary.head.entries, 2'000U);
}

TEST_F(Ledger, KeepsEachTaskApart) {
  open_library();
  const auto one = library_->tasks().open({"one", {}});
  const auto two = library_->tasks().open({"two", {}});
  const auto pair = session_of(one)->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
  static_cast<void>(pair);
  session_of(two)->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
  one->end(TaskState::closed);
  two->end(TaskState::closed);
  const Verification first = verify_path(chain("one"));
  const Verification second = verify_path(chain("two"));
  EXPECT_EQ(first.verdict, Verdict::sealed);
  EXPECT_EQ(second.verdict, Verdict::sealed);
  EXPECT_NE(thumbprint(*first.summary.ledger_key), thumbprint(*second.summary.ledger_key));
}

TEST_F(Ledger, IsLeftOutWhereNoneIsWanted) {
  Config config = Config::load(home_.config());
  config.ledger.folder.clear();
  library_ = std::make_unique<Library>(config);
  application_ = std::make_unique<Application>(library_->tasks(), 100);
  const auto task = library_->tasks().open({"silent", {}});
  session_of(task)->generate_key_pair(CKM_EC_KEY_PAIR_GEN, ec_template(), {});
  EXPECT_EQ(home_.token().count_objects(CKO_PRIVATE_KEY), 1U) << "no key for a ledger";
  task->end(TaskState::closed);
  EXPECT_TRUE(std::filesystem::is_empty(home_.folder()));
}

}  // namespace
}  // namespace mayfly::test
