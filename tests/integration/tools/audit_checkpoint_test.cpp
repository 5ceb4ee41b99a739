// `mayfly audit checkpoint`, and what `mayfly audit verify` finds with what it made.
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/clock.h"
#include "integration/tools/audit_fixture.h"
#include "ledger/chain_log.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using ledger::Event;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

constexpr std::uint64_t kDayMs = 24 * 3'600'000;

class AuditCheckpoint : public AuditFixture {
 protected:
  AuditCheckpoint() {
    fs::create_directory(folder());
    fs::permissions(folder(), fs::perms::owner_all);
    write(private_key(), key_.pem());
    write(public_key(), key_.public_pem());
  }

  [[nodiscard]] fs::path folder() const { return sandbox_.root() / "ledger"; }
  [[nodiscard]] std::string private_key() const { return (sandbox_.root() / "key.pem").string(); }
  [[nodiscard]] std::string public_key() const { return (sandbox_.root() / "public.pem").string(); }
  [[nodiscard]] fs::path chain_file(const std::string& serial) const {
    return folder() / (serial + ".jsonl");
  }

  static void write(const fs::path& path, const std::string& text) {
    fs::remove(path);
    std::ofstream(path, std::ios::binary) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }

  /// A sealed chain of a task of its own.
  std::string add_chain(char digit, std::uint64_t time_ms = 1'800'000'000'000) const {
    const std::string serial(16, digit);
    write(chain_file(serial), chain_text(serial, time_ms));
    return serial;
  }
  [[nodiscard]] std::string chain_text(const std::string& serial, std::uint64_t time_ms) const {
    const ledger::ChainTask task{"task " + serial, serial};
    Json open = open_data();
    open["task"] = task.id;
    open["serial"] = task.serial;
    ChainText chain(time_ms);
    chain.add(Event::open, open).add(Event::active, active_data(keys_)).add(Event::end, end_data());
    return chain.seal(keys_.ledger, task).text();
  }

  [[nodiscard]] Outcome sign(const Words& more = {}) const {
    Words words = {"checkpoint",  "--folder", folder().string(),         "--key",
                   private_key(), "--origin", "example.org/mayfly/host1"};
    words.insert(words.end(), more.begin(), more.end());
    return audit(words);
  }
  /// Signs, and keeps the checkpoint elsewhere. @return where.
  std::string keep(const std::string& name) const {
    const Outcome made = sign();
    EXPECT_EQ(made.status, kOk) << made.err;
    const fs::path path = sandbox_.root() / name;
    write(path, made.out);
    return path.string();
  }
  [[nodiscard]] Outcome verify(const Words& checkpoints, const Words& more = {}) const {
    Words words = {"verify", "--folder", folder().string(), "--checkpoint-key", public_key()};
    for (const std::string& checkpoint : checkpoints) {
      words.insert(words.end(), {"--checkpoint", checkpoint});
    }
    words.insert(words.end(), more.begin(), more.end());
    return audit(words);
  }

  const TestSigner key_{JwsAlgorithm::eddsa};
};

TEST_F(AuditCheckpoint, CoversWhatIsClosed) {
  add_chain('b', 1'800'000'001'000);
  add_chain('a', 1'800'000'002'000);
  const std::string kept = keep("kept");
  const Outcome found = verify({kept});
  EXPECT_EQ(found.status, kOk) << found.out << found.err;
  EXPECT_THAT(found.out, HasSubstr("covers       2 records of example.org/mayfly/host1"));
  const auto log = ledger::ChainLog::read(folder());
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log.chains()[0].task.serial, std::string(16, 'b')) << "in the order of ending";
  EXPECT_EQ(verify({kept}, {"--json"}).status, kOk);
}

TEST_F(AuditCheckpoint, FindsAChainThatWasTakenAway) {
  const std::string gone = add_chain('a');
  add_chain('b');
  const std::string kept = keep("kept");
  fs::remove(chain_file(gone));
  const Outcome found = verify({kept});
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr(gone + ".jsonl is missing\n"));
  EXPECT_THAT(found.out, HasSubstr("it was taken away"));
  EXPECT_EQ(audit({"verify", "--folder", folder().string()}).status, kOk) << "nothing else sees it";
}

