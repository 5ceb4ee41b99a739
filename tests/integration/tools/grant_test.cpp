// `mayfly grant`: approvers' keys in files and in an HSM, and another implementation of JOSE
// (PyJWT) in both directions.
#include <ctime>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/jwk.h"
#include "integration/tools/mayfly_sandbox.h"
#include "support/sanitizer_reports.h"
#include "support/softhsm_token.h"
#include "support/test_approver.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using grant::Algorithm;
using testing::HasSubstr;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

constexpr Algorithm kAlgorithms[] = {Algorithm::es256, Algorithm::es384, Algorithm::eddsa,
                                     Algorithm::ps256};

constexpr int kOk = 0;
constexpr int kUsage = 2;
constexpr int kNoInput = 66;
constexpr int kAlreadyExists = 67;
constexpr int kRefused = 76;

/// Prints the claims of the token in a file, verified with the key that its kid names.
constexpr char kVerifyInPython[] = R"(
import json, sys, jwt
token = open(sys.argv[1]).read().strip()
header = jwt.get_unverified_header(token)
keys = json.load(open(sys.argv[2]))["keys"]
key = next(key for key in keys if key["kid"] == header["kid"])
claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=[key["alg"]], audience="broker")
print(json.dumps({"typ": header["typ"], "claims": claims}))
)";

/// Prints a token with the claims and the header of the command line, signed with a PEM key.
constexpr char kSignInPython[] = R"(
import json, sys, jwt
key = open(sys.argv[1]).read()
print(jwt.encode(json.loads(sys.argv[2]), key, sys.argv[3], json.loads(sys.argv[4])))
)";

/// Debian's own interpreter, for which its packages are.
Outcome python(const char* script, const Words& arguments) {
  Words all = {"/usr/bin/python3", "-c", script};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run(all);
}

class Grant : public testing::Test {
 protected:
  fs::path file(const std::string& name) const { return sandbox_.root() / name; }

  fs::path write(const std::string& name, const std::string& content, mode_t mode = 0600) const {
    const fs::path path = file(name);
    std::ofstream(path, std::ios::binary) << content;
    chmod(path.c_str(), mode);
    return path;
  }

  Outcome grant(Words arguments, const Environment& changes = {}) const {
    arguments.insert(arguments.begin(), "grant");
    return sandbox_.mayfly(arguments, changes);
  }

  /// `mayfly grant approver`, whose output is kept as the approvers.
  void trust(const std::string& key, const Words& options = {}, const Environment& changes = {}) {
    Words all = {"approver", key};
    all.insert(all.end(), options.begin(), options.end());
    const Outcome outcome = grant(all, changes);
    ASSERT_EQ(outcome.status, kOk) << outcome.err;
    write("approvers.json", outcome.out);
  }

  /// `mayfly grant issue` for the task "invoice" and the audience "broker".
  Outcome issue(const std::string& key, const Words& options = {},
                const Environment& changes = {}) {
    Words all = {"issue",   "--key", key,          "--task", "invoice",
                 "--agent", "bot",   "--audience", "broker"};
    all.insert(all.end(), options.begin(), options.end());
    return grant(all, changes);
  }

  /// `mayfly grant verify --json` of a text.
  Json verify(const std::string& text, const Words& options = {}, int status = kOk) {
    Words all = {"verify", write("grant", text), "--json"};
    const std::pair<std::string, std::string> usual[] = {{"--approvers", file("approvers.json")},
                                                         {"--audience", "broker"}};
    for (const auto& [option, value] : usual) {
      if (std::ranges::find(options, option) != options.end()) continue;
      all.insert(all.end(), {option, value});
    }
    all.insert(all.end(), options.begin(), options.end());
    const Outcome outcome = grant(all);
    EXPECT_EQ(outcome.status, status) << outcome.err << outcome.out;
    return outcome.out.empty() ? Json() : Json::parse(outcome.out);
  }

  MayflySandbox sandbox_;
};

