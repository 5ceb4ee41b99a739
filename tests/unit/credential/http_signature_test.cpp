#include "credential/proof/http_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;

// RFC 9421, B.1: its keys, as JWKs.
constexpr char kRsaKey[] =
    R"({"kty":"RSA","e":"AQAB","n":"hAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrwWEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt8uA5txSKobBpKDeBLOsdJKFqMGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd_QBwVW9OwNFhekro3RtlinV0a75jfZgkne_YiktSvLG34lw2zqXBDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0PuKxI4T-HIaFpv8-rdV6eUgOrB2xeI1dSFFn_nnv5OoZJEIB-VmuKn3DCUcCZSFlQPSXSfBDiUGhwOw76WuSSsf1D4b_vLoJ10w"})";
constexpr char kRsaPssKey[] =
    R"({"kty":"RSA","e":"AQAB","n":"r4tmm3r20Wd_PbqvP1s2-QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct-Lh1GH45x28Rw3Ry53mm-oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL-Wokqltd11nqqzi-bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d-nb4bnNkQVklLQ3fVAvJm-xdDOp9LCNCN48V2pnDOkFV6-U9nV5oyc6XI2w"})";
constexpr char kP256Key[] =
    R"({"kty":"EC","crv":"P-256","x":"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA",
        "y":"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"})";
constexpr char kEd25519Key[] =
    R"({"kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"})";
constexpr char kDigest[] =
    "sha-512=:WZDPaVn/"
    "7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
constexpr char kBody[] = R"({"hello": "world"})";
constexpr std::uint64_t kCreated = 1618884473;

PublicKey key_of(const char* text) {
  const nlohmann::json json = nlohmann::json::parse(text);
  JsonObject jwk(json, "jwk");
  return read_jwk_key(jwk);
}

// Appendix B.2's request.
HttpMessage rfc_request() {
  return {"POST",
          "http://example.com/foo?param=Value&Pet=dog",
          {{"Host", "example.com"},
           {"Date", "Tue, 20 Apr 2021 02:07:55 GMT"},
           {"Content-Type", "application/json"},
           {"Content-Digest", kDigest},
           {"Content-Length", "18"}}};
}

struct Example {
  const char* section;
  const char* key;
  const char* algorithm;
  HttpMessage message;
  const char* input;
  const char* signature;
};

const std::vector<Example>& examples() {
  static const std::vector<Example> kExamples = {
      {"B.2.1", kRsaPssKey, "rsa-pss-sha512", rfc_request(),
       R"(sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd")",
       "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/"
       "lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+"
       "oxNFlD4dzVuwe8DhTSja8xxbR/"
       "Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+"
       "O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/"
       "SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:"},
      {"B.2.3", kRsaPssKey, "rsa-pss-sha512", rfc_request(),
       R"(sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss")",
       "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/"
       "5MR6fb0Kh1rIRASVxFkeGt683+"
       "qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/"
       "yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/"
       "CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+"
       "QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:"},
      {"B.2.6", kEd25519Key, "ed25519", rfc_request(),
       R"(sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519")",
       "sig-b26=:"
       "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"},
      {"B.4",
       kEd25519Key,
       "ed25519",
       {"GET",
        "https://example.org/demo?name1=Value1&Name2=value2",
        {{"Accept", "application/json"}, {"Accept", "*/*"}}},
       R"(transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519")",
       "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/"
       "LXlh5QMFFQ6cpLt2m0pmj3NDA==:"},
      {"4.3",
       kRsaKey,
       "rsa-v1_5-sha256",
       {"POST",
        "https://origin.host.internal.example/foo?param=Value&Pet=dog",
        {{"Content-Digest", kDigest},
         {"Content-Type", "application/json"},
         {"Content-Length", "18"},
         {"Forwarded", "for=192.0.2.123;host=example.com;proto=https"}}},
       R"(proxy_sig=("@method" "@authority" "@path" "content-digest" "content-type" "content-length" "forwarded");created=1618884480;keyid="test-key-rsa";alg="rsa-v1_5-sha256";expires=1618884540)",
       "proxy_sig=:S6ZzPXSdAMOPjN/6KXfXWNO/f7V6cHm7BXYUh3YD/"
       "fRad4BCaRZxP+JH+8XY1I6+8Cy+CM5g92iHgxtRPz+"
       "MjniOaYmdkDcnL9cCpXJleXsOckpURl49GwiyUpZ10KHgOEe11sx3G2gxI8S0jnxQB+"
       "Pu68U9vVcasqOWAEObtNKKZd8tSFu7LB5YAv0RAGhB8tmpv7sFnIm9y+"
       "7X5kXQfi8NMaZaA8i2ZHwpBdg7a6CMfwnnrtflzvZdXAsD3LH2TwevU+/PBPv0B6NMNk93wUs/"
       "vfJvye+YuI87HU38lZHowtznbLVdp770I6VHR6WfgS9ddzirrswsE1w5o0LV/g==:"}};
  return kExamples;
}

