// The list of closed chains, the tree over it, and checkpoints of it.
#include "ledger/checkpoint.h"

#include <fstream>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/pem_signer.h"
#include "ledger/chain_log.h"
#include "ledger/closed_chains.h"
#include "ledger/merkle_tree.h"
#include "support/sample_chain.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using ledger::Checkpoint;
using ledger::ClosedChain;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// The leaves of Certificate Transparency's own tests, with the roots of the trees over the first
/// one, two, … of them.
constexpr const char* kLeaves[] = {"",
                                   "00",
                                   "10",
                                   "2021",
                                   "3031",
                                   "40414243",
                                   "5051525354555657",
                                   "606162636465666768696a6b6c6d6e6f"};
constexpr const char* kRoots[] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

TEST(MerkleTree, HasTheRootsOfCertificateTransparency) {
  std::vector<Bytes> leaves;
  EXPECT_EQ(to_hex(ledger::merkle_root(leaves)),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (std::size_t i = 0; i < std::size(kLeaves); ++i) {
    leaves.push_back(ledger::leaf_hash(parse_hex(kLeaves[i]).value()));
    EXPECT_EQ(to_hex(ledger::merkle_root(leaves)), kRoots[i]) << i + 1 << " leaves";
  }
}

/// RFC 6962, 2.1, as it is written.
Bytes recursive_root(std::span<const Bytes> leaves) {
  if (leaves.size() == 1) return leaves[0];
  std::size_t half = 1;
  while (half * 2 < leaves.size()) half *= 2;
  Bytes both = {1};
  for (const auto part : {leaves.first(half), leaves.subspan(half)}) {
    const Bytes root = recursive_root(part);
    both.insert(both.end(), root.begin(), root.end());
  }
  return digest(Hash::sha256, both);
}

TEST(MerkleTree, IsThatOfTheDefinitionForEverySize) {
  std::vector<Bytes> leaves;
  for (std::uint8_t i = 0; i < 70; ++i) {
    leaves.push_back(ledger::leaf_hash(Bytes{i}));
    EXPECT_EQ(ledger::merkle_root(leaves), recursive_root(leaves)) << leaves.size();
  }
}

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() {
    const TestApprover key(grant::Algorithm::eddsa);
    signer_ = signer_of_pem(as_bytes(key.pem()));
  }

  static Checkpoint sample() {
    return {"example.org/mayfly/host1", 20852163, digest(Hash::sha256, as_bytes("root"))};
  }

  [[nodiscard]] CK_RV fault_of(const std::string& note) const {
    try {
      static_cast<void>(ledger::open_checkpoint(note, signer_->public_key()));
      return CKR_OK;
    } catch (const Error& error) {
      return error.rv();
    }
  }

  /// A note of any text, signed as a checkpoint is.
  [[nodiscard]] std::string note(const std::string& text, const std::string& name) const {
    const std::string whole = ledger::sign_checkpoint({name, 0, Bytes(32, 0)}, *signer_);
    const std::size_t start = whole.rfind(' ') + 1;
    const Bytes old = parse_base64(whole.substr(start, whole.size() - 1 - start)).value();
    Bytes line(old.begin(), old.begin() + 4);
    const Bytes signature =
        signer_->sign({Scheme::eddsa, Hash::none, Hash::none, 0}, as_bytes(text));
    line.insert(line.end(), signature.begin(), signature.end());
    return text + "\n\u2014 " + name + " " + to_base64(line) + "\n";
  }

  std::unique_ptr<Signer> signer_;
};

TEST_F(CheckpointTest, SaysWhatWasSigned) {
  const std::string note = ledger::sign_checkpoint(sample(), *signer_);
  EXPECT_EQ(ledger::open_checkpoint(note, signer_->public_key()), sample());
  EXPECT_TRUE(note.starts_with("example.org/mayfly/host1\n20852163\n" + to_base64(sample().root) +
                               "\n\n\u2014 example.org/mayfly/host1 "));
}

TEST_F(CheckpointTest, IsNothingOnceAByteOfItIsChanged) {
  const std::string note = ledger::sign_checkpoint(sample(), *signer_);
  for (std::size_t at = 0; at < note.size(); ++at) {
    std::string changed = note;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_NE(fault_of(changed), CKR_OK) << at;
  }
  for (std::size_t size = 0; size < note.size(); ++size) {
    EXPECT_NE(fault_of(note.substr(0, size)), CKR_OK) << size;
  }
}

TEST_F(CheckpointTest, MayHaveSignaturesOfOthersAndMoreLines) {
  const std::string others = ledger::sign_checkpoint(
      sample(), *signer_of_pem(as_bytes(TestApprover(grant::Algorithm::eddsa).pem())));
  EXPECT_EQ(fault_of(others), CKR_SIGNATURE_INVALID);
  const std::string own = ledger::sign_checkpoint(sample(), *signer_);
  const std::string line = others.substr(others.find("\n\n") + 2);
  EXPECT_EQ(fault_of(own + line), CKR_OK);
  EXPECT_EQ(fault_of(own + "\u2014 witness.example AAAAAAAA\n"), CKR_OK);
  EXPECT_EQ(fault_of(own + "no signature\n"), CKR_DATA_INVALID);
  const std::string hash = to_base64(sample().root);
  EXPECT_EQ(fault_of(note("log\n7\n" + hash + "\nmore\n", "log")), CKR_OK);
}