TEST_F(Grant, AnotherImplementationBelievesWhatIsIssued) {
  for (const Algorithm algorithm : kAlgorithms) {
    const TestApprover approver(algorithm);
    trust(write("public.pem", approver.public_pem()));
    const Outcome issued = issue(write("private.pem", approver.pem()),
                                 {"--ttl",       "10m",       "--max-signatures", "3",
                                  "--max-keys",  "2",         "--mechanism",      "CKM_ECDSA",
                                  "--mechanism", "CKM_EDDSA", "--scope",          "pay",
                                  "--scope",     "read",      "--children",       "2",
                                  "--parent",    "order",     "--issuer",         "ops",
                                  "--id",        "one",       "--audience",       "other"});
    ASSERT_EQ(issued.status, kOk) << issued.err;
    const Outcome outcome =
        python(kVerifyInPython, {write("grant", issued.out), file("approvers.json")});
    ASSERT_EQ(outcome.status, kOk) << outcome.err;
    Json answer = Json::parse(outcome.out);
    EXPECT_EQ(answer["typ"], "mayfly-grant+jwt");
    Json& claims = answer["claims"];
    EXPECT_EQ(claims["exp"].get<int>() - claims["iat"].get<int>(), 15 * 60);
    claims.erase("exp");
    claims.erase("iat");
    EXPECT_EQ(claims, Json({{"iss", "ops"},
                            {"sub", "bot"},
                            {"jti", "one"},
                            {"task", "invoice"},
                            {"parent", "order"},
                            {"ttl", 600},
                            {"aud", {"broker", "other"}},
                            {"max_sigs", 3},
                            {"max_keys", 2},
                            {"mechs", {"CKM_ECDSA", "CKM_EDDSA"}},
                            {"scope", "pay read"},
                            {"children", {{"allowed", true}, {"depth", 2}}}}));
  }
}

TEST_F(Grant, WhatAnotherImplementationSignsHolds) {
  const std::time_t now = std::time(nullptr);
  const Json claims = {{"iss", "ops"},    {"sub", "bot"},      {"jti", "one"}, {"iat", now},
                       {"exp", now + 60}, {"task", "invoice"}, {"ttl", 60},    {"aud", "broker"}};
  for (const Algorithm algorithm : kAlgorithms) {
    const TestApprover approver(algorithm, "ops");
    trust(write("public.pem", approver.public_pem()), {"--kid", "ops"});
    const auto sign = [&](const Json& what, const Json& header) {
      const Outcome outcome = python(
          kSignInPython,
          {write("private.pem", approver.pem()), what.dump(), approver.algorithm(), header.dump()});
      EXPECT_EQ(outcome.status, kOk) << outcome.err;
      return outcome.out;
    };
    const Json header = {{"typ", "mayfly-grant+jwt"}, {"kid", "ops"}};
    const Json answer = verify(sign(claims, header));
    EXPECT_EQ(answer["verified"], true);
    EXPECT_EQ(answer["kid"], "ops");
    EXPECT_EQ(answer["approver"], jwk_thumbprint(approver.public_key()));
    EXPECT_EQ(answer["claims"], claims);
    EXPECT_EQ(verify(sign(claims, {{"typ", "JWT"}}), {}, kRefused)["reason"], "type");
    Json late = claims;
    late["exp"] = now - 60;
    late["iat"] = now - 120;
    EXPECT_EQ(verify(sign(late, header), {}, kRefused)["answer"], "CKR_PIN_EXPIRED");
  }
}

TEST_F(Grant, OpensslsFilesOfPrivateKeysAreTaken) {
  const char* const commands[] = {"openssl ecparam -name prime256v1 -genkey",
                                  "openssl ecparam -name prime256v1 -genkey -noout",
                                  "openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-384",
                                  "openssl genpkey -algorithm ed25519",
                                  "openssl genrsa -traditional 2048",
                                  "openssl genrsa 3072"};
  for (const char* command : commands) {
    const Outcome key = run({"/bin/sh", "-c", command});
    ASSERT_EQ(key.status, kOk) << key.err;
    const fs::path pem = write("private.pem", key.out);
    const Outcome public_key = run({"/usr/bin/openssl", "pkey", "-in", pem, "-pubout"});
    ASSERT_EQ(public_key.status, kOk) << public_key.err;
    trust(write("public.pem", public_key.out));
    const Outcome issued = issue(pem);
    EXPECT_EQ(issued.status, kOk) << command << ": " << issued.err;
    EXPECT_EQ(verify(issued.out)["verified"], true) << command;
  }
}

