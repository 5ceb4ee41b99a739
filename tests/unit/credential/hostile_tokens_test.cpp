// Identity tokens that must not be believed, and why not.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64url.h"
#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;

std::string verdict(const std::string& text, const CredentialExpectations& expected) {
  return outcome([&] { static_cast<void>(verify_wit(text, issuer_keys(), expected)); });
}
std::string verdict(const std::string& text) { return verdict(text, sample_expectations()); }

std::string signed_claims(const nlohmann::json& claims) {
  return issuer().jws(header_of("ES256", "wit+jwt"), claims.dump());
}

std::string with(const nlohmann::json& patch) {
  nlohmann::json claims = sample_wit_claims();
  claims.merge_patch(patch);
  return signed_claims(claims);
}

std::string with_header(const std::string& header) {
  return issuer().jws(header, sample_wit_claims().dump());
}

/// A token with an HMAC for which the issuer's public key is the secret.
std::string hmac_with(std::string_view secret) {
  const std::string text =
      encoded(header_of("HS256", "wit+jwt")) + "." + encoded(sample_wit_claims().dump());
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), as_bytes(text).data(),
       text.size(), mac, &size);
  return text + "." + to_base64url({mac, size});
}

TEST(HostileTokens, TheSampleItselfIsAccepted) {
  EXPECT_EQ(verdict(sample_wit_text()), "accepted");
  EXPECT_EQ(verdict(signed_claims(sample_wit_claims())), "accepted");
  EXPECT_EQ(verdict(with({{"other", "claims are passed over"}})), "accepted");
}

TEST(HostileTokens, TheFormIsOneOnly) {
  const std::string good = sample_wit_text();
  const std::string dot_cut = good.substr(0, good.rfind('.'));
  EXPECT_EQ(verdict(std::string(kMaxWitSize + 1, 'A')), "credential too-long");
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), dot_cut, dot_cut + ".", good + ".",
        good + "=", good + "\n", " " + good, good + std::string(1, '\0'),
        std::string("\0", 1) + good, good + "%", "Bearer " + good}) {
    EXPECT_EQ(verdict(text), "credential malformed") << text;
  }
}

TEST(HostileTokens, Base64HasOneTextForOneSignature) {
  std::string text = sample_wit_text();
  // 64 bytes end in a letter of which four bits are left over.
  const auto last = std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
  text.back() = last[last.find(text.back()) | 1];
  EXPECT_EQ(verdict(text), "credential malformed");
}

TEST(HostileTokens, TheAlgorithmIsNotTheirsToChoose) {
  for (const char* none : {"none", "None", "NONE", "nOnE", ""}) {
    const std::string text =
        encoded(header_of(none, "wit+jwt")) + "." + encoded(sample_wit_claims().dump());
    EXPECT_EQ(verdict(text + "."), "credential malformed");
    EXPECT_EQ(verdict(text + ".AAAA"), "credential algorithm");
  }
  EXPECT_EQ(verdict(hmac_with(issuer().public_pem())), "credential algorithm");
  EXPECT_EQ(verdict(hmac_with(as_text(issuer().public_key().point()))), "credential algorithm");
  for (const char* other : {"RS256", "HS256", "ES256K", "PS512", "es256"}) {
    EXPECT_EQ(verdict(with_header(header_of(other, "wit+jwt"))), "credential algorithm") << other;
  }
  for (const char* other : {"ES384", "ES512", "EdDSA", "PS256", "PS384"}) {
    EXPECT_EQ(verdict(with_header(header_of(other, "wit+jwt"))), "credential unknown-key") << other;
    const auto named = nlohmann::json{{"alg", other}, {"typ", "wit+jwt"}, {"kid", "now"}}.dump();
    EXPECT_EQ(verdict(with_header(named)), "credential wrong-key-type") << other;
  }
}

TEST(HostileTokens, TheHeaderBringsNothingOfItsOwn) {
  nlohmann::json header = {{"alg", "ES256"}, {"typ", "wit+jwt"}};
  const auto verdict_with = [&](const char* member, const nlohmann::json& value) {
    nlohmann::json other = header;
    other[member] = value;
    return verdict(stranger().jws(other.dump(), sample_wit_claims().dump()));
  };
  EXPECT_EQ(verdict_with("jwk", to_jwk_members(stranger().public_key())),
            "credential key-in-header");
  for (const char* member : {"jku", "x5u", "x5c", "x5t", "x5t#S256"}) {
    EXPECT_EQ(verdict_with(member, "https://evil.example"), "credential key-in-header") << member;
  }
  EXPECT_EQ(verdict_with("crit", nlohmann::json::array({"exp"})), "credential critical");
  EXPECT_EQ(verdict_with("b64", false), "credential header");
  EXPECT_EQ(verdict_with("zip", "DEF"), "credential header");
  EXPECT_EQ(verdict_with("kid", 1), "credential header");
  EXPECT_EQ(verdict_with("kid", std::string("now\0", 4)), "credential header");
  EXPECT_EQ(verdict_with("kid", "other"), "credential unknown-key");
  for (const char* text : {R"({"alg":"ES256","alg":"none","typ":"wit+jwt"})", "[]", "1", "{", "",
                           R"({"alg":"ES256"})", R"({"alg":["ES256"],"typ":"wit+jwt"})"}) {
    const std::string outcome = verdict(with_header(text));
    EXPECT_EQ(outcome, *text == '\0' ? "credential malformed" : "credential header") << text;
  }
}

