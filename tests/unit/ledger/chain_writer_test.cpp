#include "ledger/chain_writer.h"

#include <fcntl.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "ledger/canonical_json.h"
#include "support/failure_of.h"
#include "support/sample_chain.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

using ledger::ChainWriter;
using ledger::Event;
using ledger::Sync;
using ledger::Verdict;

class ChainWriterTest : public testing::TestWithParam<Sync> {
 protected:
  [[nodiscard]] std::string content() const {
    return read_file(ledger::chain_path(folder_.path(), sample_task().serial));
  }

  void begin(ChainWriter& writer) const {
    writer.append(Event::open, ledger::canonical_json(open_data()));
    writer.append(Event::active, ledger::canonical_json(active_data(keys_)));
    writer.append(Event::generation, ledger::canonical_json(generation_data(keys_)));
  }

  [[nodiscard]] ChainWriter::Sign signer() const {
    return [this](std::string_view statement) { return sign_statement(keys_.ledger, statement); };
  }

  const TempFolder folder_;
  const ChainKeys keys_;
  const std::string end_ = ledger::canonical_json(end_data());
  const std::string destruction_ = ledger::canonical_json(destruction_data(keys_));
};

TEST_P(ChainWriterTest, WritesAChainThatVerifies) {
  ChainWriter writer(folder_.path(), sample_task(), GetParam());
  begin(writer);
  EXPECT_EQ(verify_text(content()).verdict, Verdict::unsealed) << "all of it is there at once";
  EXPECT_EQ(verify_text(content()).summary.head, writer.head());
  writer.append(Event::destruction, destruction_);
  writer.close(end_, signer());
  const ledger::Verification found = verify_text(content(), {.head = writer.head()});
  EXPECT_EQ(found.verdict, Verdict::sealed) << found.problem;
  EXPECT_EQ(found.summary.head.entries, 6U);
}

INSTANTIATE_TEST_SUITE_P(EachSync, ChainWriterTest,
                         testing::Values(Sync::entry, Sync::interval, Sync::end),
                         [](const auto& instance) {
                           if (instance.param == Sync::entry) return "AtEntries";
                           return instance.param == Sync::interval ? "AtIntervals" : "AtTheEnd";
                         });

class ChainWriterOnce : public ChainWriterTest {};
INSTANTIATE_TEST_SUITE_P(Interval, ChainWriterOnce, testing::Values(Sync::interval));

class ChainWriterEach : public ChainWriterTest {};
INSTANTIATE_TEST_SUITE_P(Entry, ChainWriterEach, testing::Values(Sync::entry));

TEST_P(ChainWriterEach, HasNothingOfAnEntryWhoseFolderCanNotBeForcedToTheDisk) {
  ChainWriter writer(folder_.path(), sample_task(), GetParam());
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0777));
  EXPECT_EQ(answer_of([&] { begin(writer); }), CKR_FUNCTION_FAILED);
  EXPECT_EQ(content(), "");
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0700));
  begin(writer);
  writer.append(Event::destruction, destruction_);
  writer.close(end_, signer());
  EXPECT_EQ(verify_text(content()).verdict, Verdict::sealed) << verify_text(content()).problem;
}

TEST_P(ChainWriterOnce, TakesEntriesFromManyThreads) {
  ChainWriter writer(folder_.path(), sample_task(), GetParam());
  begin(writer);
  const std::string data = ledger::canonical_json(signature_data(keys_));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n) writer.append(Event::signature, data);
    });
  }
  for (std::thread& thread : threads) thread.join();
  writer.append(Event::destruction, destruction_);
  writer.close(end_, signer());
  const ledger::Verification found = verify_text(content());
  EXPECT_EQ(found.verdict, Verdict::sealed) << found.line << " " << found.problem;
  EXPECT_EQ(found.summary.signatures, 1600U);
}

TEST_P(ChainWriterOnce, TakesNothingAfterItWasClosed) {
  ChainWriter writer(folder_.path(), sample_task(), GetParam());
  begin(writer);
  writer.append(Event::destruction, destruction_);
  writer.close(end_, signer());
  const std::string before = content();
  EXPECT_EQ(answer_of([&] { writer.append(Event::refusal, "{}"); }), CKR_FUNCTION_FAILED);
  EXPECT_EQ(answer_of([&] { writer.close(end_, signer()); }), CKR_FUNCTION_FAILED);
  EXPECT_EQ(content(), before);
}

TEST_P(ChainWriterOnce, EndsWithoutASealIfTheKeyCanNotSign) {
  ChainWriter writer(folder_.path(), sample_task(), GetParam());
  begin(writer);
  writer.append(Event::destruction, destruction_);
  const auto gone = [](std::string_view) -> Bytes {
    throw Error(CKR_DEVICE_REMOVED, "the device is gone");
  };
  EXPECT_EQ(answer_of([&] { writer.close(end_, gone); }), CKR_DEVICE_REMOVED);
  EXPECT_EQ(verify_text(content()).verdict, Verdict::unsealed);
  EXPECT_EQ(verify_text(content()).summary.end, TaskState::closed);
}

TEST_P(ChainWriterOnce, EndsWithoutASealIfThereNeverWasAKey) {
  ChainWriter writer(folder_.path(), sample_task(), GetParam());
  writer.append(Event::open, ledger::canonical_json(open_data()));
  writer.close(end_, {});
  EXPECT_EQ(verify_text(content()).verdict, Verdict::keyless);
}

TEST_P(ChainWriterOnce, RefusesAnEntryThatIsTooLong) {
  ChainWriter writer(folder_.path(), sample_task(), GetParam());
  begin(writer);
  const std::string before = content();
  EXPECT_EQ(answer_of([&] {
              writer.append(Event::refusal,
                            "{\"a\":\"" + std::string(ledger::kMaxLine, 'x') + "\"}");
            }),
            CKR_FUNCTION_FAILED);
  EXPECT_EQ(content(), before);
  writer.append(Event::destruction, destruction_);
  writer.close(end_, signer());
  EXPECT_EQ(verify_text(content()).verdict, Verdict::sealed) << "the next ones fit on";
}

TEST_P(ChainWriterOnce, GoesOnBehindAnEntryThatCouldNotBeWritten) {
  ChainWriter writer(folder_.path(), sample_task(), GetParam());
  begin(writer);
  const auto file = ledger::chain_path(folder_.path(), sample_task().serial);
  const auto size = std::filesystem::file_size(file);
  ASSERT_EQ(truncate(file.c_str(), static_cast<off_t>(size) + 1), 0);
  std::this_thread::sleep_for(ledger::ChainFile::kLookAgain);
  EXPECT_EQ(answer_of([&] { writer.append(Event::refusal, "{}"); }), CKR_FUNCTION_FAILED);
  ASSERT_EQ(truncate(file.c_str(), static_cast<off_t>(size)), 0);
  writer.append(Event::destruction, destruction_);
  writer.close(end_, signer());
  EXPECT_EQ(verify_text(content()).verdict, Verdict::sealed);
}

TEST_P(ChainWriterOnce, LeavesNoFileOfATaskThatWasNotOpened) {
  { const ChainWriter writer(folder_.path(), sample_task(), GetParam()); }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace mayfly::test
