// Grants that are refused for their form, their signature, their time or their place: each with its
// own reason for the log, and with one of two answers for the client.
#include <functional>
#include <set>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64url.h"
#include "base/jwk.h"
#include "support/test_approver.h"
#include "unit/grant/sample.h"

namespace mayfly::test {
namespace {

using grant::Algorithm;
using grant::Expectations;

struct Vector {
  std::string name;
  std::string reason;
  std::string text;
  Expectations expected = sample_expectations();
};

using Vectors = std::vector<Vector>;

/// Whom the broker of these tests trusts, and one whom it does not.
struct People {
  TestApprover ec{Algorithm::es256, "ec"};
  TestApprover ec384{Algorithm::es384, "ec384"};
  TestApprover ed{Algorithm::eddsa, "ed"};
  TestApprover rsa{Algorithm::ps256, "rsa"};
  TestApprover stranger{Algorithm::es256, "ec"};

  [[nodiscard]] std::vector<grant::Approver> trusted() const {
    return {ec.approver(), ec384.approver(), ed.approver(), rsa.approver()};
  }
};

std::string good_claims() { return sample_claims().dump(); }

constexpr char kGoodHeader[] = R"({"alg":"ES256","typ":"mayfly-grant+jwt"})";

/// The header of a grant that says a little more.
std::string header_with(const std::string& members) {
  return R"({"alg":"ES256","typ":"mayfly-grant+jwt",)" + members + "}";
}

std::string header_of(const std::string& algorithm, const std::string& key_id = "") {
  return "{\"alg\":\"" + algorithm + "\",\"typ\":\"mayfly-grant+jwt\"" +
         (key_id.empty() ? "" : ",\"kid\":\"" + key_id + "\"") + "}";
}

/// The parts of a token, to be put together in another way.
struct Parts {
  explicit Parts(const std::string& token)
      : header(token.substr(0, token.find('.'))),
        payload(token.substr(header.size() + 1, token.rfind('.') - header.size() - 1)),
        signature(token.substr(token.rfind('.') + 1)) {}

  [[nodiscard]] std::string joined() const { return header + "." + payload + "." + signature; }

