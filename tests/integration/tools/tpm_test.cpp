// mayfly init, doctor and attest on a TPM.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "compose/broker_host.h"
#include "compose/library.h"
#include "core/attestation.h"
#include "integration/tools/mayfly_sandbox.h"
#include "support/server_process.h"
#include "support/swtpm.h"

namespace mayfly::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kNonce[] = "00112233445566778899aabbccddeeff";

/// A key pair on the token of a task that another process runs.
void generate_in(const std::string& door, const char* label) {
  const auto link = std::make_shared<agent::BrokerLink>(door);
  BrokerHost host(link);
  Attributes public_wanted;
  public_wanted.set(CKA_EC_PARAMS, ec_params({CKK_EC, 256}));
  public_wanted.set_flag(CKA_TOKEN, true);
  Attributes private_wanted;
  private_wanted.set_flag(CKA_TOKEN, true);
  private_wanted.set(CKA_LABEL, as_bytes(label));
  private_wanted.set(CKA_ID, Bytes{0xab, static_cast<std::uint8_t>(label[0])});
  static_cast<void>(
      host.generate(host.open_session(true), CKM_EC_KEY_PAIR_GEN, public_wanted, private_wanted));
}

class TpmToolsTest : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path config() const {
    return sandbox_.user_folder() / "mayfly.toml";
  }
  [[nodiscard]] std::string key_file() const {
    return (sandbox_.user_folder() / "attestation-key.json").string();
  }
  [[nodiscard]] Outcome init() const {
    return sandbox_.mayfly({"init", "--device", "tpm", "--tcti", tpm_.tcti()});
  }

  /// A file of evidence for a key of a new task.
  [[nodiscard]] std::string evidence_file() const {
    Library library(Config::load(config()));
    const auto task = library.tasks().open({"invoice-4711", std::chrono::minutes(5)});
    const auto scope = task->open_scope();
    const auto key = task->generate(*scope, {CKK_EC, 256});
    Bytes nonce;
    for (int i = 0; i < 16; ++i) nonce.push_back(static_cast<std::uint8_t>(0x11 * i));
    const std::string evidence = attest(*task, *key, nonce);
    library.close();
    const auto file = sandbox_.root() / "evidence.json";
    std::ofstream(file) << evidence;
    return file.string();
  }

  /// A task that runs, and tells where its door is.
  [[nodiscard]] ServerProcess run_task(const std::string& id) const {
    return ServerProcess({"/usr/bin/env", "XDG_RUNTIME_DIR=" + sandbox_.root().string(),
                          MAYFLY_COMMAND, "run", "--config", config().string(), "--task", id, "--",
                          "sh", "-c", "echo door=$MAYFLY_SOCKET; exec sleep 3600"},
                         "door=");
  }

  /// What `mayfly attest --nonce … MORE…` says, to somebody who is in no task, or at a door.
  [[nodiscard]] Outcome ask(const std::vector<std::string>& more,
                            const std::optional<std::string>& door = {}) const {
    std::vector<std::string> arguments = {"attest", "--nonce", kNonce};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return sandbox_.mayfly(
        arguments, {{"MAYFLY_SOCKET", door}, {"XDG_RUNTIME_DIR", sandbox_.root().string()}});
  }
  /// Whether that is evidence for a task, and which key it is of.
  [[nodiscard]] std::string verified_key(const Outcome& outcome, const std::string& task) const {
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const auto file = sandbox_.root() / "asked.json";
    std::ofstream(file) << outcome.out;
    const Outcome verdict =
        verify(file.string(), kNonce, {"--key", key_file(), "--task", task, "--json"});
    EXPECT_EQ(verdict.status, 0) << verdict.out << verdict.err;
    return verdict.status == 0 ? json::parse(verdict.out).at("key").get<std::string>() : "";
  }

  [[nodiscard]] Outcome verify(const std::string& file, const std::string& nonce,
                               const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"attest", "verify", file, "--nonce", nonce};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return sandbox_.mayfly(arguments);
  }

  Swtpm tpm_;
  MayflySandbox sandbox_;
};

