// What can be done to a sealed chain by somebody who has it, and that it shows.
#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/task_binding.h"
#include "ledger/canonical_json.h"
#include "support/sample_chain.h"

namespace mayfly::test {
namespace {

using ledger::Event;
using ledger::Verdict;
using ledger::Verification;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line + "\n");
  return lines;
}

std::string joined_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

class Tamper : public testing::Test {
 protected:
  Tamper() { EXPECT_EQ(verify_text(chain_).verdict, Verdict::sealed); }

  const ChainKeys keys_;
  const std::string chain_ = sealed_chain(keys_);
  const std::vector<std::string> lines_ = lines_of(chain_);
};

TEST_F(Tamper, EveryFlippedByteIsCaughtAtItsLineOrTheNext) {
  std::uint64_t line = 1;
  for (std::size_t place = 0; place < chain_.size(); ++place) {
    for (const int change : {0x01, 0x20, 1 << (place % 8)}) {
      std::string changed = chain_;
      changed[place] = static_cast<char>(changed[place] ^ change);
      const Verification found = verify_text(changed);
      ASSERT_NE(found.verdict, Verdict::sealed) << "byte " << place;
      ASSERT_FALSE(found.problem.empty()) << "byte " << place;
      ASSERT_TRUE(found.line == line || found.line == line + 1)
          << "byte " << place << " of line " << line << ": " << found.line << " " << found.problem;
    }
    if (chain_[place] == '\n') ++line;
  }
}

TEST_F(Tamper, EveryLineThatIsRemovedIsMissed) {
  for (std::size_t gone = 0; gone < lines_.size(); ++gone) {
    std::vector<std::string> rest = lines_;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(gone));
    const Verification found = verify_text(joined_lines(rest));
    if (gone + 1 == lines_.size()) {
      EXPECT_EQ(found.verdict, Verdict::unsealed) << "the seal is missing";
      EXPECT_EQ(found.line, lines_.size() - 1);
    } else {
      EXPECT_EQ(found.verdict, Verdict::tampered) << gone;
      EXPECT_EQ(found.line, gone + 1);
    }
  }
}

TEST_F(Tamper, EveryLineThatIsDoubledIsSeen) {
  for (std::size_t twice = 0; twice < lines_.size(); ++twice) {
    std::vector<std::string> more = lines_;
    more.insert(more.begin() + static_cast<std::ptrdiff_t>(twice), lines_[twice]);
    const Verification found = verify_text(joined_lines(more));
    EXPECT_EQ(found.verdict, Verdict::tampered) << twice;
    EXPECT_EQ(found.line, twice + 2);
  }
}

TEST_F(Tamper, EveryTwoLinesThatAreSwappedAreSeen) {
  for (std::size_t a = 0; a < lines_.size(); ++a) {
    for (std::size_t b = a + 1; b < lines_.size(); ++b) {
      std::vector<std::string> swapped = lines_;
      std::swap(swapped[a], swapped[b]);
      const Verification found = verify_text(joined_lines(swapped));
      EXPECT_EQ(found.verdict, Verdict::tampered) << a << " " << b;
      EXPECT_EQ(found.line, a + 1);
    }
  }
}

TEST_F(Tamper, EveryTailThatIsCutOffIsMissed) {
  for (std::size_t length = 0; length < chain_.size(); ++length) {
    const std::string rest = chain_.substr(0, length);
    const Verification found = verify_text(rest);
    const auto whole = static_cast<std::uint64_t>(std::ranges::count(rest, '\n'));
    if (length == 0) {
      EXPECT_EQ(found.verdict, Verdict::tampered);
    } else if (rest.ends_with('\n')) {
      EXPECT_EQ(found.verdict, Verdict::unsealed) << length;
      EXPECT_EQ(found.line, whole);
    } else {
      EXPECT_EQ(found.verdict, Verdict::truncated) << length;
      EXPECT_EQ(found.line, whole + 1);
    }
    ASSERT_FALSE(found.problem.empty());
  }
}

TEST_F(Tamper, ALineThatSaysTheSameInAnotherFormIsNone) {
  // The last one: nothing has its hash.
  std::string chain = chain_;
  chain.insert(chain.rfind("\"event\""), " ");
  const Verification found = verify_text(chain);
  EXPECT_EQ(found.verdict, Verdict::tampered);
  EXPECT_EQ(found.line, lines_.size());
}

TEST_F(Tamper, NothingCanBeAddedBehindTheSeal) {
  for (const std::string& line : lines_) {
    EXPECT_EQ(verify_text(chain_ + line).verdict, Verdict::tampered);
  }
  EXPECT_EQ(verify_text(chain_ + "\n").verdict, Verdict::tampered);
  EXPECT_EQ(verify_text(chain_ + "{").verdict, Verdict::tampered);
}