  std::string header;
  std::string payload;
  std::string signature;
};

std::string with_signature(const std::string& token, const Bytes& signature) {
  Parts parts(token);
  parts.signature = to_base64url(signature);
  return parts.joined();
}

void add_forms(Vectors& all, const People& people) {
  const std::string good = people.ec.token(good_claims());
  const Parts parts(good);
  const auto add = [&](const char* name, const std::string& text) {
    all.push_back({name, "malformed", text});
  };
  add("empty", "");
  add("one part", parts.header);
  add("two parts", parts.header + "." + parts.payload);
  add("no parts, two dots", "..");
  add("four parts", good + "." + parts.signature);
  add("five parts, as a JWE", good + ".." + parts.signature);
  add("no header", "." + parts.payload + "." + parts.signature);
  add("no payload", parts.header + ".." + parts.signature);
  add("no signature", parts.header + "." + parts.payload + ".");
  add("a newline at the end", good + "\n");
  add("a space at the start", " " + good);
  add("a space inside", parts.header + ". " + parts.payload + "." + parts.signature);
  add("padding", parts.header + "==." + parts.payload + "." + parts.signature);
  add("a NUL at the end", good + std::string(1, '\0'));
  add("letters of plain base64", parts.header + "." + parts.payload + ".+/" + parts.signature);
  add("JSON serialisation", R"({"protected":")" + parts.header + R"(","payload":")" +
                                parts.payload + R"(","signature":")" + parts.signature + "\"}");
  add("not ASCII", "\xc3\xa4." + parts.payload + "." + parts.signature);
  // 64 bytes take 86 characters, of which the last has four bits that mean nothing.
  Parts stray = parts;
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  stray.signature.back() = alphabet[alphabet.find(stray.signature.back()) + 1];
  add("stray bits", stray.joined());
  all.push_back({"over 8 KiB", "too-long", good + std::string(8193 - good.size(), 'A')});
  all.push_back({"8 KiB of nothing", "malformed", std::string(8192, 'A')});
}

void add_headers(Vectors& all, const People& people) {
  const auto add = [&](const char* name, const char* reason, const std::string& header) {
    all.push_back({name, reason, people.ec.jws(header, good_claims())});
  };
  add("a header that is no JSON", "header", "alg=ES256");
  add("a header that is a list", "header", "[]");
  add("a header without alg", "header", R"({"typ":"mayfly-grant+jwt"})");
  add("a header without typ", "header", R"({"alg":"ES256"})");
  add("alg twice", "header", R"({"alg":"none","alg":"ES256","typ":"mayfly-grant+jwt"})");
  add("alg as a number", "header", R"({"alg":256,"typ":"mayfly-grant+jwt"})");
  add("alg as a list", "header", R"({"alg":["ES256"],"typ":"mayfly-grant+jwt"})");
  add("kid as a number", "header", header_with(R"("kid":1)"));
  add("an empty kid", "header", header_with(R"("kid":"")"));
  add("a kid with a newline", "header", header_with(R"("kid":"ec\n")"));
  add("a kid of 257 bytes", "header", header_with("\"kid\":\"" + std::string(257, 'k') + "\""));
  add("a compressed payload", "header", header_with(R"("zip":"DEF")"));
  add("an unencoded payload", "header", header_with(R"("b64":false)"));
  add("a content type", "header", header_with(R"("cty":"JWT")"));
  add("a member that nobody knows", "header", header_with(R"("foo":1)"));
  add("a header of more than 1 KiB", "header",
      header_with("\"foo\":\"" + std::string(1024, 'x') + "\""));
  add("a byte order mark", "header", std::string("\xef\xbb\xbf") + kGoodHeader);
  add("bytes that are no UTF-8", "header", header_with("\"kid\":\"\xff\""));
  add("crit, empty", "critical", header_with(R"("crit":[])"));
  add("crit", "critical", header_with(R"("crit":["exp"],"exp":1)"));
  add("crit with a key", "critical", header_with(R"("crit":["jwk"],"jwk":{})"));
  for (const std::string type : {"JWT", "jwt", "Mayfly-Grant+JWT", "application/mayfly-grant+jwt",
                                 "mayfly-grant+jwt ", "dpop+jwt", ""}) {
    add("another typ", "type", R"({"alg":"ES256","typ":")" + type + "\"}");
  }
}

/// The header brings the stranger's key, and the stranger signs.
void add_keys_in_headers(Vectors& all, const People& people) {
  const std::string info = encoded(as_text(people.stranger.public_key().subject_public_key_info()));
  const std::pair<const char*, std::string> members[] = {
      {"jwk", people.stranger.jwk()},
      {"jku", "\"https://attacker.example/keys\""},
      {"x5u", "\"https://attacker.example/chain\""},
      {"x5c", "[\"" + info + "\"]"},
      {"x5t", "\"" + info + "\""},
      {"x5t#S256", "\"" + info + "\""},
      {"jwk", "null"}};
  for (const auto& [member, value] : members) {
    const std::string header = header_with("\"" + std::string(member) + "\":" + value);
    all.push_back({std::string(member) + " in the header", "key-in-header",
                   people.stranger.jws(header, good_claims())});
  }
}

