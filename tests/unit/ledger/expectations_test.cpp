// What is known of a task from elsewhere, and a chain that does not fit to it.
#include <gtest/gtest.h>

#include "base/task_binding.h"
#include "support/sample_chain.h"

namespace mayfly::test {
namespace {

using ledger::Expectations;
using ledger::Verdict;
using ledger::Verification;

class Expected : public testing::Test {
 protected:
  [[nodiscard]] Verification verify(const Expectations& expected) const {
    return verify_text(chain_.text(), expected);
  }

  static ChainText sealed(const ChainKeys& keys) {
    ChainText chain = unsealed_chain(keys);
    chain.seal(keys.ledger);
    return chain;
  }

  const ChainKeys keys_;
  const ChainText chain_ = sealed(keys_);
};

TEST_F(Expected, TheTask) {
  EXPECT_EQ(verify({.task_id = sample_task().id, .serial = sample_task().serial}).verdict,
            Verdict::sealed);
  const Verification other = verify({.task_id = "another"});
  EXPECT_EQ(other.verdict, Verdict::tampered);
  EXPECT_EQ(other.line, 1U);
  EXPECT_EQ(verify({.serial = "fedcba9876543210"}).verdict, Verdict::tampered);
}

TEST_F(Expected, TheHead) {
  EXPECT_EQ(verify({.head = chain_.head()}).verdict, Verdict::sealed);
  ledger::ChainHead more = chain_.head();
  ++more.entries;
  const Verification cut = verify({.head = more});
  EXPECT_EQ(cut.verdict, Verdict::tampered) << "entries that were there are gone";
  EXPECT_NE(cut.problem.find("has fewer now"), std::string::npos);
}

TEST_F(Expected, AKeyThatTheChainDoesNotKnow) {
  const Verification other = verify({.keys = {thumbprint(ChainKeys().session.public_key())}});
  EXPECT_EQ(other.verdict, Verdict::tampered);
  EXPECT_NE(other.problem.find("was not made in this chain"), std::string::npos);
}

TEST_F(Expected, ALedgerKeyInAChainWithout) {
  ChainText keyless;
  keyless.add(ledger::Event::open, open_data()).add(ledger::Event::end, end_data());
  const Expectations expected{.ledger_key = thumbprint(keys_.ledger.public_key())};
  EXPECT_EQ(verify_text(keyless.text()).verdict, Verdict::keyless);
  EXPECT_EQ(verify_text(keyless.text(), expected).verdict, Verdict::tampered);
}

TEST_F(Expected, OnlyWhatAForgerCanNotKnowIsAnAnchor) {
  EXPECT_FALSE(verify({}).anchored());
  EXPECT_FALSE(verify({.task_id = sample_task().id, .serial = sample_task().serial}).anchored());
  EXPECT_TRUE(verify({.ledger_key = thumbprint(keys_.ledger.public_key())}).anchored());
  EXPECT_TRUE(verify({.keys = {thumbprint(keys_.session.public_key())}}).anchored());
  EXPECT_TRUE(verify({.head = chain_.head()}).anchored());
  EXPECT_FALSE(verify({.keys = {Bytes(32)}}).anchored()) << "one that does not fit";
}

TEST_F(Expected, AHeadBeforeTheLedgersKeyAnchorsNoMoreThanWhatItCovers) {
  ChainText begun;
  begun.add(ledger::Event::open, open_data()).add(ledger::Event::login, nlohmann::json::object());
  const Verification before = verify({.head = begun.head()});
  EXPECT_EQ(before.verdict, Verdict::sealed);
  EXPECT_FALSE(before.anchored());
  EXPECT_EQ(before.anchored_entries, 2U);
  begun.add(ledger::Event::active, active_data(keys_));
  EXPECT_TRUE(verify({.head = begun.head()}).anchored()) << "the seal vouches for the rest";
  EXPECT_FALSE(verify({.head = ledger::ChainHead{0, ledger::no_hash()}}).anchored());

  // The attack: all after the head is another's, sealed with a key of his own.
  const ChainKeys forger;
  ChainText forged;
  forged.add(ledger::Event::open, open_data())
      .add(ledger::Event::login, nlohmann::json::object())
      .add(ledger::Event::active, active_data(forger))
      .add(ledger::Event::end, end_data())
      .seal(forger.ledger);
  ChainText same;
  same.add(ledger::Event::open, open_data()).add(ledger::Event::login, nlohmann::json::object());
  EXPECT_FALSE(verify_text(forged.text(), {.head = same.head()}).anchored());
}

TEST_F(Expected, WithoutASealAKeyVouchesForNoEntry) {
  const ChainText open = unsealed_chain(keys_);
  const Bytes key = thumbprint(keys_.ledger.public_key());
  EXPECT_EQ(verify_text(open.text(), {.ledger_key = key}).anchored_entries, 0U);
  EXPECT_TRUE(verify_text(open.text(), {.head = open.head()}).anchored()) << "all are known";
}

}  // namespace
}  // namespace mayfly::test
