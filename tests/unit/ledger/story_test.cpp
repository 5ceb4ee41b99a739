// Chains whose entries are linked as they should be, and can't have happened.
#include <gtest/gtest.h>

#include "base/task_binding.h"
#include "support/sample_chain.h"

namespace mayfly::test {
namespace {

using ledger::Event;
using ledger::Verdict;
using ledger::Verification;
using nlohmann::json;

class Story : public testing::Test {
 protected:
  /// A chain that has a key.
  [[nodiscard]] ChainText begun() const {
    ChainText chain;
    chain.add(Event::open, open_data())
        .add(Event::active, active_data(keys_))
        .add(Event::generation, generation_data(keys_));
    return chain;
  }

  static void expect_misfit(const ChainText& chain, const std::string& reason) {
    const Verification found = verify_text(chain.text());
    EXPECT_EQ(found.verdict, Verdict::tampered) << reason;
    EXPECT_EQ(found.line, chain.head().entries) << reason;
    EXPECT_NE(found.problem.find(reason), std::string::npos) << found.problem;
  }

  /// The chain's next entry, with one member of its data changed.
  static json with(json data, const char* member, const json& value) {
    data[member] = value;
    return data;
  }

  const ChainKeys keys_;
};

TEST_F(Story, IsSummedUp) {
  const Verification found = verify_text(sealed_chain(keys_));
  ASSERT_EQ(found.verdict, Verdict::sealed) << found.problem;
  const ledger::ChainSummary& sum = found.summary;
  EXPECT_EQ(sum.task, sample_task());
  EXPECT_EQ(sum.deadline_unix_s, 1'800'000'900U);
  EXPECT_EQ(sum.permission.agent, "agent://billing");
  EXPECT_EQ(sum.permission.approver, "ops-key");
  EXPECT_EQ(sum.permission.grant, "g-1");
  EXPECT_EQ(sum.permission.scope, "pay read");
  EXPECT_EQ(sum.logins, 1U);
  EXPECT_EQ(sum.signatures, 2U);
  EXPECT_EQ(sum.refusals, 1U);
  EXPECT_EQ(sum.end, TaskState::closed);
  EXPECT_EQ(sum.head.entries, 10U);
  ASSERT_EQ(sum.keys.size(), 1U);
  const ledger::ChainKey& key = sum.keys.at(to_hex(thumbprint(keys_.session.public_key())));
  EXPECT_EQ(key.kind, "EC P-256");
  EXPECT_EQ(key.signatures, 2U);
  EXPECT_TRUE(key.endorses);
  EXPECT_FALSE(key.pending);
  EXPECT_EQ(key.made_ms, 1'800'000'000'750U);
  EXPECT_EQ(key.destroyed_ms, 1'800'000'001'750U);
}

TEST_F(Story, OfAGrantThatALoginBroughtIsThatGrants) {
  json open = open_data();
  for (const char* member : {"agent", "approver", "grant", "scope"}) open.erase(member);
  open["parent"] = "fedcba9876543210";
  ChainText chain;
  chain.add(Event::open, open)
      .add(Event::login, {{"agent", "agent://late"},
                          {"approver", "k"},
                          {"deadline", 1'800'000'060},
                          {"grant", "g-2"},
                          {"scope", "read"}});
  const ledger::ChainSummary told = verify_text(chain.text()).summary;
  const ledger::Permission expected{"agent://late", "k", "g-2", "read", "fedcba9876543210"};
  EXPECT_EQ(told.permission, expected);
  EXPECT_EQ(told.deadline_unix_s, 1'800'000'060U);
}

TEST_F(Story, WithoutAnEndIsToldApart) {
  EXPECT_EQ(verify_text(begun().text()).verdict, Verdict::unsealed);
}

TEST_F(Story, WithAnEndAndNoSealIsToldApart) {
  const Verification found = verify_text(unsealed_chain(keys_).text());
  EXPECT_EQ(found.verdict, Verdict::unsealed);
  EXPECT_NE(found.problem.find("the seal is missing"), std::string::npos);
}

TEST_F(Story, OfATaskThatNeverHadAKeyIsToldApart) {
  ChainText chain;
  chain.add(Event::open, open_data())
      .add(Event::refusal, refusal_data())
      .add(Event::end, with(end_data(), "destroyed", 0));
  const Verification found = verify_text(chain.text());
  EXPECT_EQ(found.verdict, Verdict::keyless);
  chain.seal(keys_.ledger);
  expect_misfit(chain, "no key that could have made it");
}

TEST_F(Story, BeginsWithAnOpening) {
  expect_misfit(ChainText().add(Event::login, json::object()), "opens no task");
  expect_misfit(begun().add(Event::open, open_data()), "second time");
}

TEST_F(Story, NamesItsFormatAndItsTask) {
  const auto opened = [](const json& data) { return ChainText().add(Event::open, data); };
  expect_misfit(opened(with(open_data(), "version", 2)), "version");
  expect_misfit(opened(with(open_data(), "format", "other")), "format");
  expect_misfit(opened(with(open_data(), "serial", "0123")), "serial");
  expect_misfit(opened(with(open_data(), "serial", "0123456789ABCDEF")), "serial");
  expect_misfit(opened(with(open_data(), "task", "")), "task");
  expect_misfit(opened(with(open_data(), "task", "a\nb")), "task");
  expect_misfit(opened(with(open_data(), "else", 1)), "else");
}

TEST_F(Story, HasOneLedgerKeyBeforeAnyOther) {
  expect_misfit(begun().add(Event::active, active_data(keys_)), "has a key already");
  ChainText chain;
  chain.add(Event::open, open_data()).add(Event::generation, generation_data(keys_));
  expect_misfit(chain, "before the ledger has one");
  chain = ChainText();
  chain.add(Event::open, open_data()).add(Event::active, {{"ledger_key", "00"}});
  expect_misfit(chain, "no public key");
}

TEST_F(Story, HasKeysThatAreWhatTheySay) {
  ChainText chain;
  chain.add(Event::open, open_data()).add(Event::active, active_data(keys_));
  const json data = generation_data(keys_);
  expect_misfit(ChainText(chain).add(Event::generation, with(data, "key", std::string(64, '0'))),
                "thumbprint");
  expect_misfit(ChainText(chain).add(Event::generation, with(data, "kind", "RSA 2048")), "kind");
  const json others = generation_data(ChainKeys());
  expect_misfit(
      ChainText(chain).add(Event::generation, with(data, "endorsement", others["endorsement"])),
      "endorsement");
  expect_misfit(begun().add(Event::generation, data), "second time");
}

TEST_F(Story, HasNoSignatureOfAKeyThatIsNotThere) {
  expect_misfit(begun().add(Event::signature, signature_data(ChainKeys())), "none that was made");
  ChainText chain = begun();
  chain.add(Event::destruction, destruction_data(keys_));
  expect_misfit(ChainText(chain).add(Event::signature, signature_data(keys_)), "was destroyed");
  expect_misfit(ChainText(chain).add(Event::destruction, destruction_data(keys_)), "was destroyed");
}

TEST_F(Story, HasSignaturesOfAKnownOutcome) {
  const json data = signature_data(keys_);
  expect_misfit(begun().add(Event::signature, with(data, "outcome", "perhaps")), "outcome");
  expect_misfit(begun().add(Event::signature, with(data, "outcome", "failed")), "answer");
  expect_misfit(begun().add(Event::signature, with(data, "of", "both")), "of");
  expect_misfit(begun().add(Event::signature, with(data, "reason", "none")), "reason");
}

TEST_F(Story, TellsWhatBecameOfEachKeyBeforeItEnds) {
  expect_misfit(begun().add(Event::end, end_data()), "nothing is said of its key");
}

TEST_F(Story, EndsOnceByACauseThatIsOne) {
  ChainText chain = begun();
  chain.add(Event::destruction, destruction_data(keys_));
  expect_misfit(ChainText(chain).add(Event::end, with(end_data(), "cause", "active")), "cause");
  chain.add(Event::end, end_data());
  expect_misfit(ChainText(chain).add(Event::end, end_data()), "after the end");
  expect_misfit(ChainText(chain).add(Event::refusal, refusal_data()), "after the end");
}

TEST_F(Story, IsNotSealedBeforeItsEnd) {
  ChainText chain = begun();
  chain.seal(keys_.ledger);
  expect_misfit(chain, "before the end");
}

}  // namespace
}  // namespace mayfly::test