Bytes hmac(const EVP_MD* hash, const std::string& key, const std::string& text) {
  Bytes tag(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  HMAC(hash, key.data(), static_cast<int>(key.size()), as_bytes(text).data(), text.size(),
       tag.data(), &size);
  tag.resize(size);
  return tag;
}

void add_algorithms(Vectors& all, const People& people) {
  for (const std::string none : {"none", "None", "NONE", "nOnE", ""}) {
    const std::string text = encoded(header_of(none)) + "." + encoded(good_claims());
    all.push_back({"alg \"" + none + "\" with a signature", "algorithm",
                   people.ec.jws(header_of(none), good_claims())});
    all.push_back({"alg \"" + none + "\" without one", "malformed", text + "."});
  }
  // What a verifier that takes the alg's word would check with the public key as the secret.
  const std::pair<const char*, const EVP_MD*> macs[] = {
      {"HS256", EVP_sha256()}, {"HS384", EVP_sha384()}, {"HS512", EVP_sha512()}};
  for (const auto& [name, hash] : macs) {
    for (const std::string& secret : {people.rsa.public_pem(), people.ec.jwk()}) {
      const std::string text = encoded(header_of(name, "rsa")) + "." + encoded(good_claims());
      all.push_back({std::string("a MAC with the public key as secret, ") + name, "algorithm",
                     text + "." + to_base64url(hmac(hash, secret, text))});
    }
  }
  for (const char* other : {"RS256", "PS384", "PS512", "ES512", "ES256K", "es256", "ES256 ",
                            "Ed25519", "Ed448", "ECDH-ES", "ES256\\u0000"}) {
    all.push_back(
        {std::string("alg ") + other, "algorithm", people.ec.jws(header_of(other), good_claims())});
  }
  // The alg of another of the four than the key's.
  const TestApprover* const each[] = {&people.ec, &people.ec384, &people.ed, &people.rsa};
  const char* const ids[] = {"ec", "ec384", "ed", "rsa"};
  for (std::size_t i = 0; i < std::size(each); ++i) {
    for (const TestApprover* other : each) {
      if (other == each[i]) continue;
      const std::string header = header_of(other->algorithm(), ids[i]);
      all.push_back({ids[i] + (" with " + other->algorithm()), "wrong-key-type",
                     each[i]->jws(header, good_claims())});
      all.push_back({ids[i] + (" without kid, with " + other->algorithm()), "bad-signature",
                     each[i]->jws(header_of(other->algorithm()), good_claims())});
    }
  }
}

/// A signature over the text that libcrypto makes with parameters of the test's choice.
Bytes sign_otherwise(const TestApprover& approver, const std::string& text,
                     const std::function<void(EVP_PKEY_CTX*)>& set) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(approver.pem().data(), static_cast<int>(approver.pem().size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_PKEY_CTX* parameters = nullptr;
  EVP_DigestSignInit(context.get(), &parameters, EVP_sha256(), nullptr, key.get());
  set(parameters);
  Bytes signature(1024);
  std::size_t size = signature.size();
  if (EVP_DigestSign(context.get(), signature.data(), &size, as_bytes(text).data(), text.size()) !=
      1) {
    throw std::runtime_error("no signature");
  }
  signature.resize(size);
  return signature;
}

void add_odd_rsa_signatures(Vectors& all, const People& people) {
  const std::string token = people.rsa.token(good_claims());
  const std::string text = token.substr(0, token.rfind('.'));
  const auto add = [&](const char* name, const std::function<void(EVP_PKEY_CTX*)>& set) {
    all.push_back(
        {name, "bad-signature", with_signature(token, sign_otherwise(people.rsa, text, set))});
  };
  add("PKCS#1 v1.5 as PS256", [](EVP_PKEY_CTX*) {});
  const auto pss = [](EVP_PKEY_CTX* parameters, int salt, const EVP_MD* mask) {
    EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, salt);
    EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, mask);
  };
  add("PSS without salt", [&](EVP_PKEY_CTX* p) { pss(p, 0, EVP_sha256()); });
  add("PSS with a long salt", [&](EVP_PKEY_CTX* p) { pss(p, 100, EVP_sha256()); });
  add("PSS with another mask", [&](EVP_PKEY_CTX* p) { pss(p, 32, EVP_sha384()); });
  add("PSS as PS256 has it", [&](EVP_PKEY_CTX* p) { pss(p, 32, EVP_sha256()); });
  all.back().reason = "accepted";
}