bool is_good(const Example& example, std::string base) {
  const PublicKey key = key_of(example.key);
  const SignatureFields fields = parse_signature_fields(example.input, example.signature);
  return is_signature(http_scheme(example.algorithm, key.spec()).value(), key, as_bytes(base),
                      fields.signature);
}

TEST(HttpSignature, TheExamplesOfRfc9421Hold) {
  for (const Example& example : examples()) {
    const SignatureFields fields = parse_signature_fields(example.input, example.signature);
    const std::string base = signature_base(example.message, fields.input, fields.params);
    EXPECT_TRUE(is_good(example, base)) << example.section;
    EXPECT_FALSE(is_good(example, base + "\n")) << example.section;
  }
}

TEST(HttpSignature, TheResponseOfRfc9421HoldsForItsKey) {
  // B.2.4: of a response, so its base is written out.
  const PublicKey key = key_of(kP256Key);
  const std::string base =
      "\"@status\": 200\n\"content-type\": application/json\n"
      "\"content-digest\": "
      "sha-512=:"
      "mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:\n"
      "\"content-length\": 23\n"
      "\"@signature-params\": (\"@status\" \"content-type\" \"content-digest\" "
      "\"content-length\");created=1618884473;keyid=\"test-key-ecc-p256\"";
  const auto signature = parse_base64(
      "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==");
  EXPECT_TRUE(is_signature(http_scheme("ecdsa-p256-sha256", key.spec()).value(), key,
                           as_bytes(base), signature.value()));
}

TEST(HttpSignature, AProofMustCoverTheRequest) {
  const auto verdict = [](const Example& example, const std::string& body) {
    const PublicKey key = key_of(example.key);
    ProofExpectations expected;
    expected.clock.now_unix_s = kCreated + 10;
    const SignatureFields fields = parse_signature_fields(example.input, example.signature);
    expected.key_id = fields.input.key_id.value();
    MemoryReplayCache seen;
    const HttpProof proof{example.message, to_bytes(as_bytes(body)), example.input,
                          example.signature};
    return outcome([&] {
      verify_http(proof, {key, jwk_thumbprint(key), "", 0, {}}, expected, seen);
    });
  };
  EXPECT_EQ(verdict(examples()[0], kBody), "proof wrong-content") << "covers nothing";
  EXPECT_EQ(verdict(examples()[1], kBody), "accepted");
  EXPECT_EQ(verdict(examples()[1], "other"), "proof wrong-content");
  EXPECT_EQ(verdict(examples()[1], ""), "proof wrong-content");
  EXPECT_EQ(verdict(examples()[2], kBody), "proof wrong-content") << "leaves out the query";
}

HttpMessage sample_message() {
  return {"POST",
          std::string(kTarget) + "?page=2",
          {{"Content-Digest", content_digest(as_bytes(kBody))}, {"Authorization", "DPoP token"}}};
}

std::string verdict_of(const HttpProof& proof, const PublicKey& key,
                       const std::function<void(ProofExpectations&)>& change) {
  ProofExpectations expected;
  expected.clock = sample_clock();
  expected.covered = {"authorization"};
  change(expected);
  MemoryReplayCache seen;
  const VerifiedCredential credential{key, jwk_thumbprint(key), "", 0, {}};
  const std::string first = outcome([&] { verify_http(proof, credential, expected, seen); });
  if (first == "accepted") {
    EXPECT_EQ(outcome([&] { verify_http(proof, credential, expected, seen); }), "proof replayed");
  }
  return first;
}

HttpProof proof_by(const TestSigner& signer, const HttpMessage& message = sample_message()) {
  const HttpSignature made = sign_http(message, {kNow, kNow + 600}, signer.signer());
  return {message, to_bytes(as_bytes(kBody)), made.input, made.signature};
}

TEST(HttpSignature, OfEachAlgorithmHoldsOnce) {
  for (const JwsAlgorithm algorithm : kJwsAlgorithms) {
    const TestSigner signer(algorithm);
    if (algorithm == JwsAlgorithm::es512) {
      EXPECT_THROW(proof_by(signer), Error) << "RFC 9421 has no P-521";
      continue;
    }
    EXPECT_EQ(verdict_of(proof_by(signer), signer.public_key(), [](auto&) {}), "accepted");
  }
}

TEST(HttpSignature, EndsWithTheTask) {
  const HttpSignature made = sign_http(sample_message(), {kNow, kNow + 9}, agent().signer());
  EXPECT_THAT(made.input, testing::HasSubstr(";expires=" + std::to_string(kNow + 9)));
  EXPECT_THROW(static_cast<void>(sign_http(sample_message(), {kNow, kNow}, agent().signer())),
               Error);
}

