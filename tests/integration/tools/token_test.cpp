// `mayfly token verify`, and other implementations of JOSE (latchset's jose, PyJWT) in both
// directions.
#include <map>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/base64url.h"
#include "base/clock.h"
#include "credential/verify/verify.h"
#include "integration/tools/mayfly_sandbox.h"
#include "support/test_signer.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using namespace credential;
using testing::HasSubstr;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

constexpr int kOk = 0;
constexpr int kRefused = 1;
constexpr int kUsage = 2;
constexpr int kNoInput = 66;

constexpr char kTarget[] = "https://api.example.org/orders";
constexpr char kList[] = "https://issuer.example.org/status/1";

/// Prints the claims of the token in a file, verified with the key that its kid names.
constexpr char kVerifyInPython[] = R"(
import json, sys, jwt
token = open(sys.argv[1]).read().strip()
header = jwt.get_unverified_header(token)
keys = json.load(open(sys.argv[2]))["keys"]
key = next(key for key in keys if key["kid"] == header["kid"])
print(json.dumps(jwt.decode(token, jwt.PyJWK(key).key, algorithms=[key["alg"]])))
)";

class Token : public testing::Test {
 protected:
  Token() : agent_(JwsAlgorithm::es256) { use_issuer(JwsAlgorithm::es256); }

  void use_issuer(JwsAlgorithm algorithm) {
    issuer_ = std::make_unique<TestSigner>(algorithm);
    write("keys", key_set_json({published(issuer_->public_key())}));
    write("wit", issue_wit(sample_wit(), "", issuer_->signer(), now_) + "\n");
    StatusToken status;
    status.uri = kList;
    status.issued_at = now_;
    status.list = make_status_list({{7, Status::valid}});
    write("status", issue_status_token(status, "", issuer_->signer()));
    write("dpop", make_dpop({"GET", kTarget, "", ""}, {now_, now_ + 600}, agent_.signer()));
  }

  [[nodiscard]] Wit sample_wit() const {
    return {"https://issuer.example.org",
            "spiffe://example.org/task/invoice",
            "1",
            now_ - 1,
            now_ + 600,
            agent_.public_key(),
            JwsAlgorithm::es256,
            "invoice",
            "0123456789abcdef",
            now_ + 600,
            StatusReference{kList, 7}};
  }

  std::string write(const std::string& name, const std::string& content) const {
    const fs::path path = sandbox_.root() / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (sandbox_.root() / name).string();
  }

  /// `mayfly token verify` of all that is good, with more arguments.
  [[nodiscard]] Outcome verify(const Words& more) const {
    Words words = {"token", "verify", path("wit"), "--keys", path("keys")};
    words.insert(words.end(), more.begin(), more.end());
    return sandbox_.mayfly(words);
  }
  [[nodiscard]] Outcome verify_all(const Words& more = {}) const {
    Words words = {"--status",   path("status"), "--dpop", path("dpop"), "--seen",
                   path("seen"), "--method",     "GET",    "--url",      kTarget};
    words.insert(words.end(), more.begin(), more.end());
    return verify(words);
  }
  [[nodiscard]] static std::string reason_of(const Outcome& outcome) {
    const Json answer = Json::parse(outcome.out, nullptr, false);
    if (answer.is_discarded()) return "no JSON: " + outcome.out + outcome.err;
    if (answer["verified"] == true) return "verified";
    return answer["part"].get<std::string>() + " " + answer["reason"].get<std::string>();
  }

  const MayflySandbox sandbox_;
  const std::uint64_t now_ = unix_now_s();
  const TestSigner agent_;
  std::unique_ptr<TestSigner> issuer_;
};

TEST_F(Token, AllThatIsGoodIsVerifiedOnce) {
  const Outcome first = verify_all();
  EXPECT_EQ(first.status, kOk) << first.err;
  EXPECT_THAT(first.out, HasSubstr("the credential, its proof and its status"));
  EXPECT_THAT(first.out, HasSubstr("task         invoice"));
  const Outcome second = verify_all();
  EXPECT_EQ(second.status, kRefused);
  EXPECT_THAT(second.err, HasSubstr("(proof, replayed)"));
  EXPECT_EQ(reason_of(verify_all({"--json"})), "proof replayed");
}

TEST_F(Token, WhatIsNotCheckedMustBeSaid) {
  EXPECT_EQ(verify({}).status, kUsage);
  EXPECT_THAT(verify({}).err, HasSubstr("--no-proof"));
  const Words proof = {"--no-status", "--dpop", path("dpop"), "--method", "GET", "--url", kTarget};
  EXPECT_THAT(verify(proof).err, HasSubstr("--no-replay-check"));
  const Outcome least = verify({"--no-proof", "--no-status"});
  EXPECT_EQ(least.status, kOk) << least.err;
  EXPECT_THAT(least.out, HasSubstr("but not whether its bearer has the key, whether the task"));
  const Json answer =
      Json::parse(verify({"--no-proof", "--no-status", "--json"}).out, nullptr, false);
  EXPECT_EQ(answer["proof_checked"], false);
  EXPECT_EQ(answer["status_checked"], false);
  EXPECT_EQ(answer["subject"], "spiffe://example.org/task/invoice");
}