TEST_F(TpmToolsTest, InitMakesAConfigurationThatWorks) {
  const Outcome outcome = init();
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(config().string()));
  EXPECT_EQ(Config::load(config()).tpm.tcti, tpm_.tcti());
  const Diagnosis diagnosis = diagnose(sandbox_, config());
  EXPECT_EQ(diagnosis.status, 0);
  for (const char* name : {"TPM", "TPM resets", "TPM lockout", "TPM slots", "device", "mechanisms",
                           "test key", "attestation key"}) {
    EXPECT_EQ(diagnosis.verdicts.at(name), "ok") << name << diagnosis.details.at(name);
  }
  const Outcome enrolled = sandbox_.mayfly({"attest", "enroll"});
  EXPECT_EQ(enrolled.status, 0);
  EXPECT_EQ(enrolled.out, read_file(key_file()));
}

TEST_F(TpmToolsTest, InitLeavesNothingBehindWhereNoTpmIs) {
  const Outcome outcome =
      sandbox_.mayfly({"init", "--device", "tpm", "--tcti", "swtpm:path=/nowhere/tpm"});
  EXPECT_EQ(outcome.status, 69) << outcome.err;
  EXPECT_THAT(tree(sandbox_.root() / "config"), IsEmpty());
}

TEST_F(TpmToolsTest, InitRefusesOptionsOfOtherDevices) {
  EXPECT_EQ(sandbox_.mayfly({"init", "--tcti", tpm_.tcti()}).status, 2);
  EXPECT_EQ(sandbox_.mayfly({"init", "--device", "abacus"}).status, 2);
  EXPECT_EQ(sandbox_
                .mayfly({"init", "--device", "tpm", "--module", "/m.so", "--token",
                         "pkcs11:token=t", "--pin-source", "fd:3"})
                .status,
            2);
  EXPECT_THAT(tree(sandbox_.root() / "config"), IsEmpty());
}

TEST_F(TpmToolsTest, DoctorSaysWhatIsWrongWithTheTpm) {
  ASSERT_EQ(init().status, 0);
  tpm_.kill();
  const Diagnosis gone = diagnose(sandbox_, config());
  EXPECT_EQ(gone.status, 1);
  EXPECT_EQ(gone.verdicts.at("TPM"), "fail");
  EXPECT_EQ(gone.verdicts.at("test key"), "skipped");
}

TEST_F(TpmToolsTest, EvidenceOfATaskIsVerified) {
  ASSERT_EQ(init().status, 0);
  const std::string file = evidence_file();
  const Outcome good = verify(file, kNonce, {"--key", key_file(), "--json"});
  ASSERT_EQ(good.status, 0) << good.out << good.err;
  const json result = json::parse(good.out);
  EXPECT_TRUE(result.at("verified"));
  EXPECT_EQ(result.at("task"), "invoice-4711");
  EXPECT_THAT(result.at("key").get<std::string>(), HasSubstr("-----BEGIN PUBLIC KEY-----"));
  EXPECT_LE(result.at("chip_deadline"), result.at("deadline").get<std::uint64_t>() + 5);
  EXPECT_THAT(verify(file, kNonce, {"--key", key_file()}).out, HasSubstr("refused by"));
}

TEST_F(TpmToolsTest, EvidenceOfARunningTaskIsThereForTheAsking) {
  ASSERT_EQ(init().status, 0);
  const ServerProcess run = run_task("invoice-4711");
  EXPECT_THAT(ask({"--task", "invoice-4711"}).err, HasSubstr("no private key on its token"));
  generate_in(run.address(), "first");
  const std::string key = verified_key(ask({"--task", "invoice-4711"}), "invoice-4711");
  EXPECT_THAT(key, HasSubstr("-----BEGIN PUBLIC KEY-----"));
  EXPECT_EQ(verified_key(ask({}, run.address()), "invoice-4711"), key)
      << "inside of the task nothing needs to be said";

  generate_in(run.address(), "second");
  const Outcome which = ask({"--task", "invoice-4711"});
  EXPECT_EQ(which.status, 66);
  EXPECT_THAT(which.err, HasSubstr("\"first\" (ID ab66), \"second\" (ID ab73)"));
  EXPECT_EQ(verified_key(ask({"--task", "invoice-4711", "--key", "first"}), "invoice-4711"), key);
  EXPECT_EQ(verified_key(ask({"--task", "invoice-4711", "--key", "ab66"}), "invoice-4711"), key);
  EXPECT_NE(verified_key(ask({"--task", "invoice-4711", "--key", "second"}), "invoice-4711"), key);
  EXPECT_EQ(ask({"--task", "invoice-4711", "--key", "third"}).status, 66);
}