TEST(HostileHttp, EachDifferenceIsRefusedForItsReason) {
  const auto changed =
      [](
          const std::function<void(HttpProof&)>& change,
          const std::function<void(ProofExpectations&)>& wanted = [](ProofExpectations&) {}) {
        HttpProof proof = proof_by(agent());
        change(proof);
        return verdict_of(proof, agent().public_key(), wanted);
      };
  const auto same = [](HttpProof&) {};
  EXPECT_EQ(changed(same), "accepted");
  EXPECT_EQ(verdict_of(proof_by(stranger()), agent().public_key(), [](auto&) {}),
            "proof bad-signature");
  EXPECT_EQ(changed([](auto& p) { p.message.method = "GET"; }), "proof bad-signature");
  EXPECT_EQ(changed([](auto& p) { p.message.target += "1"; }), "proof bad-signature");
  EXPECT_EQ(changed([](auto& p) { p.message.fields[1].second = "DPoP other"; }),
            "proof bad-signature");
  EXPECT_EQ(changed([](auto& p) { p.message.fields.pop_back(); }), "proof wrong-content");
  EXPECT_EQ(changed([](auto& p) { p.body.push_back(1); }), "proof wrong-content");
  EXPECT_EQ(changed([](auto& p) { p.input += ";tag=\"x\""; }), "proof bad-signature");
  EXPECT_EQ(changed([](auto& p) { p.message.fields[1].second += "\r\nx: y"; }),
            "proof wrong-content");
  EXPECT_EQ(changed(same, [](auto& e) { e.clock.now_unix_s += 60; }), "proof expired");
  EXPECT_EQ(changed(same, [](auto& e) { e.clock.now_unix_s -= 31; }), "proof issued-in-future");
  EXPECT_EQ(changed(same, [](auto& e) { e.max_life = std::chrono::seconds(0); }), "proof too-old");
  EXPECT_EQ(changed(same, [](auto& e) { e.nonce = "other"; }), "proof wrong-nonce");
  EXPECT_EQ(changed(same, [](auto& e) { e.key_id = "other"; }), "proof other-key");
  EXPECT_EQ(changed(same, [](auto& e) { e.covered = {"cookie"}; }), "proof wrong-content");
}

TEST(HostileHttp, AnAccessTokenMustBeSigned) {
  const auto verdict = [](const HttpProof& proof, const std::string& token) {
    return verdict_of(proof, agent().public_key(), [&](ProofExpectations& expected) {
      expected.covered = {};
      expected.access_token = token;
    });
  };
  const auto proof_with = [](const std::string& field) {
    return proof_by(
        agent(), {"POST",
                  kTarget,
                  {{"Content-Digest", content_digest(as_bytes(kBody))}, {"Authorization", field}}});
  };
  EXPECT_EQ(verdict(proof_with("DPoP token"), "token"), "accepted");
  EXPECT_EQ(verdict(proof_with("Bearer  token "), "token"), "accepted");
  for (const char* field : {"token", "Bearer", "Bearer token2", "Bearer atoken", "Bearer a token",
                            "Bearer token, Bearer token", "Bearer other, Bearer token",
                            "Bearer\ttoken", "Be:arer token", "Bearer Token"}) {
    EXPECT_EQ(verdict(proof_with(field), "token"), "proof wrong-token") << field;
  }
  HttpProof twice = proof_with("Bearer token");
  twice.message.fields.emplace_back("authorization", "Bearer token");
  EXPECT_EQ(verdict(twice, "token"), "proof bad-signature");

  // One that came along and was not signed is anybody's.
  HttpProof bare =
      proof_by(agent(), {"POST", kTarget, {{"Content-Digest", content_digest(as_bytes(kBody))}}});
  EXPECT_EQ(verdict(bare, ""), "accepted");
  EXPECT_EQ(verdict(bare, "token"), "proof wrong-token");
  bare.message.fields.emplace_back("Authorization", "Bearer token");
  EXPECT_EQ(verdict(bare, "token"), "proof wrong-token");
}

TEST(HttpSignature, HasTheNonceThatWasGivenOut) {
  const HttpMessage message{"GET", kTarget, {}};
  const auto proof = [&](const std::string& nonce) {
    const HttpSignature made = sign_http(message, {kNow, kNow + 600}, agent().signer(), nonce);
    return HttpProof{message, {}, made.input, made.signature};
  };
  const auto verdict = [&](const std::string& nonce) {
    return verdict_of(proof(nonce), agent().public_key(), [](ProofExpectations& expected) {
      expected.covered = {};
      expected.nonce = "a \"nonce\"";
    });
  };
  EXPECT_EQ(verdict("a \"nonce\""), "accepted");
  EXPECT_EQ(verdict("another"), "proof wrong-nonce");
  EXPECT_EQ(verdict(""), "proof wrong-nonce");
  EXPECT_THROW(static_cast<void>(proof("a\nb")), Error);
}