TEST_F(AuditCheckpoint, FindsAChainThatWasPutInTheOthersPlace) {
  const std::string serial = add_chain('a');
  const std::string kept = keep("kept");
  write(chain_file(serial), chain_text(serial, 1'800'000'000'001));
  EXPECT_EQ(audit({"verify", "--folder", folder().string()}).status, kOk) << "it fits in itself";
  const Outcome found = verify({kept});
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr("tampered"));
}

TEST_F(AuditCheckpoint, FindsAChainOfADeadProcessThatSomebodyWentOnWith) {
  const std::string serial = sample_task().serial;
  ChainText open;
  open.add(Event::open, open_data()).add(Event::login, Json::object());
  write(chain_file(serial), open.text());
  fs::permissions(chain_file(serial), fs::perms::owner_read);  // its process is known to be dead
  const std::string kept = keep("kept");
  EXPECT_EQ(verify({kept}, {"--accept-unsealed"}).status, kOk);
  open.add(Event::login, Json::object());
  write(chain_file(serial), open.text());
  const Outcome found = verify({kept}, {"--accept-unsealed"});
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr("another end than at the checkpoint"));
}

TEST_F(AuditCheckpoint, FindsAListThatWasChangedOrRemoved) {
  add_chain('a');
  add_chain('b');
  const std::string kept = keep("kept");
  const fs::path list = ledger::chain_log_path(folder());
  const std::string text = read_file(list);
  write(list, text.substr(0, text.find('\n') + 1));
  EXPECT_EQ(verify({kept}).status, kNotSealed);
  EXPECT_THAT(verify({kept}).out, HasSubstr("had 2 records then, and has 1 now"));
  const Outcome refused = sign();
  EXPECT_EQ(refused.status, kNotSealed) << "two lists would be signed";
  EXPECT_THAT(refused.err, HasSubstr("does not begin as it did"));
  const std::size_t first = text.find('\n') + 1;
  write(list, text.substr(first) + text.substr(0, first));
  EXPECT_THAT(verify({kept}).out, HasSubstr("are others than they were then"));
  write(list, "no list\n");
  EXPECT_THAT(verify({kept}).out, HasSubstr("line 1 was changed"));
  EXPECT_EQ(verify({kept}).status, kNotSealed);
  fs::remove(list);
  EXPECT_EQ(verify({kept}).status, kNotSealed);
}

TEST_F(AuditCheckpoint, OfLaterGoesOnFromThatOfBefore) {
  add_chain('a');
  const std::string first = keep("first");
  add_chain('b');
  const std::string second = keep("second");
  EXPECT_EQ(verify({first, second}).status, kOk);
  // Begun anew with another history, by whoever has the folder and the key: the older one tells.
  fs::remove(ledger::chain_log_path(folder()));
  fs::remove(folder() / "checkpoint");
  fs::remove(chain_file(std::string(16, 'a')));
  add_chain('c');
  const std::string other = keep("other");
  EXPECT_EQ(verify({other}).status, kOk);
  EXPECT_EQ(verify({first, other}).status, kNotSealed);
}

TEST_F(AuditCheckpoint, KnowsWhatWasPurgedAndHowOldItWas) {
  const std::uint64_t now_ms = unix_now_s() * 1000;
  add_chain('a', now_ms - 400 * kDayMs);
  add_chain('b', now_ms - 10 * kDayMs);
  const std::string kept = keep("kept");
  const Outcome purged = audit({"purge", "--folder", folder().string(), "--older", "365d"});
  EXPECT_EQ(purged.status, kOk) << purged.err;
  EXPECT_THAT(purged.out, HasSubstr("1 removed, 1 kept"));
  EXPECT_EQ(verify({kept}).status, kNotSealed) << "nobody said that this is right";
  EXPECT_THAT(verify({kept}).out, HasSubstr("removed by mayfly audit purge on "));
  EXPECT_EQ(verify({kept}, {"--retention", "365d"}).status, kOk);
  EXPECT_EQ(verify({kept}, {"--retention", "500d"}).status, kNotSealed);
  EXPECT_THAT(verify({kept}, {"--retention", "500d"}).out, HasSubstr("too early"));
  EXPECT_EQ(verify({keep("after")}, {"--retention", "365d"}).status, kOk);
  const auto log = ledger::ChainLog::read(folder());
  EXPECT_EQ(log.size(), 3U);
  EXPECT_GE(log.purged(std::string(16, 'a'))->time_ms, now_ms);
}

