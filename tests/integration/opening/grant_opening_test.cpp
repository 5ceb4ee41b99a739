// What a client meets that opens tasks by grants, by tickets and by logins: one task for one grant,
// and for everything else an answer that tells nothing, while the log tells all.
#include <array>
#include <set>

#include "base/clock.h"
#include "grant/ticket.h"
#include "integration/opening/grant_tasks.h"
#include "integration/opening/hostile_grants.h"
#include "registry/sqlite/connection.h"

namespace mayfly::test {
namespace {

class GrantOpeningTest : public GrantTasksTest {
 protected:
  GrantOpeningTest() { EXPECT_EQ(initialize(), CKR_OK); }
};

TEST_F(GrantOpeningTest, RefusesEachHostileGrantForItsOwnReason) {
  const std::vector<HostileGrant> all = hostile_grants(approver_);
  EXPECT_GE(all.size(), 40U);
  std::set<std::string> reasons;
  for (const HostileGrant& hostile : all) {
    SCOPED_TRACE(hostile.name);
    const std::size_t before = log().size();
    EXPECT_EQ(open(hostile.text), hostile.expired ? CKR_PIN_EXPIRED : CKR_PIN_INCORRECT);
    const std::string line = log().substr(before);
    EXPECT_NE(line.find(hostile.reason), std::string::npos) << line;
    EXPECT_EQ(line.find(hostile.text), std::string::npos) << "a grant is no text for a log";
    reasons.insert(hostile.reason);
  }
  EXPECT_GE(reasons.size(), 20U);
  EXPECT_EQ(slots(), 0U);
  EXPECT_TRUE(recorded().empty());
  EXPECT_EQ(open(grant(good_claims())), CKR_OK) << "none of them spent the good one";
}

TEST_F(GrantOpeningTest, NeedsAGrant) {
  EXPECT_EQ(open(""), CKR_FUNCTION_REJECTED);
  EXPECT_TRUE(recorded().empty());
}

TEST_F(GrantOpeningTest, OpensOneTaskOnceAndForAll) {
  const std::string text = grant(good_claims());
  ASSERT_EQ(open(text), CKR_OK);
  EXPECT_EQ(open(text), CKR_FUNCTION_REJECTED) << "the task is open";
  const CK_SLOT_ID first = slot_;
  EXPECT_EQ(module_->vendor().MAYFLY_CloseTask(first), CKR_OK);
  EXPECT_EQ(open(text), CKR_PIN_EXPIRED);
  EXPECT_NE(log().find("has opened its one task"), std::string::npos) << log();
  EXPECT_EQ(module_->functions().C_Finalize(nullptr), CKR_OK);
  ASSERT_EQ(initialize(), CKR_OK);
  EXPECT_EQ(open(text), CKR_PIN_EXPIRED) << "also after a restart";
  const auto tasks = recorded();
  ASSERT_EQ(tasks.size(), 1U);
  EXPECT_EQ(tasks[0].agent, "billing-agent");
  EXPECT_EQ(tasks[0].state, TaskState::closed);
  ASSERT_TRUE(tasks[0].grant);
  EXPECT_EQ(tasks[0].grant->id, "grant-1");
}

TEST_F(GrantOpeningTest, ConfinesTheTask) {
  ASSERT_EQ(open(grant(good_claims())), CKR_OK);
  MAYFLY_TASK_INFO info{};
  ASSERT_EQ(module_->vendor().MAYFLY_TaskInfo(slot_, &info), CKR_OK);
  EXPECT_LE(info.seconds_left, 600U);
  CK_MECHANISM_INFO unused;
  EXPECT_EQ(module_->functions().C_GetMechanismInfo(slot_, CKM_ECDSA, &unused), CKR_OK);
  EXPECT_EQ(module_->functions().C_GetMechanismInfo(slot_, CKM_RSA_PKCS, &unused),
            CKR_MECHANISM_INVALID);
  const CK_SESSION_HANDLE session = open_session(slot_);
  std::array<CK_OBJECT_HANDLE, 3> keys{};
  EXPECT_EQ(generate(session, keys[0]), CKR_OK);
  EXPECT_EQ(generate(session, keys[1]), CKR_OK);
  EXPECT_EQ(generate(session, keys[2]), CKR_DEVICE_MEMORY);
  EXPECT_EQ(sign(session, keys[0]), CKR_OK);
  EXPECT_EQ(sign(session, keys[1]), CKR_OK);
  EXPECT_EQ(sign(session, keys[0]), CKR_OK);
  EXPECT_NE(sign(session, keys[0]), CKR_OK);
  EXPECT_EQ(slots(), 0U) << "the last signature ended it";
  EXPECT_EQ(recorded().at(0).state, TaskState::exhausted);
  const auto story = registry_->transitions(recorded().at(0).serial);
  ASSERT_EQ(story.size(), 3U) << "opened, first key, end";
  EXPECT_NE(story[2].cause.find("2 keys destroyed, 0 pending"), std::string::npos)
      << story[2].cause;
}

TEST_F(GrantOpeningTest, LetsTasksBeOpenedBelowAsDeepAsItSays) {
  ASSERT_EQ(open(grant(good_claims())), CKR_OK);
  const CK_SLOT_ID above = slot_;
  ASSERT_EQ(open("", "tool call", &above), CKR_OK);
  const CK_SLOT_ID below = slot_;
  EXPECT_EQ(open("", "deeper", &below), CKR_FUNCTION_REJECTED);
  const CK_SESSION_HANDLE session = open_session(below);
  CK_OBJECT_HANDLE key = 0;
  EXPECT_EQ(generate(session, key), CKR_OK);
  EXPECT_EQ(module_->vendor().MAYFLY_CloseTask(above), CKR_OK);
  EXPECT_EQ(slots(), 0U);
  EXPECT_NE(sign(session, key), CKR_OK);
  for (const TaskRecord& task : recorded()) EXPECT_EQ(task.state, TaskState::closed) << task.id;
  EXPECT_EQ(recorded().at(1).parent, recorded().at(0).serial);
}

TEST_F(GrantOpeningTest, AChildsGrantNamesTheTaskAbove) {
  ASSERT_EQ(open(grant(good_claims())), CKR_OK);
  const CK_SLOT_ID above = slot_;
  nlohmann::json claims = good_claims("grant-2");
  claims["task"] = "tool call";
  EXPECT_EQ(open(grant(claims), "tool call", &above), CKR_PIN_INCORRECT);
  claims["parent"] = "another";
  EXPECT_EQ(open(grant(claims), "tool call", &above), CKR_PIN_INCORRECT);
  claims["parent"] = kGrantedTask;
  EXPECT_EQ(open(grant(claims), "tool call", &above), CKR_OK);
}

TEST_F(GrantOpeningTest, ARevokedGrantOpensNothing) {
  RevocationTarget target;
  target.kind = RevocationTarget::Kind::grant;
  target.value = "grant-1";
  static_cast<void>(registry_->request_revocation(target, "stolen", "test"));
  EXPECT_EQ(open(grant(good_claims())), CKR_PIN_INCORRECT);
  EXPECT_EQ(slots(), 0U);
}

TEST_F(GrantOpeningTest, ARevocationIsObeyedAtTheNextOpening) {
  ASSERT_EQ(open(grant(good_claims())), CKR_OK);
  const CK_SESSION_HANDLE session = open_session(slot_);
  RevocationTarget target;
  target.kind = RevocationTarget::Kind::agent;
  target.value = "billing-agent";
  EXPECT_EQ(registry_->request_revocation(target, "fired", "operator").size(), 1U);
  const auto deadline = BootClock::now() + std::chrono::seconds(20);
  while (slots() != 0 && BootClock::now() < deadline) {
    CK_SESSION_HANDLE more = 0;
    module_->functions().C_OpenSession(slot_, CKF_SERIAL_SESSION, nullptr, nullptr, &more);
  }
  EXPECT_EQ(slots(), 0U);
  CK_OBJECT_HANDLE key = 0;
  EXPECT_EQ(generate(session, key), CKR_SESSION_HANDLE_INVALID);
  const auto story = registry_->transitions(recorded().at(0).serial);
  EXPECT_EQ(story.back().to, TaskState::revoked);
  EXPECT_NE(story.back().cause.find("fired"), std::string::npos) << story.back().cause;
  EXPECT_EQ(story.back().actor, "operator");
}

/// One session and one key, with a grant for many signatures.
class GrantSigningTest : public GrantOpeningTest {
 protected:
  GrantSigningTest() {
    auto claims = good_claims();
    claims["max_sigs"] = 1'000'000;
    EXPECT_EQ(open(grant(claims)), CKR_OK);
    session_ = open_session(slot_);
    EXPECT_EQ(generate(session_, key_), CKR_OK);
  }