TEST(HostileHttp, ABodyThatIsNotCoveredIsRefused) {
  const HttpMessage bare{"POST", kTarget, {{"Authorization", "DPoP token"}}};
  HttpProof proof = proof_by(agent(), bare);
  EXPECT_EQ(verdict_of(proof, agent().public_key(), [](auto&) {}), "proof wrong-content");
  // A digest that came along and was not signed is anybody's.
  proof.message.fields.emplace_back("Content-Digest", content_digest(proof.body));
  EXPECT_EQ(verdict_of(proof, agent().public_key(), [](auto&) {}), "proof wrong-content");
  proof = proof_by(agent(), bare);
  proof.body.clear();
  EXPECT_EQ(verdict_of(proof, agent().public_key(), [](auto&) {}), "accepted");
}

TEST(HostileHttp, TheAlgorithmIsTheKeys) {
  const auto verdict = [](const std::string& algorithm) {
    SignatureInput input;
    input.components = {"@method", "@target-uri"};
    input.created = kNow;
    input.algorithm = algorithm;
    const HttpMessage message{"GET", kTarget, {}};
    const std::string params = to_signature_params(input);
    const Bytes signature = agent().sign(signature_base(message, input, params));
    return verdict_of({message, {}, "a=" + params, "a=:" + to_base64(signature) + ":"},
                      agent().public_key(), [](auto& e) { e.covered = {}; });
  };
  EXPECT_EQ(verdict("ecdsa-p256-sha256"), "accepted");
  for (const char* other : {"hmac-sha256", "rsa-pss-sha512", "ecdsa-p384-sha384", "ed25519", ""}) {
    EXPECT_EQ(verdict(other), "proof algorithm") << other;
  }
}

TEST(SignatureFields, AreReadStrictly) {
  const std::string good = "a=(\"@method\" \"date\");created=1;keyid=\"k\"";
  const SignatureFields fields = parse_signature_fields(good, "a=:AAAA:");
  EXPECT_EQ(to_signature_params(fields.input), good.substr(2));
  for (const char* input : {"",
                            "a",
                            "a=",
                            "a=(",
                            "a=(\"@method\"",
                            "a=(\"@method\" )",
                            "a=(\"@method\"  \"date\")",
                            "a=(\"@method\"\"date\")",
                            "a=(\"@method\" \"@method\")",
                            "a=(\"@query-param\";name=\"x\")",
                            "a=();created=x",
                            "a=();created=-1",
                            "a=();created=1;created=1",
                            "a=();created=1.5",
                            "a=();created=1234567890123",
                            "a=();other=1",
                            "a=();alg=x",
                            "a=();nonce=\"\\x\"",
                            "a=();nonce=\"",
                            "a=();nonce=\"\n\"",
                            "a=() ",
                            "a=(), b=()",
                            "1=()",
                            "A=()",
                            "b=()",
                            "a=();keyid=\"k\"x"}) {
    EXPECT_THROW(static_cast<void>(parse_signature_fields(input, "a=:AAAA:")), Error) << input;
  }
  for (const char* signature : {"", "a", "a=", "a=AAAA", "a=:AAAA", "a=::", "a=:AAA:", "a=:AA-_:",
                                "a=:AAAA:, b=:AAAA:", "a=:AAAA::", "a=:AB==:", "b=:AAAA:"}) {
    EXPECT_THROW(static_cast<void>(parse_signature_fields(good, signature)), Error) << signature;
  }
  EXPECT_THROW(static_cast<void>(
                   parse_signature_fields(std::string(kMaxSignatureField + 1, 'a'), "a=:AAAA:")),
               Error);
}

TEST(ContentDigest, IsOfTheBody) {
  EXPECT_TRUE(is_content_digest(kDigest, as_bytes(kBody)));
  const std::string made = content_digest(as_bytes(kBody));
  // RFC 9530, D.1
  EXPECT_EQ(made, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
  EXPECT_TRUE(is_content_digest(made + ", " + kDigest, as_bytes(kBody)));
  EXPECT_FALSE(is_content_digest(made, as_bytes("other")));
  for (const std::string& field :
       {std::string(), std::string(","), std::string("md5=:AAAA:"), std::string("sha-256=AAAA"),
        std::string("sha-256=:"), made + ", sha-512=:AAAA:", made + ", md5=:AAAA:"}) {
    EXPECT_FALSE(is_content_digest(field, as_bytes(kBody))) << field;
  }
}

}  // namespace
}  // namespace mayfly::test