TEST_F(AuditCheckpoint, IsNotDeceivedByAPurgeThatIsMadeUp) {
  const std::uint64_t now_ms = unix_now_s() * 1000;
  const std::string gone = add_chain('a', now_ms - 10 * kDayMs);
  const std::string kept = keep("kept");
  fs::remove(chain_file(gone));
  {
    ledger::ChainLogFile list(folder());
    ledger::ClosedChain record = list.log().chains()[0];
    record.event = ledger::ClosedChain::Event::purged;
    record.time_ms += 100 * kDayMs;
    list.add({record});
  }
  const Outcome found = verify({kept}, {"--retention", "90d"});
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr("a time that is still to come"));
}

TEST_F(AuditCheckpoint, PurgeTellsOfChainsThatNoCheckpointHad) {
  add_chain('a', 1'500'000'000'000);
  ASSERT_EQ(audit({"purge", "--folder", folder().string(), "--older", "1d", "--dry-run"}).status,
            kOk);
  EXPECT_EQ(ledger::ChainLog::read(folder()).size(), 0U);
  ASSERT_EQ(audit({"purge", "--folder", folder().string(), "--older", "1d"}).status, kOk);
  EXPECT_EQ(ledger::ChainLog::read(folder()).size(), 2U);
}

TEST_F(AuditCheckpoint, IsNotGivenForWhatWasTamperedWith) {
  const std::string serial = add_chain('a');
  std::string text = read_file(chain_file(serial));
  text.replace(text.find("closed"), 6, "cl0sed");
  write(chain_file(serial), text);
  add_chain('b');
  const Outcome made = sign();
  EXPECT_EQ(made.status, kNotSealed);
  EXPECT_THAT(made.err, HasSubstr("not covered: "));
  EXPECT_THAT(made.out, HasSubstr("example.org/mayfly/host1\n1\n"));
}

// What could be waited for without end, or has none.
TEST_F(AuditCheckpoint, IsNotHeldUpByWhatIsNoFile) {
  add_chain('a');
  ASSERT_EQ(mkfifo(chain_file(std::string(16, 'b')).c_str(), 0600), 0);
  fs::create_symlink("/dev/zero", chain_file(std::string(16, 'c')));
  const Outcome made = sign();
  EXPECT_EQ(made.status, kNotSealed);
  EXPECT_THAT(made.err, HasSubstr("bbbb.jsonl: it can't be read, or is no regular file"));
  EXPECT_THAT(made.err, HasSubstr("cccc.jsonl: it can't be read, or is no regular file"));
  EXPECT_THAT(made.out, HasSubstr("example.org/mayfly/host1\n1\n"));
  const Outcome checked = audit({"verify", "--folder", folder().string()});
  EXPECT_EQ(checked.status, kNoInput);
  EXPECT_THAT(checked.err, HasSubstr("it is no regular file"));
}

// All that the folder's owner can do to make a chain vanish.
TEST_F(AuditCheckpoint, GoesOnFromTheOneThatIsKeptElsewhere) {
  add_chain('a');
  add_chain('b');
  const std::string kept = (sandbox_.root() / "kept").string();
  ASSERT_EQ(sign({"--out", kept}).status, kOk);
  const std::string note = read_file(kept);
  fs::remove(chain_file(std::string(16, 'a')));
  fs::remove(folder() / "closed-chains");
  fs::remove(folder() / "checkpoint");
  add_chain('c');
  const Outcome again = sign({"--out", kept});
  EXPECT_EQ(again.status, kNotSealed);
  EXPECT_THAT(again.err, HasSubstr("does not begin as it did"));
  EXPECT_EQ(read_file(kept), note);
}