TEST_F(CheckpointTest, HasOneFormOnly) {
  const std::string hash = to_base64(sample().root);
  EXPECT_EQ(fault_of(note("log\n7\n" + hash + "\n", "log")), CKR_OK);
  for (const std::string& text :
       {"log\n07\n" + hash + "\n", "log\n-7\n" + hash + "\n", "log\n\n" + hash + "\n",
        "log\n7\n" + hash.substr(0, 40) + "\n", std::string("log\n7\n"),
        "log\n9999999999999999\n" + hash + "\n", "log\n7\n" + hash + "\n\nmore\n",
        "log\n7\n" + hash + "\n\x01\n", "log\n7\n" + hash + "\n\xff\n"}) {
    EXPECT_EQ(fault_of(note(text, "log")), CKR_DATA_INVALID) << text;
  }
  EXPECT_EQ(fault_of(note("log\n7\n" + hash + "\n", "other")), CKR_SIGNATURE_INVALID);
}

TEST_F(CheckpointTest, IsSignedByEd25519InANameWithoutSpaces) {
  const TestApprover other(grant::Algorithm::es256);
  EXPECT_THROW(
      static_cast<void>(ledger::sign_checkpoint(sample(), *signer_of_pem(as_bytes(other.pem())))),
      Error);
  EXPECT_THROW(static_cast<void>(ledger::open_checkpoint("", other.public_key())), Error);
  for (const char* origin : {"", "two words", "a+b", "a\u00a0b", "a\u3000b", "a\nb"}) {
    EXPECT_FALSE(ledger::is_origin(origin)) << origin;
    EXPECT_THROW(static_cast<void>(ledger::sign_checkpoint({origin, 1, Bytes(32, 0)}, *signer_)),
                 Error);
  }
}

/// The private key of the examples of golang.org/x/mod/sumdb/note: type and seed, and what its
/// verifier key says of it.
TEST(SignedNote, KeyIdsAndSignaturesAreThoseOfTheReference) {
  const Bytes typed = parse_base64("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").value();
  Bytes der = parse_hex("302e020100300506032b657004220420").value();
  der.insert(der.end(), typed.begin() + 1, typed.end());
  const auto signer = signer_of_pem(
      as_bytes("-----BEGIN PRIVATE KEY-----\n" + to_base64(der) + "\n-----END PRIVATE KEY-----\n"));
  EXPECT_EQ(to_base64(signer->public_key().point()),
            to_base64(ByteView(parse_base64("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").value())
                          .subspan(1)));
  const std::string note = ledger::sign_checkpoint({"PeterNeumann", 0, Bytes(32, 0)}, *signer);
  const std::size_t start = note.rfind(' ') + 1;
  const Bytes line = parse_base64(note.substr(start, note.size() - 1 - start)).value();
  ASSERT_EQ(line.size(), 4U + 64U);
  EXPECT_EQ(to_hex(ByteView(line).first(4)), "c74f20a3");
  const std::string text =
      "If you think cryptography is the answer to your problem,\n"
      "then you don't know what your problem is.\n";
  EXPECT_EQ(
      to_base64(signer->sign({Scheme::eddsa, Hash::none, Hash::none, 0}, as_bytes(text))),
      to_base64(ByteView(parse_base64("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ"
                                      "SNXgKvqfqdngotpRZb6KE6RyyBwJnAM=")
                             .value())
                    .subspan(4)));
}

class ChainLogTest : public testing::Test {
 protected:
  ChainLogTest() { fs::permissions(folder_.path(), fs::perms::owner_all); }

  static ClosedChain chain(char digit, std::uint64_t time_ms = 1) {
    return {ClosedChain::Event::closed,
            {std::string("task ") + digit, std::string(16, digit)},
            {7, Bytes(32, static_cast<std::uint8_t>(digit))},
            ledger::Verdict::sealed,
            time_ms};
  }
  static ClosedChain purged(char digit) {
    ClosedChain gone = chain(digit, 2);
    gone.event = ClosedChain::Event::purged;
    return gone;
  }
  [[nodiscard]] fs::path file() const { return ledger::chain_log_path(folder_.path()); }
  [[nodiscard]] std::string text() const { return read_file(file()); }
  void write(const std::string& text) const { std::ofstream(file(), std::ios::binary) << text; }
  /// A finished chain in the folder.
  void add_chain(const std::string& serial, const std::string& text, bool finished) const {
    const fs::path path = folder_.path() / (serial + ".jsonl");
    std::ofstream(path, std::ios::binary) << text;
    fs::permissions(
        path, finished ? fs::perms::owner_read : fs::perms::owner_read | fs::perms::owner_write);
  }

  const TempFolder folder_;
  const ChainKeys keys_;
};