TEST_F(Grant, AnApproverCanKeepTheKeyInAnHsm) {
  SoftHsmToken token("approvers");
  token.add_token("tasks");
  Environment environment;
  for (const auto& [name, value] : token.environment()) environment[name] = value;
  environment["ASAN_OPTIONS"] = options_without_leak_check();  // SoftHSM2 leaks the name of a curve
  const std::string module = SoftHsmToken::module_path();
  const std::string pin = read_file(token.pin_file());
  const std::string pin_source = "file:" + token.pin_file().string();
  for (const std::string type : {"EC:prime256v1", "EC:secp384r1", "EC:edwards25519", "rsa:2048"}) {
    const Outcome made = run({"/usr/bin/pkcs11-tool", "--module", module, "--token-label",
                              "approvers", "--login", "--pin", pin, "--keypairgen", "--key-type",
                              type, "--label", type, "--id", to_hex(as_bytes(type.substr(0, 8)))});
    ASSERT_EQ(made.status, kOk) << type << made.err;
    const std::string uri = "pkcs11:token=approvers;object=" + type;
    trust(uri, {"--module", module}, environment);
    const Outcome issued =
        issue(uri, {"--module", module, "--pin-source", pin_source}, environment);
    ASSERT_EQ(issued.status, kOk) << issued.err;
    EXPECT_EQ(verify(issued.out)["verified"], true) << type;
    const Outcome outcome =
        python(kVerifyInPython, {write("grant", issued.out), file("approvers.json")});
    EXPECT_EQ(outcome.status, kOk) << type << ": " << outcome.err;
  }
  const auto refused = [&](const std::string& uri, const Words& options) {
    const Outcome outcome = issue(uri, options, environment);
    EXPECT_NE(outcome.status, kOk);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, testing::Not(HasSubstr(pin)));
    return outcome.err;
  };
  const Words both = {"--module", module, "--pin-source", pin_source};
  EXPECT_THAT(refused("pkcs11:token=approvers", both), HasSubstr("more than one private key"));
  EXPECT_THAT(refused("pkcs11:token=approvers;object=x", both), HasSubstr("no private key"));
  EXPECT_THAT(refused("pkcs11:token=other;object=x", both),
              HasSubstr("correct the approver's key"));
  EXPECT_THAT(refused("pkcs11:token=approvers;type=cert", both), HasSubstr("no PKCS#11 URI"));
  EXPECT_THAT(refused("pkcs11:token=approvers;object=rsa:2048?pin-value=1", both),
              HasSubstr("which a pin-source does"));
  EXPECT_THAT(refused("pkcs11:token=approvers;object=rsa:2048", {"--module", module}),
              HasSubstr("--pin-source"));
  EXPECT_THAT(refused("pkcs11:token=approvers;object=rsa:2048", {"--pin-source", pin_source}),
              HasSubstr("--module"));
  const fs::path wrong = write("wrong-pin", "not the PIN");
  EXPECT_THAT(refused("pkcs11:token=approvers;object=rsa:2048",
                      {"--module", module, "--pin-source", "file:" + wrong.string()}),
              HasSubstr("login to the token failed"));
}

TEST_F(Grant, AnApproversKeyIsNotTakenFromTheTokenOfTheTasks) {
  const fs::path folder = file("set-up");
  sandbox_.init(folder);
  const Environment environment = {{"SOFTHSM2_CONF", (folder / "softhsm2.conf").string()}};
  const Outcome made = run(
      {"/usr/bin/pkcs11-tool", "--module", SoftHsmToken::module_path(), "--login", "--pin",
       read_file(folder / "pin"), "--keypairgen", "--key-type", "EC:prime256v1", "--label", "mine"},
      environment);
  ASSERT_EQ(made.status, kOk) << made.err;
  const Words options = {"--config", folder / "mayfly.toml", "--pin-source",
                         "file:" + (folder / "pin").string()};
  const Outcome outcome = issue("pkcs11:token=mayfly;object=mine", options);
  EXPECT_EQ(outcome.status, kUsage);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("where the broker itself could sign with it"));
}