// Root signs, and the folder is in the hands of somebody else.
TEST_F(AuditCheckpoint, RootWritesNowhereElseForTheFoldersOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "only root acts for others";
  constexpr uid_t kNobody = 65534;
  const TempFolder place;
  fs::permissions(place.path(), fs::perms::owner_all | fs::perms::others_exec);
  const fs::path mine = place.path() / "of root";
  const fs::path his = place.path() / "his";
  for (const fs::path& made : {mine, his}) fs::create_directory(made);
  ASSERT_EQ(chown(his.c_str(), kNobody, kNobody), 0);
  const fs::path ledger = his / "ledger";
  const auto sign_there = [&] {
    return audit({"checkpoint", "--folder", ledger.string(), "--key", private_key(), "--origin",
                  "example.org/mayfly/host1"});
  };
  fs::create_directory_symlink(mine, ledger);
  ASSERT_EQ(lchown(ledger.c_str(), kNobody, kNobody), 0);
  EXPECT_NE(sign_there().status, kOk);
  EXPECT_TRUE(fs::is_empty(mine));
  fs::remove(ledger);
  fs::create_directory(ledger);
  ASSERT_EQ(chown(ledger.c_str(), kNobody, kNobody), 0);
  const Outcome made = sign_there();
  EXPECT_EQ(made.status, kOk) << made.err;
  for (const char* name : {"closed-chains", "checkpoint"}) {
    struct stat status {};
    ASSERT_EQ(stat((ledger / name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_uid, kNobody) << name;
  }
}

TEST_F(AuditCheckpoint, IsOfItsKeyAndItsOrigin) {
  add_chain('a');
  const std::string kept = keep("kept");
  const TestSigner other(JwsAlgorithm::eddsa);
  write(sandbox_.root() / "other.pem", other.pem());
  write(public_key(), other.public_pem());
  EXPECT_EQ(verify({kept}).status, kNotSealed);
  EXPECT_THAT(verify({kept}).out, HasSubstr("not signed by the expected key"));
  EXPECT_EQ(sign({"--origin", "another"}).status, kUsage) << "given twice";
  const Words as_other = {"checkpoint", "--folder", folder().string(), "--key",
                          (sandbox_.root() / "other.pem").string()};
  EXPECT_EQ(audit(as_other).status, kNotSealed);
  Words with_new_key = as_other;
  with_new_key.emplace_back("--new-key");
  EXPECT_EQ(audit(with_new_key).status, kOk);
  const TestSigner wrong_kind(JwsAlgorithm::es256);
  write(private_key(), wrong_kind.pem());
  const std::uint64_t before = ledger::ChainLog::read(folder()).size();
  add_chain('b');
  EXPECT_EQ(sign({"--new-key"}).status, kUsage);
  EXPECT_THAT(sign({"--new-key"}).err, HasSubstr("EC P-256, but"));
  EXPECT_THAT(sign({"--new-key"}).err, HasSubstr("openssl genpkey -algorithm ed25519"));
  EXPECT_EQ(ledger::ChainLog::read(folder()).size(), before) << "nothing is written";
  EXPECT_EQ(verify({kept}, {"FILE"}).status, kUsage);
  EXPECT_EQ(audit({"verify", "--folder", folder().string(), "--checkpoint", kept}).status, kUsage);
}

/// Somebody else's eyes: openssl, over the parts of the note.
TEST_F(AuditCheckpoint, IsASignedNoteForOthersToo) {
  add_chain('a');
  const std::string note = sign().out;
  const std::size_t blank = note.find("\n\n");
  ASSERT_NE(blank, note.npos);
  const std::size_t start = note.rfind(' ') + 1;
  const Bytes line = parse_base64(note.substr(start, note.size() - 1 - start)).value();
  ASSERT_EQ(line.size(), 4U + 64U);
  const fs::path text = sandbox_.root() / "text";
  const fs::path signature = sandbox_.root() / "signature";
  write(text, note.substr(0, blank + 1));
  write(signature, std::string(as_text(ByteView(line).subspan(4))));
  const Words check = {"/usr/bin/openssl", "pkeyutl",    "-verify",         "-pubin",
                       "-inkey",           public_key(), "-rawin",          "-in",
                       text.string(),      "-sigfile",   signature.string()};
  EXPECT_THAT(run(check).out, HasSubstr("Signature Verified Successfully"));
  write(text, note.substr(0, blank));
  EXPECT_THAT(run(check).out, Not(HasSubstr("Signature Verified Successfully")));
}

}  // namespace
}  // namespace mayfly::test