TEST_F(Token, WhatDoesNotGoWithTheProofIsRefused) {
  const std::string file = write("file", "text");
  const std::map<std::string, Words> proofs = {
      {"--dpop", {"--dpop", path("dpop")}},
      {"--wpt", {"--wpt", file}},
      {"--signature", {"--signature", "a=:AAAA:", "--signature-input", "a=();created=1"}}};
  const std::vector<std::tuple<std::string, std::string, Words>> rows = {
      {"--method", "GET", {"--wpt"}},
      {"--nonce", "x", {"--wpt"}},
      {"--audience", "x", {"--dpop", "--signature"}},
      {"--cover", "date", {"--dpop", "--wpt"}},
      {"--field", "a: b", {"--dpop", "--wpt"}},
      {"--body", file, {"--dpop", "--wpt"}},
      {"--scheme", "DPoP", {"--dpop", "--wpt"}}};
  const auto refuses = [](const Outcome& outcome, const std::string& why) {
    EXPECT_EQ(outcome.status, kUsage) << why << outcome.out;
    EXPECT_THAT(outcome.err, HasSubstr(why));
  };
  for (const auto& [option, value, others] : rows) {
    for (const std::string& proof : others) {
      Words words = proofs.at(proof);
      words.insert(words.end(), {"--no-status", "--no-replay-check", "--url", kTarget});
      if (proof != "--wpt") words.insert(words.end(), {"--method", "GET"});
      words.insert(words.end(), {option, value});
      refuses(verify(words), option + " does not go with " + proof);
    }
    refuses(verify({"--no-proof", "--no-status", option, value}),
            option + " does not go with --no-proof");
  }
  for (const char* option : {"--url", "--access-token", "--seen"}) {
    refuses(verify({"--no-proof", "--no-status", option, file}),
            std::string(option) + " does not go with --no-proof");
  }
  refuses(verify({"--no-proof", "--no-status", "--no-replay-check"}),
          "--no-replay-check does not go with --no-proof");
  refuses(verify({"--no-status", "--no-replay-check", "--wpt", file, "--url", kTarget, "--audience",
                  "x"}),
          "not by both");
  refuses(verify({"--no-proof", "--no-status", "--max-stale", "5m"}),
          "--max-stale does not go with --no-status");
  refuses(verify({"--no-proof", "--no-status", "--status", path("status")}),
          "--status does not go with --no-status");
  refuses(verify_all({"--no-replay-check"}), "--no-replay-check");
  refuses(verify_all({"--nonce", ""}), "--nonce wants a value");
  refuses(verify_all({"--task", ""}), "--task wants a value");
}

TEST_F(Token, EachRefusalSaysWhatFailed) {
  EXPECT_EQ(reason_of(verify_all({"--json", "--issuer", "https://other.example"})),
            "credential wrong-issuer");
  EXPECT_EQ(reason_of(verify_all({"--json", "--subject", "spiffe://example.org/task/x"})),
            "credential wrong-subject");
  EXPECT_EQ(reason_of(verify_all({"--json", "--task", "x"})), "credential wrong-task");
  EXPECT_EQ(reason_of(verify_all({"--json", "--nonce", "x"})), "proof wrong-nonce");
  EXPECT_EQ(reason_of(verify_all({"--json", "--access-token", write("at", "token\n")})),
            "proof wrong-token");
  EXPECT_EQ(reason_of(verify_all({"--json", "--at", std::to_string(now_ + 600)})),
            "credential expired");
  EXPECT_EQ(reason_of(verify_all({"--json", "--at", std::to_string(now_ + 61)})),
            "status-list stale-status");
  EXPECT_EQ(
      reason_of(verify_all({"--json", "--max-stale", "5m", "--at", std::to_string(now_ + 61)})),
      "proof expired");
  write("keys", key_set_json({published(agent_.public_key())}));
  EXPECT_EQ(reason_of(verify_all({"--json"})), "credential unknown-key");
  write("keys", "{}");
  EXPECT_EQ(reason_of(verify_all({"--json"})), "key-set no-keys");
  EXPECT_EQ(verify({"--no-proof", "--status", path("none")}).status, kRefused);
  EXPECT_EQ(sandbox_
                .mayfly({"token", "verify", path("none"), "--keys", path("keys"), "--no-proof",
                         "--no-status"})
                .status,
            kNoInput);
}