  CK_SESSION_HANDLE session_ = 0;
  CK_OBJECT_HANDLE key_ = 0;
};

TEST_F(GrantSigningTest, ARevocationIsObeyedByWhoOnlySigns) {
  EXPECT_EQ(registry_
                ->request_revocation({RevocationTarget::Kind::task_id, kGrantedTask, ""}, "stolen",
                                     "operator")
                .size(),
            1U);
  const auto deadline = BootClock::now() + std::chrono::seconds(20);
  CK_RV rv = CKR_OK;
  while (rv == CKR_OK && BootClock::now() < deadline) rv = sign(session_, key_);
  EXPECT_EQ(rv, CKR_SESSION_HANDLE_INVALID);
  EXPECT_EQ(slots(), 0U);
  EXPECT_EQ(registry_->transitions(recorded().at(0).serial).back().to, TaskState::revoked);
}

TEST_F(GrantSigningTest, ARegistryThatHangsCostsSignaturesAMoment) {
  sqlite::Connection other(folder_.path() / "registry.db", sqlite::Connection::Clock::now());
  other.run("BEGIN EXCLUSIVE");
  auto longest = BootClock::duration::zero();
  const auto end = BootClock::now() + std::chrono::seconds(4);
  while (BootClock::now() < end) {
    const auto before = BootClock::now();
    ASSERT_EQ(sign(session_, key_), CKR_OK);
    longest = std::max(longest, BootClock::now() - before);
  }
  EXPECT_GE(longest, std::chrono::milliseconds(150)) << "it was not looked for";
  EXPECT_LT(longest, std::chrono::seconds(2)) << "the registry's time-out is 5 s";
  EXPECT_NE(log().find("whether tasks are revoked is looked for later"), std::string::npos);
}

class TicketTest : public GrantOpeningTest {
 protected:
  std::string ticket_for(const std::string& grant, std::uint64_t seconds = 60) {
    const grant::Ticket ticket = grant::make_ticket();
    registry_->add_ticket(ticket.digest, grant, unix_now_s() + seconds);
    return std::string(as_text(ticket.text.view()));
  }
};

TEST_F(TicketTest, StandsForItsGrantOnce) {
  const std::string ticket = ticket_for(grant(good_claims()));
  EXPECT_LE(ticket.size(), 31U);
  ASSERT_EQ(open(ticket), CKR_OK);
  EXPECT_EQ(module_->vendor().MAYFLY_CloseTask(slot_), CKR_OK);
  EXPECT_EQ(open(ticket), CKR_PIN_INCORRECT);
}

TEST_F(TicketTest, OfABadGrantOpensNothing) {
  EXPECT_EQ(open(ticket_for("no grant")), CKR_PIN_INCORRECT);
  EXPECT_EQ(open(std::string(26, 'A')), CKR_PIN_INCORRECT) << "never given out";
}

/// A process that was started with a task and without its grant.
class GrantByLoginTest : public GrantTasksTest {
 protected:
  GrantByLoginTest() {
    EXPECT_EQ(initialize("task=" + std::string(kGrantedTask)), CKR_OK);
    session_ = open_session(only_slot());
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

TEST_F(GrantByLoginTest, OpensWhatTheTokenPromises) {
  CK_TOKEN_INFO info;
  ASSERT_EQ(module_->functions().C_GetTokenInfo(only_slot(), &info), CKR_OK);
  EXPECT_NE(info.flags & CKF_LOGIN_REQUIRED, 0U);
  CK_OBJECT_HANDLE key = 0;
  EXPECT_EQ(generate(session_, key), CKR_USER_NOT_LOGGED_IN);
  EXPECT_EQ(login(session_, "1234"), CKR_PIN_INCORRECT);
  EXPECT_EQ(login(session_, grant(good_claims())), CKR_OK);
  EXPECT_EQ(generate(session_, key), CKR_OK);
  EXPECT_EQ(sign(session_, key), CKR_OK);
  ASSERT_EQ(recorded().size(), 1U);
  EXPECT_EQ(recorded()[0].state, TaskState::active);
}

TEST_F(GrantByLoginTest, MovesTheDeadlineThatIsTold) {
  MAYFLY_TASK_INFO info{};
  ASSERT_EQ(module_->vendor().MAYFLY_TaskInfo(only_slot(), &info), CKR_OK);
  EXPECT_GT(info.seconds_left, 600U);
  ASSERT_EQ(login(session_, grant(good_claims())), CKR_OK);
  ASSERT_EQ(module_->vendor().MAYFLY_TaskInfo(only_slot(), &info), CKR_OK);
  EXPECT_LE(info.seconds_left, 600U);
}

TEST_F(GrantByLoginTest, TakesATicketAsThePin) {
  const grant::Ticket ticket = grant::make_ticket();
  registry_->add_ticket(ticket.digest, grant(good_claims()), unix_now_s() + 60);
  EXPECT_EQ(login(session_, std::string(as_text(ticket.text.view()))), CKR_OK);
  CK_OBJECT_HANDLE key = 0;
  EXPECT_EQ(generate(session_, key), CKR_OK);
}

TEST_F(GrantByLoginTest, RefusesEachHostileGrant) {
  for (const HostileGrant& hostile : hostile_grants(approver_)) {
    SCOPED_TRACE(hostile.name);
    EXPECT_EQ(login(session_, hostile.text), hostile.expired ? CKR_PIN_EXPIRED : CKR_PIN_INCORRECT);
  }
  CK_OBJECT_HANDLE key = 0;
  EXPECT_EQ(generate(session_, key), CKR_USER_NOT_LOGGED_IN);
  EXPECT_TRUE(recorded().empty());
}

/// The grant comes in a file when the process starts.
class GrantFileTest : public GrantTasksTest {};

TEST_F(GrantFileTest, OpensTheTask) {
  const auto file = write_secret("grant", grant(good_claims()) + "\n");
  const std::string reserved = "task=" + std::string(kGrantedTask) + " grant=" + file.string();
  ASSERT_EQ(initialize(reserved), CKR_OK);
  CK_OBJECT_HANDLE key = 0;
  EXPECT_EQ(generate(open_session(only_slot()), key), CKR_OK);
  EXPECT_EQ(module_->functions().C_Finalize(nullptr), CKR_OK);
  EXPECT_EQ(initialize(reserved), CKR_FUNCTION_FAILED) << "C_Initialize knows no other answer";
  EXPECT_NE(log().find("has opened its one task"), std::string::npos) << log();
}

TEST_F(GrantFileTest, MustBeItsOwnersAlone) {
  const auto file = write_secret("grant", grant(good_claims()));
  std::filesystem::permissions(file, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(initialize("task=" + std::string(kGrantedTask) + " grant=" + file.string()),
            CKR_GENERAL_ERROR);
  EXPECT_TRUE(recorded().empty());
}

}  // namespace
}  // namespace mayfly::test