TEST(HostileTokens, TheTypeIsExact) {
  for (const char* type : {"JWT", "jwt", "WIT+JWT", "application/wit+jwt", "wpt+jwt", "dpop+jwt",
                           "statuslist+jwt", "mayfly-grant+jwt", ""}) {
    EXPECT_EQ(verdict(with_header(header_of("ES256", type))), "credential type") << type;
  }
}

TEST(HostileTokens, TheSignatureIsTheIssuersOverEveryLetter) {
  const std::string claims = sample_wit_claims().dump();
  EXPECT_EQ(verdict(stranger().jws(header_of("ES256", "wit+jwt"), claims)),
            "credential bad-signature");
  EXPECT_EQ(verdict(agent().jws(header_of("ES256", "wit+jwt"), claims)),
            "credential bad-signature");
  const std::string good = sample_wit_text();
  for (std::size_t place = 0; place < good.size(); ++place) {
    std::string text = good;
    text[place] = text[place] == 'A' ? 'B' : 'A';
    EXPECT_NE(verdict(text), "accepted") << place;
  }
  const std::string signed_text = good.substr(0, good.rfind('.') + 1);
  EXPECT_EQ(verdict(signed_text + to_base64url(Bytes(64, 0))), "credential bad-signature");
  EXPECT_EQ(verdict(signed_text + to_base64url(Bytes(63, 1))), "credential bad-signature");
}

TEST(HostileTokens, ClaimsAreThereOnceAndCanBe) {
  std::string twice = sample_wit_claims().dump();
  twice.insert(1, R"("sub":"spiffe://example.org/task/other",)");
  EXPECT_EQ(verdict(issuer().jws(header_of("ES256", "wit+jwt"), twice)),
            "credential duplicate-claim");
  for (const char* text : {"[]", "1", "{", "null", "\xef\xbb\xbf{}", "{}x"}) {
    EXPECT_EQ(verdict(issuer().jws(header_of("ES256", "wit+jwt"), text)), "credential claims");
  }
  for (const char* name : {"iss", "sub", "jti", "iat", "exp", "cnf", "mayfly_task"}) {
    EXPECT_EQ(verdict(with({{name, nullptr}})), "credential missing-claim") << name;
  }
  const std::pair<const char*, nlohmann::json> bad[] = {{"sub", std::string("a\0b", 3)},
                                                        {"sub", ""},
                                                        {"iss", 1},
                                                        {"exp", "1800000600"},
                                                        {"exp", 1800000600.5},
                                                        {"exp", -1},
                                                        {"exp", kNow - 60},
                                                        {"exp", kNow + 601},
                                                        {"iat", 1e300},
                                                        {"cnf", "key"},
                                                        {"status", "none"}};
  for (const auto& [name, value] : bad) {
    EXPECT_EQ(verdict(with({{name, value}})), "credential bad-claim") << name << value;
  }
  const auto key = [](const nlohmann::json& patch) { return with({{"cnf", {{"jwk", patch}}}}); };
  EXPECT_EQ(verdict(key({{"d", "AAAA"}})), "credential bad-claim");
  EXPECT_EQ(verdict(key({{"alg", "ES384"}})), "credential bad-claim");
  EXPECT_EQ(verdict(key({{"alg", "HS256"}})), "credential bad-claim");
  EXPECT_EQ(verdict(key({{"alg", nullptr}})), "credential missing-claim");
  EXPECT_EQ(verdict(key({{"y", to_base64url(Bytes(32, 1))}})), "credential bad-claim");
}

TEST(HostileTokens, TimeAndPlaceAreLookedAt) {
  const std::string good = sample_wit_text();
  const auto at = [&](std::uint64_t now) {
    CredentialExpectations expected = sample_expectations();
    expected.clock.now_unix_s = now;
    return verdict(good, expected);
  };
  EXPECT_EQ(at(kNow + 599), "accepted");
  EXPECT_EQ(at(kNow + 600), "credential expired");
  EXPECT_EQ(at(kNow - 90), "accepted");
  EXPECT_EQ(at(kNow - 91), "credential issued-in-future");
  const auto expecting = [&](const auto& change) {
    CredentialExpectations expected = sample_expectations();
    change(expected);
    return verdict(good, expected);
  };
  EXPECT_EQ(expecting([](auto& e) { e.issuer = "https://other.example"; }),
            "credential wrong-issuer");
  for (const char* subject :
       {"spiffe://example.org/task/other", "spiffe://example.org/task", "spiffe://other.example/*",
        "spiffe://example.org/task/invoice/*", "spiffe://example.org/task/invoic"}) {
    EXPECT_EQ(expecting([&](auto& e) { e.subject = subject; }), "credential wrong-subject")
        << subject;
  }
  EXPECT_EQ(expecting([](auto& e) { e.task_id = "other"; }), "credential wrong-task");
  EXPECT_EQ(expecting([](auto& e) { e = {e.clock, "", "", ""}; }), "accepted");
}

}  // namespace
}  // namespace mayfly::test