TEST_F(Token, AStatusThatFlippedRefuses) {
  StatusToken status;
  status.uri = kList;
  status.issued_at = now_;
  status.list = make_status_list({{7, Status::invalid}});
  write("status", issue_status_token(status, "", issuer_->signer()));
  EXPECT_EQ(reason_of(verify_all({"--json"})), "credential revoked");
}

TEST_F(Token, AWorkloadProofTokenAndAMessageSignatureAreVerifiedToo) {
  const std::string wit = issue_wit(sample_wit(), "", issuer_->signer(), now_);
  write("wit", wit);
  write("wpt", make_wpt({kTarget, wit, ""}, {now_, now_ + 600}, agent_.signer()));
  const auto wpt = [&](const std::string& url) {
    return reason_of(verify(
        {"--no-status", "--wpt", path("wpt"), "--seen", path("seen"), "--url", url, "--json"}));
  };
  EXPECT_EQ(wpt("https://api.example.org/other"), "proof wrong-audience");
  EXPECT_EQ(wpt(kTarget), "verified");
  EXPECT_EQ(wpt(kTarget), "proof replayed");

  const HttpMessage message{
      "POST", kTarget, {{"Content-Digest", content_digest(as_bytes("hello"))}}};
  const HttpSignature made = sign_http(message, {now_, now_ + 600}, agent_.signer());
  const auto http = [&](const std::string& body) {
    return reason_of(verify({"--no-status", "--signature", made.signature, "--signature-input",
                             made.input, "--seen", path("seen"), "--method", "POST", "--url",
                             kTarget, "--field", "Content-Digest: " + message.fields[0].second,
                             "--body", write("body", body), "--json"}));
  };
  EXPECT_EQ(http("other"), "proof wrong-content");
  EXPECT_EQ(http("hello"), "verified");
  EXPECT_EQ(http("hello"), "proof replayed");
}

TEST_F(Token, AMessageSignatureIsForItsAccessToken) {
  write("token", "one.two~3\n");
  write("other", "other\n");
  const auto verdict = [&](const HttpMessage& message, const Words& more) {
    const HttpSignature made = sign_http(message, {now_, now_ + 600}, agent_.signer());
    Words words = {"--no-status", "--signature", made.signature, "--signature-input",
                   made.input,    "--seen",      path("seen"),   "--method",
                   "GET",         "--url",       kTarget,        "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = verify(words);
    return outcome.status == kUsage ? outcome.err : reason_of(outcome);
  };
  const HttpMessage bearer{"GET", kTarget, {{"Authorization", "Bearer one.two~3"}}};
  const HttpMessage dpop{"GET", kTarget, {{"Authorization", "DPoP one.two~3"}}};
  EXPECT_EQ(verdict(bearer, {"--access-token", path("token")}), "verified");
  EXPECT_EQ(verdict(bearer, {"--access-token", path("other")}), "proof bad-signature");
  EXPECT_EQ(verdict({"GET", kTarget, {}}, {"--access-token", path("token")}), "proof wrong-token");
  EXPECT_EQ(verdict(dpop, {"--access-token", path("token")}), "proof bad-signature");
  EXPECT_EQ(verdict(dpop, {"--access-token", path("token"), "--scheme", "DPoP"}), "verified");
  EXPECT_THAT(verdict(bearer, {"--access-token", path("token"), "--scheme", "a b"}),
              HasSubstr("--scheme wants"));
  EXPECT_THAT(verdict(bearer, {"--access-token", path("token"), "--field", "authorization: x y"}),
              HasSubstr("leave out the other one"));
  EXPECT_THAT(verdict(bearer, {"--scheme", "DPoP", "--field", "Authorization: DPoP one.two~3"}),
              HasSubstr("--scheme goes with --access-token"));
  write("token", "one two\n");
  EXPECT_THAT(verdict(bearer, {"--access-token", path("token")}), HasSubstr("holds no token"));
}

TEST_F(Token, JoseReadsOurKeySetsAndVerifiesOurTokens) {
  // jose knows no EdDSA.
  for (const JwsAlgorithm algorithm :
       {JwsAlgorithm::es256, JwsAlgorithm::es384, JwsAlgorithm::es512, JwsAlgorithm::ps256}) {
    use_issuer(algorithm);
    for (const char* file : {"wit", "status"}) {
      std::ifstream in(path(file));
      std::string text;
      in >> text;  // jose minds the newline
      write("token", text);
      const Outcome claims =
          run({"/usr/bin/jose", "jws", "ver", "-i", path("token"), "-k", path("keys"), "-O", "-"});
      EXPECT_EQ(claims.status, 0) << name_of(algorithm) << claims.err;
      EXPECT_TRUE(Json::accept(claims.out));
      text[text.size() - 20] = text[text.size() - 20] == 'A' ? 'B' : 'A';
      write("token", text);
      EXPECT_NE(
          run({"/usr/bin/jose", "jws", "ver", "-i", path("token"), "-k", path("keys"), "-O", "-"})
              .status,
          0);
    }
    write("key", to_jwk_members(issuer_->public_key()).dump());
    EXPECT_EQ(run({"/usr/bin/jose", "jwk", "thp", "-a", "S256", "-i", path("key")}).out,
              jwk_thumbprint(issuer_->public_key()));
  }
}

TEST_F(Token, TokensThatJoseSignedAreVerified) {
  for (const JwsAlgorithm algorithm :
       {JwsAlgorithm::es256, JwsAlgorithm::es384, JwsAlgorithm::es512, JwsAlgorithm::ps256,
        JwsAlgorithm::ps384}) {
    const std::string name(name_of(algorithm));
    ASSERT_EQ(run({"/usr/bin/jose", "jwk", "gen", "-i", R"({"alg":")" + name + "\"}", "-o",
                   path("private")})
                  .status,
              0);
    ASSERT_EQ(run({"/usr/bin/jose", "jwk", "pub", "-s", "-i", path("private"), "-o", path("keys")})
                  .status,
              0);
    const std::string ours = issue_wit(sample_wit(), "", issuer_->signer(), now_);
    const std::size_t first = ours.find('.') + 1;
    const auto claims = parse_base64url(ours.substr(first, ours.rfind('.') - first)).value();
    write("claims", std::string(as_text(claims)));
    ASSERT_EQ(
        run({"/usr/bin/jose", "jws", "sig", "-I", path("claims"), "-c", "-k", path("private"), "-o",
             path("wit"), "-s", R"({"protected":{"typ":"wit+jwt","alg":")" + name + "\"}}"})
            .status,
        0);
    const Outcome outcome = verify({"--no-proof", "--no-status", "--json"});
    EXPECT_EQ(reason_of(outcome), "verified") << name;
  }
}

