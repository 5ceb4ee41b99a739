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
  EXPECT_FALSE(Expectations().anchored());
  EXPECT_FALSE((Expectations{.task_id = "x", .serial = "y"}).anchored());
  EXPECT_TRUE((Expectations{.ledger_key = Bytes(32)}).anchored());
  EXPECT_TRUE((Expectations{.keys = {Bytes(32)}}).anchored());
  EXPECT_TRUE((Expectations{.head = chain_.head()}).anchored());
}

}  // namespace
}  // namespace mayfly::test