TEST_F(TpmToolsTest, TheLedgerOfARunIsVerified) {
  ASSERT_EQ(init().status, 0);
  const auto folder = sandbox_.root() / "ledger";
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
  std::string text = read_file(config());
  const std::string table = "\n[ledger]\n";
  ASSERT_NE(text.find(table), text.npos);
  text.insert(text.find(table) + table.size(), "folder = \"" + folder.string() + "\"\n");
  std::ofstream(config()) << text;
  {
    const ServerProcess run = run_task("invoice-4711");
    generate_in(run.address(), "first");
  }
  const Outcome found = sandbox_.mayfly({"audit", "verify", "--json"});
  ASSERT_EQ(found.status, 0) << found.out << found.err;
  const json chains = json::parse(found.out).at("chains");
  ASSERT_EQ(chains.size(), 1U);
  EXPECT_EQ(chains.at(0).at("verdict"), "sealed");
}

TEST_F(TpmToolsTest, AttestSaysWhyThereIsNoEvidence) {
  ASSERT_EQ(init().status, 0);
  {
    const ServerProcess run = run_task("another");
    const Outcome none = ask({"--task", "invoice-4711"});
    EXPECT_EQ(none.status, 66);
    EXPECT_THAT(none.err, HasSubstr("no task \"invoice-4711\""));
    EXPECT_EQ(ask({"--task", "invoice-4711"}, run.address()).status, 66);
  }
  EXPECT_EQ(ask({"--task", "another"}).status, 66) << "it has ended";
  EXPECT_EQ(ask({}).status, 2) << "no task";
  EXPECT_EQ(sandbox_.mayfly({"attest", "--task", "another"}).status, 2) << "no nonce";
  EXPECT_EQ(sandbox_.mayfly({"attest", "--task", "another", "--nonce", "00"}).status, 2);
  EXPECT_EQ(sandbox_.mayfly({"attest"}).status, 2);
}

TEST_F(TpmToolsTest, EvidenceThatDoesNotHoldIsRefusedWithItsCheck) {
  ASSERT_EQ(init().status, 0);
  const std::string file = evidence_file();
  const auto check = [&](const std::string& nonce, std::vector<std::string> more) {
    more.emplace_back("--json");
    const Outcome outcome = verify(file, nonce, more);
    EXPECT_EQ(outcome.status, 1) << outcome.out << outcome.err;
    return outcome.status == 1 ? json::parse(outcome.out).at("check").get<std::string>() : "";
  };
  EXPECT_EQ(check("ff112233445566778899aabbccddeeff", {"--key", key_file()}), "nonce");
  EXPECT_EQ(check(kNonce, {"--key", key_file(), "--task", "another"}), "task");
  EXPECT_EQ(check(kNonce, {"--key", key_file(), "--kill-switch"}), "policy");
  EXPECT_EQ(check(kNonce, {"--key", key_file(), "--at", "4000000000"}), "deadline");
  // Somebody else's TPM.
  const Swtpm other;
  const MayflySandbox elsewhere;
  ASSERT_EQ(elsewhere.mayfly({"init", "--device", "tpm", "--tcti", other.tcti()}).status, 0);
  const auto other_key = elsewhere.user_folder() / "attestation-key.json";
  EXPECT_EQ(check(kNonce, {"--key", other_key.string()}), "trust");
}

TEST_F(TpmToolsTest, VerifyWantsToBeToldWhomToTrust) {
  const auto file = sandbox_.root() / "evidence.json";
  std::ofstream(file) << "{}";
  EXPECT_EQ(verify(file.string(), kNonce, {}).status, 2);
  EXPECT_EQ(verify(file.string(), kNonce, {"--key", "a", "--root", "b"}).status, 2);
  EXPECT_EQ(verify(file.string(), "00", {"--key", "a"}).status, 2);
  EXPECT_EQ(verify(file.string(), "not hexadecimal!", {"--key", "a"}).status, 2);
  EXPECT_EQ(verify(file.string(), kNonce, {"--key", "/nowhere"}).status, 66);
  EXPECT_EQ(verify(file.string(), kNonce, {"--key", file.string()}).status, 2);
  EXPECT_EQ(verify(file.string(), kNonce, {"--root", file.string()}).status, 1) << "no evidence";
}

}  // namespace
}  // namespace mayfly::test