void add_signatures(Vectors& all, const People& people) {
  const std::string good = people.ec.token(good_claims());
  const Bytes signature = people.ec.sign(good.substr(0, good.rfind('.')));
  const auto add = [&](const std::string& name, const std::string& text) {
    all.push_back({name, "bad-signature", text});
  };
  add("signed by a stranger", people.stranger.token(good_claims()));
  add("signed by a stranger in a friend's name",
      people.stranger.jws(header_of("ES256", "ec"), good_claims()));
  all.push_back({"a kid that nobody has", "unknown-approver",
                 people.ec.jws(header_of("ES256", "nobody"), good_claims())});
  all.push_back(
      {"a stranger's thumbprint as kid", "unknown-approver",
       people.stranger.jws(header_of("ES256", jwk_thumbprint(people.stranger.public_key())),
                           good_claims())});
  Parts other_payload(good);
  other_payload.payload = encoded(claims_with("task", "another"));
  add("a payload put in afterwards", other_payload.joined());
  Parts other_header(good);
  other_header.header = encoded(header_with("\"kid\":\"ec\""));
  add("a header put in afterwards", other_header.joined());
  add("signed over the payload only", with_signature(good, people.ec.sign(Parts(good).payload)));
  add("signed over the claims themselves", with_signature(good, people.ec.sign(good_claims())));
  for (const std::size_t at : {std::size_t{0}, signature.size() / 2, signature.size() - 1}) {
    Bytes flipped = signature;
    flipped[at] ^= 1;
    add("a flipped bit", with_signature(good, flipped));
  }
  Bytes swapped(signature.begin() + 32, signature.end());
  swapped.insert(swapped.end(), signature.begin(), signature.begin() + 32);
  add("s before r", with_signature(good, swapped));
  add("all zeros", with_signature(good, Bytes(64, 0)));
  add("all ones", with_signature(good, Bytes(64, 0xff)));
  add("cut by a byte", with_signature(good, Bytes(signature.begin(), signature.end() - 1)));
  Bytes longer = signature;
  longer.push_back(0);
  add("a byte more", with_signature(good, longer));
  Bytes padded = signature;
  padded.insert(padded.begin() + 32, 0);
  padded.insert(padded.begin(), 0);
  add("r and s with a zero before each", with_signature(good, padded));
  add("DER", with_signature(good, sign_otherwise(people.ec, good.substr(0, good.rfind('.')),
                                                 [](EVP_PKEY_CTX*) {})));
  const std::string edwards = people.ed.token(good_claims());
  add("Ed25519 all zeros", with_signature(edwards, Bytes(64, 0)));
  add("Ed25519 over a digest",
      with_signature(edwards,
                     people.ed.sign(as_text(
                         digest(Hash::sha512, as_bytes(edwards.substr(0, edwards.rfind('.'))))))));
  add_odd_rsa_signatures(all, people);
}