TEST_F(ChainLogTest, ReadsWhatWasAdded) {
  EXPECT_EQ(ledger::ChainLog::read(folder_.path()).size(), 0U);
  {
    ledger::ChainLogFile file(folder_.path());
    file.add({chain('a'), chain('b')});
    file.add({purged('a')});
  }
  const auto log = ledger::ChainLog::read(folder_.path());
  EXPECT_THAT(log.chains(), testing::ElementsAre(chain('a'), chain('b'), purged('a')));
  EXPECT_EQ(*log.closed(std::string(16, 'b')), chain('b'));
  EXPECT_EQ(*log.purged(std::string(16, 'a')), purged('a'));
  EXPECT_EQ(log.purged(std::string(16, 'b')), nullptr);
  struct stat status {};
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(ChainLogTest, RootsAreOfTheLinesAsTheyStand) {
  ledger::ChainLogFile file(folder_.path());
  file.add({chain('a'), chain('b'), chain('c')});
  std::vector<Bytes> leaves;
  std::istringstream lines(text());
  for (std::string line; std::getline(lines, line);) {
    leaves.push_back(ledger::leaf_hash(as_bytes(line)));
  }
  ASSERT_EQ(leaves.size(), 3U);
  for (std::size_t size = 0; size <= 3; ++size) {
    EXPECT_EQ(file.log().root(size), ledger::merkle_root(std::span(leaves).first(size)));
  }
}

TEST_F(ChainLogTest, TakesNothingThatMakesNoSense) {
  ledger::ChainLogFile file(folder_.path());
  file.add({chain('a')});
  EXPECT_THROW(file.add({chain('a')}), Error);
  EXPECT_THROW(file.add({chain('b'), purged('c')}), Error);
  file.add({purged('a')});
  EXPECT_THROW(file.add({purged('a')}), Error);
  EXPECT_EQ(file.log().size(), 2U);
  EXPECT_EQ(ledger::ChainLog::read(folder_.path() / "nowhere").size(), 0U);
}

TEST_F(ChainLogTest, IsRefusedOnceALineOfItMakesNoSense) {
  {
    ledger::ChainLogFile file(folder_.path());
    file.add({chain('a'), chain('b')});
  }
  const std::string good = text();
  const std::size_t second = good.find('\n') + 1;
  for (const std::string& changed : {good + good, good.substr(0, second) + "{}\n", " " + good,
                                     "x" + good.substr(1), good.substr(second) + "\n" + good}) {
    write(changed);
    EXPECT_THROW(static_cast<void>(ledger::ChainLog::read(folder_.path())), Error) << changed;
    EXPECT_THROW(ledger::ChainLogFile(folder_.path()), Error) << changed;
    EXPECT_EQ(text(), changed) << "and left as it is";
  }
}

TEST_F(ChainLogTest, TheHalfOfALineThatACrashLeftGoes) {
  {
    ledger::ChainLogFile file(folder_.path());
    file.add({chain('a'), chain('b')});
  }
  const std::string good = text();
  write(good.substr(0, good.size() - 3));
  EXPECT_EQ(ledger::ChainLog::read(folder_.path()).size(), 1U);
  ledger::ChainLogFile file(folder_.path());
  file.add({chain('b')});
  EXPECT_EQ(text(), good);
}

TEST_F(ChainLogTest, FindsTheChainsThatNobodyAddsTo) {
  const std::string serial = sample_task().serial;
  const auto find = [&] { return ledger::find_closed(folder_.path(), {}); };
  const std::string sealed = sealed_chain(keys_);
  add_chain(serial, sealed, false);
  ASSERT_THAT(find().chains, SizeIs(1));
  EXPECT_EQ(find().chains[0].verdict, ledger::Verdict::sealed);
  EXPECT_EQ(find().chains[0].head, verify_text(sealed).summary.head);
  // Between its end and its seal; and once it is known that no seal comes.
  fs::remove(folder_.path() / (serial + ".jsonl"));
  add_chain(serial, unsealed_chain(keys_).text(), false);
  const auto owner_lives = find();
  fs::remove(folder_.path() / (serial + ".jsonl"));
  add_chain(serial, unsealed_chain(keys_).text(), true);
  ASSERT_THAT(find().chains, SizeIs(1));
  EXPECT_EQ(find().chains[0].verdict, ledger::Verdict::unsealed);
  EXPECT_THAT(owner_lives.broken, IsEmpty());
}

TEST_F(ChainLogTest, PassesOverWhatItHasAndTellsOfWhatIsBroken) {
  const std::string serial = sample_task().serial;
  add_chain(serial, sealed_chain(keys_), true);
  ledger::ChainLog log;
  log.add(ledger::find_closed(folder_.path(), log).chains.at(0));
  EXPECT_THAT(ledger::find_closed(folder_.path(), log).chains, IsEmpty());
  add_chain(std::string(16, 'b'), sealed_chain(keys_), true);  // under another's name
  const auto found = ledger::find_closed(folder_.path(), log);
  EXPECT_THAT(found.chains, IsEmpty());
  ASSERT_THAT(found.broken, SizeIs(1));
  EXPECT_THAT(found.broken[0].problem, HasSubstr("is of the token"));
}

}  // namespace
}  // namespace mayfly::test