TEST_F(Token, PyJwtVerifiesOurTokensOfEachAlgorithm) {
  for (const JwsAlgorithm algorithm : kJwsAlgorithms) {
    use_issuer(algorithm);
    const Outcome claims =
        run({"/usr/bin/python3", "-c", kVerifyInPython, path("wit"), path("keys")});
    ASSERT_EQ(claims.status, 0) << name_of(algorithm) << claims.err;
    EXPECT_EQ(Json::parse(claims.out)["mayfly_task"]["id"], "invoice");
  }
}

/// The Python of docs/relying-parties.md.
std::string documented_python() {
  std::ifstream in(fs::path(MAYFLY_SOURCE_FOLDER) / "docs" / "relying-parties.md");
  const std::string page((std::istreambuf_iterator<char>(in)), {});
  static constexpr std::string_view kBegin = "```python\n";
  const std::size_t begin = page.find(kBegin) + kBegin.size();
  return page.substr(begin, page.find("```", begin) - begin);
}

TEST_F(Token, ThePythonOfTheDocumentationVerifiesAsItSays) {
  const std::string script =
      documented_python() +
      "wit, dpop, status, keys = (open(name).read().strip() for name in sys.argv[1:5])\n"
      "seen = set()\n"
      "for _ in range(2):\n"
      "    print(verify(wit, dpop, status, json.loads(keys)['keys'], 'GET', sys.argv[5], seen))\n";
  const auto outcome = [&](const std::string& url) {
    return run({"/usr/bin/python3", "-c", script, path("wit"), path("dpop"), path("status"),
                path("keys"), url});
  };
  for (const JwsAlgorithm algorithm : {JwsAlgorithm::es256, JwsAlgorithm::eddsa}) {
    use_issuer(algorithm);
    const Outcome good = outcome(kTarget);
    EXPECT_EQ(good.out, "spiffe://example.org/task/invoice\n") << good.err;
    EXPECT_THAT(good.err, HasSubstr("seen before"));
    EXPECT_THAT(outcome("https://other.example").err, HasSubstr("for another request"));
    const TestSigner stranger(JwsAlgorithm::es256);
    write("dpop", make_dpop({"GET", kTarget, "", ""}, {now_, now_ + 600}, stranger.signer()));
    EXPECT_THAT(outcome(kTarget).err, HasSubstr("AssertionError"));
    StatusToken ended;
    ended.uri = kList;
    ended.issued_at = now_;
    ended.list = make_status_list({{7, Status::invalid}});
    write("status", issue_status_token(ended, "", issuer_->signer()));
    EXPECT_THAT(outcome(kTarget).err, HasSubstr("the task has ended"));
  }
}

}  // namespace
}  // namespace mayfly::test
