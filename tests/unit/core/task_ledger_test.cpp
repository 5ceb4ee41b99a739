// What stands in a task's ledger before anything comes of it: grants that a login brought, and each
// refusal to sign.
#include "core/task_ledger.h"

#include <fstream>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "core/application.h"
#include "core/signing.h"
#include "ledger/chain_file.h"
#include "ledger/chain_reader.h"
#include "support/failure_of.h"
#include "support/temp_folder.h"
#include "unit/core/fake_book.h"
#include "unit/core/fake_device.h"

namespace mayfly {
namespace {

using namespace std::chrono_literals;
using ledger::Entry;
using ledger::Event;

class TaskLedgerTest : public testing::Test {
 protected:
  explicit TaskLedgerTest(bool grant_required = false)
      : tasks(device,
              {.policy = {.grant_required = grant_required},
               .ledger = LedgerPlace{folder.path(), ledger::Sync::interval}},
              nullptr, book),
        task(tasks.open(request(grant_required))) {}
  ~TaskLedgerTest() override { task->end(TaskState::closed); }

  static TaskRequest request(bool grant_follows) {
    TaskRequest wanted{"t", std::nullopt};
    wanted.grant_may_follow = grant_follows;
    return wanted;
  }
  CK_RV login(std::string_view pin) {
    return test::answer_of([&] { session->login(as_bytes(pin)); });
  }
  /// @return the private half; it outlives logins.
  ObjectHandle make_key() {
    Attributes wanted;
    wanted.set_flag(CKA_TOKEN, true);
    return session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, test::p256_public_template(), wanted)
        .private_key;
  }
  [[nodiscard]] std::filesystem::path chain() const {
    return ledger::chain_path(folder.path(), task->serial());
  }
  [[nodiscard]] std::vector<Entry> entries() const {
    std::ifstream stream(chain(), std::ios::binary);
    ledger::ChainReader reader(stream);
    std::vector<Entry> found;
    while (const auto line = reader.next()) found.push_back(ledger::parse_entry(line->text));
    return found;
  }
  [[nodiscard]] std::size_t refusals() const {
    std::size_t count = 0;
    for (const Entry& entry : entries()) count += entry.event == Event::refusal ? 1 : 0;
    return count;
  }
  /// While it is another size than the last entry left it, nothing can be written.
  void resize_chain(int bytes) const {
    const auto size = static_cast<off_t>(std::filesystem::file_size(chain()));
    ASSERT_EQ(truncate(chain().c_str(), size + bytes), 0);
    std::this_thread::sleep_for(ledger::ChainFile::kLookAgain);
  }