TEST_F(Grant, VerifySaysWhichCheckFailed) {
  const TestApprover approver(Algorithm::eddsa);
  const TestApprover stranger(Algorithm::eddsa);
  trust(write("public.pem", approver.public_pem()));
  const std::string good = issue(write("private.pem", approver.pem())).out;
  const auto reason = [&](const std::string& text, const Words& options) {
    const Json answer = verify(text, options, kRefused);
    EXPECT_EQ(answer["verified"], false);
    return answer["reason"].get<std::string>() + " " + answer["answer"].get<std::string>();
  };
  EXPECT_EQ(verify(good, {"--task", "invoice"})["claims"]["task"], "invoice");
  EXPECT_EQ(reason(good, {"--task", "order"}), "wrong-task CKR_PIN_INCORRECT");
  EXPECT_EQ(reason(good, {"--audience", "other"}), "wrong-audience CKR_PIN_INCORRECT");
  EXPECT_EQ(reason(good, {"--parent", "order"}), "wrong-parent CKR_PIN_INCORRECT");
  EXPECT_EQ(reason(good, {"--at", "9999999999"}), "expired CKR_PIN_EXPIRED");
  EXPECT_EQ(reason(good, {"--at", "1000000000"}), "issued-in-future CKR_PIN_INCORRECT");
  EXPECT_EQ(reason(good + "\n", {}), "malformed CKR_PIN_INCORRECT");
  EXPECT_EQ(reason(std::string(9000, 'A'), {}), "too-long CKR_PIN_INCORRECT");
  EXPECT_EQ(reason(issue(write("other.pem", stranger.pem())).out, {}),
            "unknown-approver CKR_PIN_INCORRECT");
  EXPECT_EQ(reason(good, {"--approvers", file("absent.json")}), "no-approvers CKR_PIN_INCORRECT");
  ASSERT_EQ(chmod(file("approvers.json").c_str(), 0666), 0);
  EXPECT_EQ(reason(good, {}), "no-approvers CKR_PIN_INCORRECT");

  const Outcome text =
      grant({"verify", file("grant"), "--approvers", file("public.pem"), "--audience", "broker"});
  EXPECT_EQ(text.status, kRefused);
  EXPECT_EQ(text.out, "");
  EXPECT_THAT(text.err, HasSubstr("mayfly: not verified (no-approvers): the grant is refused: "));
}

TEST_F(Grant, TheConfigurationGivesTheDefaults) {
  const TestApprover approver(Algorithm::es256);
  const fs::path key = write("private.pem", approver.pem());
  trust(write("public.pem", approver.public_pem()));
  const fs::path config = write("mayfly.toml",
                                "device.type = \"tpm\"\n[task]\nttl = \"5m\"\nmax-ttl = \"10m\"\n"
                                "[grants]\nrequired = true\napprovers = \"approvers.json\"\n"
                                "audience = \"here\"\nmax-life = \"2m\"\nclock-skew = \"1s\"\n"
                                "[registry]\nfile = \"registry.db\"\n");
  const auto with_config = [&](Words words) {
    words.insert(words.end(), {"--config", config});
    return grant(words);
  };
  const Words start = {"issue", "--key", key, "--task", "t", "--agent", "a"};
  const auto issue_with = [&](const Words& options) {
    Words all = start;
    all.insert(all.end(), options.begin(), options.end());
    return with_config(all);
  };
  const Outcome issued = issue_with({});
  ASSERT_EQ(issued.status, kOk) << issued.err;
  const Outcome verified = with_config({"verify", "--json", write("grant", issued.out)});
  ASSERT_EQ(verified.status, kOk) << verified.err << verified.out;
  const Json claims = Json::parse(verified.out)["claims"];
  EXPECT_EQ(claims["aud"], "here");
  EXPECT_EQ(claims["ttl"], 300);
  EXPECT_EQ(claims["exp"].get<int>() - claims["iat"].get<int>(), 120);
  EXPECT_EQ(claims["iss"], jwk_thumbprint(approver.public_key()));

  EXPECT_EQ(issue_with({"--valid-for", "121s"}).status, 65);
  EXPECT_EQ(issue_with({"--valid-for", "60s", "--starts-in", "61s"}).status, 65);
  const Outcome long_task = issue_with({"--ttl", "11m"});
  ASSERT_EQ(long_task.status, kOk) << "policy is the broker's";
  const Outcome refused = with_config({"verify", "--json", write("grant", long_task.out)});
  EXPECT_EQ(refused.status, kRefused);
  EXPECT_EQ(Json::parse(refused.out)["reason"], "ttl-too-long");
}