void add_times_and_places(Vectors& all, const People& people) {
  const auto add = [&](const char* name, const char* reason, const std::string& claims,
                       const std::function<void(Expectations&)>& change = {}) {
    Vector vector{name, reason, people.ec.token(claims)};
    if (change) change(vector.expected);
    all.push_back(std::move(vector));
  };
  const std::string good = good_claims();
  add("issued in the future", "issued-in-future", claims_with("iat", kNow + 31));
  add("not valid yet", "too-early", claims_with("nbf", kNow + 31));
  add("expired", "expired", good, [](Expectations& e) { e.now_unix_s = kNow + 590 + 30; });
  add("expired long ago", "expired", good, [](Expectations& e) { e.now_unix_s = ~0ULL / 2; });
  add("expired, without a skew", "expired", good, [](Expectations& e) {
    e.now_unix_s = kNow + 590;
    e.clock_skew = std::chrono::seconds(0);
  });
  add("valid for too long", "valid-too-long", claims_with("exp", kNow - 10 + 3601));
  add("valid until the year 9999", "valid-too-long", claims_with("exp", 253'402'300'799ULL));
  add("a task that lives too long", "ttl-too-long", claims_with("ttl", 24 * 3600 + 1));
  add("for another broker", "wrong-audience", claims_with("aud", "broker2"));
  add("for the start of the broker's name", "wrong-audience", claims_with("aud", "brok"));
  add("for the broker in capitals", "wrong-audience", claims_with("aud", "BROKER"));
  add("for all brokers", "wrong-audience", claims_with("aud", "*"));
  add("for other brokers", "wrong-audience", claims_with("aud", {"a", "b"}));
  add("a broker without a name", "wrong-audience", good, [](Expectations& e) { e.audience = ""; });
  for (const char* task : {"invoice-4712", "invoice-471", "invoice-47111", "INVOICE-4711", "*",
                           "invoice-*", "invoice-4711 ", ".*"}) {
    add("for another task", "wrong-task", claims_with("task", task));
  }
  add("another task by its letters, not its look", "wrong-task", claims_with("task", "caf\u00e9"),
      [](Expectations& e) { e.task = "cafe\u0301"; });
  add("for a child, used for none", "wrong-parent", claims_with("parent", "invoice"));
  add("for none, used for a child", "wrong-parent", good,
      [](Expectations& e) { e.parent = "invoice"; });
  add("for a child of another", "wrong-parent", claims_with("parent", "invoice"),
      [](Expectations& e) { e.parent = "order"; });
}

TEST(RefusedGrants, EachForItsOwnReason) {
  const People people;
  Vectors all;
  add_forms(all, people);
  add_headers(all, people);
  add_keys_in_headers(all, people);
  add_algorithms(all, people);
  add_signatures(all, people);
  add_times_and_places(all, people);
  const auto trusted = people.trusted();
  ASSERT_EQ(outcome_of([&] {
              return grant::verify(people.ec.token(good_claims()), trusted, sample_expectations());
            }),
            "accepted");
  std::set<std::string> reasons;
  for (const Vector& vector : all) {
    EXPECT_EQ(outcome_of([&] { return grant::verify(vector.text, trusted, vector.expected); }),
              vector.reason)
        << vector.name;
    reasons.insert(vector.reason);
  }
  EXPECT_GE(all.size(), 140U);
  EXPECT_GE(reasons.size(), 16U);
  RecordProperty("vectors", static_cast<int>(all.size()));
}

TEST(RefusedGrants, ABrokerWithoutANameIsToldToTakeOne) {
  const TestApprover approver(Algorithm::eddsa);
  Expectations expected = sample_expectations();
  expected.audience.clear();
  try {
    static_cast<void>(
        grant::verify(approver.token(good_claims()), {approver.approver()}, expected));
    FAIL() << "a broker without a name took a grant";
  } catch (const grant::Refused& refused) {
    EXPECT_NE(std::string(refused.what()).find("set grants.audience"), std::string::npos);
  }
}

TEST(RefusedGrants, NobodyIsTrustedWhereNobodyIsNamed) {
  const TestApprover approver(Algorithm::eddsa);
  EXPECT_EQ(outcome_of([&] {
              return grant::verify(approver.token(good_claims()), {}, sample_expectations());
            }),
            "unknown-approver");
}

TEST(RefusedGrants, AClientLearnsOnlyWhetherItWasGoodOnce) {
  using grant::Reason;
  std::set<std::string_view> names;
  std::set<std::string_view> texts;
  for (int i = 0; i <= static_cast<int>(Reason::spent); ++i) {
    const auto reason = static_cast<Reason>(i);
    names.insert(grant::name_of(reason));
    texts.insert(grant::text_of(reason));
    const bool good_once = reason == Reason::expired || reason == Reason::spent;
    EXPECT_EQ(grant::rv_of(reason), good_once ? CKR_PIN_EXPIRED : CKR_PIN_INCORRECT);
    EXPECT_EQ(grant::Refused(reason).rv(), grant::rv_of(reason));
  }
  EXPECT_EQ(names.size(), 25U) << "each reason has its own name";
  EXPECT_EQ(texts.size(), 25U) << "each reason has its own text";
}

}  // namespace
}  // namespace mayfly::test