TEST_F(Tamper, ASignatureThatIsTakenOutAndLinkedAnewBreaksTheSeal) {
  // All but the seal can be computed anew; the old seal is of another chain.
  ChainText rebuilt;
  rebuilt.add(Event::open, open_data())
      .add(Event::active, active_data(keys_))
      .add(Event::generation, generation_data(keys_))
      .add(Event::destruction, destruction_data(keys_))
      .add(Event::end, end_data());
  rebuilt.add(Event::seal, nlohmann::json::parse(lines_.back()).at("data"));
  const Verification found = verify_text(rebuilt.text());
  EXPECT_EQ(found.verdict, Verdict::tampered);
  EXPECT_EQ(found.line, 6U);
}

TEST_F(Tamper, ASealOfAnotherTaskIsNone) {
  for (const ledger::ChainTask& other : {ledger::ChainTask{"another", sample_task().serial},
                                         ledger::ChainTask{sample_task().id, "ffffffffffffffff"}}) {
    const std::string chain = unsealed_chain(keys_).seal(keys_.ledger, other).text();
    EXPECT_EQ(verify_text(chain).verdict, Verdict::tampered);
  }
}

/// The chain as somebody rebuilds it who has all files, but none of the destroyed keys.
std::string forged_chain(const ChainKeys& keys, const nlohmann::json& generation) {
  const ChainKeys own;
  ChainText forged;
  forged.add(Event::open, open_data())
      .add(Event::active, active_data(own))
      .add(Event::generation, generation)
      .add(Event::destruction, destruction_data(keys))
      .add(Event::end, end_data())
      .seal(own.ledger);
  return forged.text();
}

TEST_F(Tamper, ARebuiltChainIsCaughtByTheTasksKeyByTheLedgersKeyAndByAHash) {
  nlohmann::json without = generation_data(keys_);
  without.erase("endorsement");
  const std::string forged = forged_chain(keys_, without);
  ASSERT_EQ(verify_text(forged).verdict, Verdict::sealed)
      << "nothing in the file itself tells: that is why something must be known from elsewhere";

  ledger::Expectations key;
  key.keys = {thumbprint(keys_.session.public_key())};
  EXPECT_EQ(verify_text(chain_, key).verdict, Verdict::sealed);
  const Verification by_key = verify_text(forged, key);
  EXPECT_EQ(by_key.verdict, Verdict::tampered);
  EXPECT_EQ(by_key.line, 3U);

  ledger::Expectations ledger_key;
  ledger_key.ledger_key = thumbprint(keys_.ledger.public_key());
  EXPECT_EQ(verify_text(chain_, ledger_key).verdict, Verdict::sealed);
  const Verification by_ledger_key = verify_text(forged, ledger_key);
  EXPECT_EQ(by_ledger_key.verdict, Verdict::tampered);
  EXPECT_EQ(by_ledger_key.line, 2U);

  ledger::Expectations hash;
  hash.head = ledger::ChainHead{
      2, digest(Hash::sha256, as_bytes(lines_[1].substr(0, lines_[1].size() - 1)))};
  EXPECT_EQ(verify_text(chain_, hash).verdict, Verdict::sealed);
  const Verification by_hash = verify_text(forged, hash);
  EXPECT_EQ(by_hash.verdict, Verdict::tampered);
  EXPECT_EQ(by_hash.line, 2U);
}

TEST_F(Tamper, AnEndorsementOfAnotherLedgersKeyDoesNotHelpTheForger) {
  const Verification found = verify_text(forged_chain(keys_, generation_data(keys_)));
  EXPECT_EQ(found.verdict, Verdict::tampered);
  EXPECT_EQ(found.line, 3U);
}

/// An opening, and an end that is linked to it as it should be but for number and time.
Verification found_of(std::uint64_t number, std::uint64_t time_ms) {
  const auto line = [](std::uint64_t n, std::uint64_t time, const Bytes& previous, Event event,
                       const nlohmann::json& data) {
    return ledger::line_of(event, ledger::canonical_json(data), n, to_hex(previous), time);
  };
  const std::string first = line(1, 2000, ledger::no_hash(), Event::open, open_data());
  const Bytes hash = digest(Hash::sha256, as_bytes(first));
  return verify_text(first + "\n" + line(number, time_ms, hash, Event::end, end_data()) + "\n");
}

TEST_F(Tamper, ATimeThatRunsBackIsSeen) {
  EXPECT_EQ(found_of(2, 2000).verdict, Verdict::keyless);
  EXPECT_EQ(found_of(2, 1999).verdict, Verdict::tampered);
  EXPECT_EQ(found_of(2, 1999).line, 2U);
}

TEST_F(Tamper, ANumberThatIsLeftOutIsSeen) {
  EXPECT_EQ(found_of(3, 2000).verdict, Verdict::tampered);
  EXPECT_EQ(found_of(3, 2000).line, 2U);
  EXPECT_EQ(found_of(1, 2000).verdict, Verdict::tampered);
}

}  // namespace
}  // namespace mayfly::test