TEST_F(Grant, AGrantIsWrittenForItsOwnerOnlyAndNeverOverAnything) {
  const fs::path key = write("private.pem", TestApprover(Algorithm::eddsa).pem());
  const Outcome first = issue(key, {"--output", file("new")});
  ASSERT_EQ(first.status, kOk) << first.err;
  EXPECT_EQ(first.out, "");
  struct stat status {};
  ASSERT_EQ(stat(file("new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  const std::string content = read_file(file("new"));
  EXPECT_EQ(issue(key, {"--output", file("new")}).status, kAlreadyExists);
  EXPECT_EQ(read_file(file("new")), content);
  EXPECT_NE(issue(key).out, issue(key).out) << "each has an ID of its own";
}

TEST_F(Grant, AKeyThatOthersCanReadIsNotUsed) {
  const std::string pem = TestApprover(Algorithm::eddsa).pem();
  for (const mode_t mode : {0640, 0604, 0660, 0606}) {
    const Outcome outcome = issue(write("private.pem", pem, mode));
    EXPECT_EQ(outcome.status, kNoInput) << mode;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("; run: chmod 600 "));
  }
}

TEST_F(Grant, ShowSaysThatNothingWasVerified) {
  const Outcome issued = issue(write("private.pem", TestApprover(Algorithm::es384).pem()),
                               {"--max-signatures", "7", "--parent", "order"});
  const fs::path text = write("grant", issued.out);
  const Outcome shown = grant({"show", text});
  EXPECT_EQ(shown.status, kOk);
  EXPECT_THAT(shown.out, testing::StartsWith("NOT VERIFIED"));
  for (const char* line : {"task         invoice\n", "child of     order\n", "agent        bot\n",
                           "signatures   at most 7\n", "children     none\n"}) {
    EXPECT_THAT(shown.out, HasSubstr(line));
  }
  const Json json = Json::parse(grant({"show", "--json", text}).out);
  EXPECT_EQ(json["verified"], false);
  EXPECT_EQ(json["alg"], "ES384");
  EXPECT_EQ(json["claims"]["max_sigs"], 7);
  const Outcome none = grant({"show", write("other", "no grant")});
  EXPECT_EQ(none.status, kRefused);
  EXPECT_EQ(none.out, "");
}

TEST_F(Grant, ASetOfApproversGrowsKeyByKey) {
  const TestApprover first(Algorithm::es256);
  const TestApprover second(Algorithm::eddsa);
  trust(write("first.pem", first.public_pem()), {"--kid", "first"});
  const Words with = {"--with", file("approvers.json")};
  trust(write("second.pem", second.public_pem()), with);
  const auto approvers = grant::parse_approvers(read_file(file("approvers.json")));
  ASSERT_EQ(approvers.size(), 2U);
  EXPECT_EQ(approvers[0].key_id, "first");
  EXPECT_EQ(approvers[1].key_id, jwk_thumbprint(second.public_key()));
  for (const char* name : {"first.pem", "second.pem"}) {
    const Outcome twice = grant({"approver", file(name), with[0], with[1]});
    EXPECT_EQ(twice.status, kUsage) << name;
    EXPECT_EQ(twice.out, "") << name;
  }
  const Outcome private_key = grant({"approver", write("private.pem", first.pem())});
  EXPECT_EQ(private_key.status, kUsage);
  EXPECT_THAT(private_key.err, HasSubstr("-pubout"));
}

TEST_F(Grant, NonsenseIsAUsageErrorAndSignsNothing) {
  const fs::path key = write("private.pem", TestApprover(Algorithm::eddsa).pem());
  const Words good = {"issue", "--key", key, "--task", "t", "--agent", "a", "--audience", "b"};
  ASSERT_EQ(grant(good).status, kOk);
  const std::pair<Words, int> lines[] = {
      {{"--mechanism", "ES256"}, kUsage},
      {{"--mechanism", "CKM_ECDSA_SHA265"}, kUsage},
      {{"--mechanism", "CKM_ECDSA", "--mechanism", "CKM_ECDSA"}, kUsage},
      {{"--max-signatures", "0"}, kUsage},
      {{"--max-signatures", "-1"}, kUsage},
      {{"--max-keys", "many"}, kUsage},
      {{"--children", "0"}, kUsage},
      {{"--children", "17"}, kUsage},
      {{"--scope", "two words"}, kUsage},
      {{"--scope", ""}, kUsage},
      {{"--issuer", "a\nb"}, kUsage},
      {{"--id", std::string(129, 'x')}, kUsage},
      {{"--audience", "b"}, kUsage},
      {{"--parent", "\xff"}, kUsage},
      {{"--kid", "a\nb"}, kUsage},
      {{"--ttl", "soon"}, 65},
      {{"--ttl", "0s"}, 65},
      {{"--valid-for", "10"}, 65},
      {{"--starts-in", "-1s"}, 65},
      {{"--key", "absent.pem"}, kUsage},
      {{"extra"}, kUsage},
  };
  for (const auto& [more, status] : lines) {
    Words all = good;
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome = grant(all);
    EXPECT_EQ(outcome.status, status) << testing::PrintToString(more) << outcome.err;
    EXPECT_EQ(outcome.out, "") << testing::PrintToString(more);
    EXPECT_NE(outcome.err, "");
  }
  for (const Words& line : {Words{}, Words{"frobnicate"}, Words{"issue"}, Words{"show"},
                            Words{"verify"}, Words{"verify", key}, Words{"approver"}}) {
    EXPECT_EQ(grant(line).status, kUsage) << testing::PrintToString(line);
  }
}

}  // namespace
}  // namespace mayfly::test