  const test::TempFolder folder;
  test::FakeDevice device;
  std::shared_ptr<test::FakeBook> book = std::make_shared<test::FakeBook>();
  TaskTable tasks;
  std::shared_ptr<Task> task;
  Application application{tasks, 100};
  std::shared_ptr<Session> session =
      application.session(application.open_session(task->slot(), true));
};

class AdmissionLedgerTest : public TaskLedgerTest {
 protected:
  AdmissionLedgerTest() : TaskLedgerTest(true) {}
};

TEST_F(AdmissionLedgerTest, TellsWhatTheGrantChanged) {
  book->granted.policy.max_ttl = 30s;
  book->granted.origin.scope = {"pay", "read"};
  ASSERT_EQ(login("grant"), CKR_OK);
  const Entry entry = entries().back();
  EXPECT_EQ(entry.event, Event::login);
  EXPECT_EQ(entry.data, (nlohmann::json{{"agent", "agent"},
                                        {"approver", "approver"},
                                        {"deadline", task->deadline_unix_s()},
                                        {"grant", "jti"},
                                        {"scope", "pay read"}}));
  EXPECT_LT(task->deadline_unix_s(), entries().front().data.at("deadline").get<std::uint64_t>());
}

TEST_F(AdmissionLedgerTest, NothingIsDoneUnderAGrantThatIsNotWritten) {
  resize_chain(+1);
  EXPECT_EQ(login("grant"), CKR_FUNCTION_FAILED);
  EXPECT_FALSE(task->awaits_grant()) << "the grant is spent";
  EXPECT_EQ(test::answer_of([&] { make_key(); }), CKR_FUNCTION_FAILED);
  EXPECT_EQ(device.state.asked, 0) << "nor is the device asked";
  EXPECT_EQ(login("anything"), CKR_FUNCTION_FAILED);
  EXPECT_EQ(test::answer_of([&] { tasks.open({"below", {}}, task); }), CKR_FUNCTION_FAILED);

  resize_chain(-1);
  make_key();
  const std::vector<Entry> told = entries();
  ASSERT_GE(told.size(), 3U);
  EXPECT_EQ(told[1].event, Event::login) << "before all that was done under it";
  EXPECT_EQ(told[1].data.at("grant"), "jti");
}

TEST_F(AdmissionLedgerTest, AnEndTellsOfAGrantThatWasNotWritten) {
  resize_chain(+1);
  EXPECT_EQ(login("grant"), CKR_FUNCTION_FAILED);
  resize_chain(-1);
  task->end(TaskState::closed);
  const std::vector<Entry> told = entries();
  ASSERT_GE(told.size(), 3U);
  EXPECT_EQ(told[1].data.at("approver"), "approver");
  EXPECT_EQ(told.back().event, Event::end);
}

TEST_F(TaskLedgerTest, NothingIsSignedWhileADestructionIsNotWritten) {
  const ObjectHandle key = make_key();
  const ObjectHandle other = make_key();
  device.state.on_sign = [] { ADD_FAILURE() << "the device was asked"; };
  resize_chain(+1);
  EXPECT_EQ(test::answer_of([&] { session->destroy_object(other); }), CKR_FUNCTION_FAILED);
  std::array<std::uint8_t, 64> out{};
  EXPECT_EQ(test::answer_of([&] {
              sign_prepared(session->token(), {CKM_ECDSA, {}}, key, Bytes(32, 1), out);
            }),
            CKR_FUNCTION_FAILED);
  resize_chain(-1);
  device.state.on_sign = nullptr;
}

/// Each of these leaves one entry.
TEST_F(TaskLedgerTest, EachRefusalToSignIsThere) {
  const Bytes whole(32, 1);
  const Bytes large(kMaxSignedMessage + 1, 1);
  std::array<std::uint8_t, 64> out{};
  ObjectHandle key = make_key();
  const auto begin = [&] { session->sign_init({CKM_ECDSA, {}}, key); };
  const auto begin_hashed = [&] { session->sign_init({CKM_ECDSA_SHA256, {}}, key); };
  const auto begin_messages = [&] { session->message_sign_init({CKM_ECDSA, {}}, key); };
  const auto begin_hashed_messages = [&] {
    session->message_sign_init({CKM_ECDSA_SHA256, {}}, key);
  };
  const auto begin_message = [&] {
    begin_messages();
    session->sign_message_begin();
  };
  struct Case {
    const char* what;
    std::function<void()> begin;
    bool log_out;  ///< before what is refused
    std::function<void()> refused;
  };
  const Case cases[] = {
      {"C_Sign, size", begin, true, [&] { static_cast<void>(session->signature_size()); }},
      {"C_Sign", begin, true, [&] { session->sign(whole, out); }},
      {"C_Sign, too large", begin, false, [&] { session->sign(large, out); }},
      {"C_SignUpdate", begin_hashed, true, [&] { session->sign_update(whole); }},
      {"C_SignUpdate, in parts", begin, false, [&] { session->sign_update(whole); }},
      {"C_SignFinal, in parts", begin, false, [&] { session->sign_final(out); }},
      {"C_SignMessage, size", begin_messages, true,
       [&] { static_cast<void>(session->message_signature_size()); }},
      {"C_SignMessage, too large", begin_messages, false,
       [&] { session->sign_message(large, out); }},
      {"C_SignMessageBegin", begin_hashed_messages, true, [&] { session->sign_message_begin(); }},
      {"C_SignMessageNext, in parts", begin_message, false,
       [&] { session->sign_message_next(whole); }},
      {"C_SignMessageNext, last", begin_message, false,
       [&] { session->sign_message_last(whole, out); }},
      {"a broker's door, no digest", [] {}, false,
       [&] {
         sign_prepared(session->token(), {CKM_ECDSA_SHA256, {}}, key, Bytes(31, 1), out);
       }},
  };
  for (const Case& test : cases) {
    session->login(as_bytes("any"));
    session->cancel(CKF_SIGN | CKF_MESSAGE_SIGN);
    key = make_key();  // a logout takes the handle
    test.begin();
    if (test.log_out) session->logout();
    const std::size_t before = refusals();
    EXPECT_NE(test::answer_of(test.refused), CKR_OK) << test.what;
    EXPECT_EQ(refusals(), before + 1) << test.what;
    if (!test.log_out) session->logout();
  }
}

}  // namespace
}  // namespace mayfly
