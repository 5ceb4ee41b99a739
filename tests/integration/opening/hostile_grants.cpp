#include "integration/opening/hostile_grants.h"

#include <ctime>

#include "integration/opening/grant_tasks.h"

namespace mayfly::test {
namespace {

constexpr const char* kForm = "it is no JWS of three parts in base64url";
constexpr const char* kHeader = "its header is not one of a grant";
constexpr const char* kBringsKey = "its header brings or names a key of its own";
constexpr const char* kAlgorithm = "its alg is none of ES256, ES384, EdDSA and PS256";
constexpr const char* kSignature = "its signature is not one of a trusted approver";
constexpr const char* kMissing = "it lacks a claim";
constexpr const char* kBadClaim = "it has a claim with a value that can't be";
constexpr const char* kAudience = "it is not for this broker";

using nlohmann::json;

class Maker {
 public:
  explicit Maker(const TestApprover& approver) : approver_(approver) {}

  [[nodiscard]] std::string with(const char* claim, const json& value) const {
    json claims = good_claims();
    claims[claim] = value;
    return approver_.token(claims.dump());
  }
  [[nodiscard]] std::string without(const char* claim) const {
    json claims = good_claims();
    claims.erase(claim);
    return approver_.token(claims.dump());
  }
  [[nodiscard]] std::string under(const std::string& header) const {
    return approver_.jws(header, good_claims().dump());
  }
  [[nodiscard]] std::string good() const { return approver_.token(good_claims().dump()); }

 private:
  const TestApprover& approver_;
};

std::string header_plus(const std::string& members) {
  return R"({"alg":"ES256","typ":"mayfly-grant+jwt",)" + members + "}";
}

void add_forms(std::vector<HostileGrant>& all, const Maker& make) {
  const std::string good = make.good();
  const std::size_t first = good.find('.');
  const std::size_t last = good.rfind('.');
  all.push_back({"one word", "letmein", kForm});
  all.push_back({"two parts", good.substr(0, last), kForm});
  all.push_back({"four parts", good + ".AAAA", kForm});
  all.push_back({"padding", good + "=", kForm});
  all.push_back({"a space", good + " ", kForm});
  all.push_back({"no signature", good.substr(0, last + 1), kForm});
  all.push_back({"too long", good + std::string(8'000, 'A'), "it is longer than 8 KiB"});
  all.push_back({"no header", good.substr(first), kForm});
}

void add_headers(std::vector<HostileGrant>& all, const Maker& make, const TestApprover& approver) {
  const std::string payload = encoded(good_claims().dump());
  all.push_back({"alg none",
                 encoded(R"({"alg":"none","typ":"mayfly-grant+jwt"})") + "." + payload + ".AAAA",
                 kAlgorithm});
  all.push_back({"HMAC", make.under(R"({"alg":"HS256","typ":"mayfly-grant+jwt"})"), kAlgorithm});
  all.push_back({"RS256", make.under(R"({"alg":"RS256","typ":"mayfly-grant+jwt"})"), kAlgorithm});
  all.push_back({"another type", make.under(R"({"alg":"ES256","typ":"JWT"})"),
                 "its typ is not mayfly-grant+jwt"});
  all.push_back({"no type", make.under(R"({"alg":"ES256"})"), kHeader});
  all.push_back({"crit", make.under(header_plus(R"("crit":["exp"])")), "has the member crit"});
  all.push_back({"jwk", make.under(header_plus("\"jwk\":" + approver.jwk())), kBringsKey});
  all.push_back({"jku", make.under(header_plus(R"("jku":"https://evil.example/k")")), kBringsKey});
  all.push_back({"x5c", make.under(header_plus(R"("x5c":["AAAA"])")), kBringsKey});
  all.push_back({"an unknown member", make.under(header_plus(R"("zip":"DEF")")), kHeader});
  all.push_back({"a header that is no JSON", make.under("{"), kHeader});
  all.push_back({"another's key ID", make.under(header_plus(R"("kid":"nobody")")),
                 "no trusted approver can have signed it"});
  all.push_back({"another algorithm than the key's",
                 make.under(R"({"alg":"EdDSA","typ":"mayfly-grant+jwt","kid":"boss"})"),
                 "its alg does not fit the approver's key"});
}

void add_signatures(std::vector<HostileGrant>& all, const Maker& make) {
  const TestApprover stranger(grant::Algorithm::es256, "boss");
  all.push_back({"a stranger's", stranger.token(good_claims().dump()), kSignature});
  std::string good = make.good();
  std::string wider = good;
  json claims = good_claims();
  claims["max_sigs"] = 1'000'000;
  const std::size_t first = wider.find('.');
  wider.replace(first + 1, wider.rfind('.') - first - 1, encoded(claims.dump()));
  all.push_back({"claims that were widened later", wider, kSignature});
  char& digit = good[good.rfind('.') + 5];
  digit = digit == 'A' ? 'B' : 'A';
  all.push_back({"a changed digit", good, kSignature});
}

void add_claims(std::vector<HostileGrant>& all, const Maker& make, const TestApprover& approver) {
  for (const char* claim : {"iss", "sub", "jti", "iat", "exp", "task", "ttl", "aud"}) {
    all.push_back({claim, make.without(claim), kMissing});
  }
  all.push_back({"claims that are a list", approver.token("[1]"), "its claims are no JSON object"});
  all.push_back(
      {"a claim twice", approver.token(R"({"iss":"a","iss":"b"})"), "it has a claim twice"});
  all.push_back(
      {"an unknown claim", make.with("admin", true), "it has a claim that is not known here"});
  all.push_back({"a ttl of nothing", make.with("ttl", 0), kBadClaim});
  all.push_back({"a negative number of signatures", make.with("max_sigs", -1), kBadClaim});
  all.push_back({"half a key", make.with("max_keys", 0.5), kBadClaim});
  all.push_back({"a mechanism by JOSE's name", make.with("mechs", {"ES256"}), kBadClaim});
  all.push_back({"no mechanism", make.with("mechs", json::array()), kBadClaim});
  all.push_back({"children without end", make.with("children", {{"allowed", true}, {"depth", 17}}),
                 kBadClaim});
  all.push_back(
      {"a zero in the agent's name", make.with("sub", std::string("a\0b", 3)), kBadClaim});
}

void add_times_and_places(std::vector<HostileGrant>& all, const Maker& make) {
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  all.push_back(
      {"issued in the future", make.with("iat", now + 300), "it was issued in the future"});
  all.push_back({"early", make.with("nbf", now + 300), "it is not valid yet"});
  all.push_back({"valid for a day", make.with("exp", now + 86'400),
                 "it is valid for longer than grants.max-life"});
  all.push_back({"a task of a week", make.with("ttl", 604'800),
                 "its task would live for longer than task.max-ttl"});
  all.push_back({"another broker's", make.with("aud", "other.example"), kAudience});
  all.push_back({"other brokers'", make.with("aud", {"a.example", "b.example"}), kAudience});
  all.push_back({"a broker's of nearly this name", make.with("aud", "broker.example."), kAudience});
  all.push_back({"another task's", make.with("task", "invoice-4712"), "it is for another task"});
  all.push_back({"a pattern's", make.with("task", "*"), "it is for another task"});
  all.push_back(
      {"a child's", make.with("parent", "above"), "it is for another place below other tasks"});
}

void add_expired(std::vector<HostileGrant>& all, const TestApprover& approver) {
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  json old = good_claims();
  old["iat"] = now - 900;
  old["nbf"] = now - 900;
  old["exp"] = now - 300;
  all.push_back({"expired", approver.token(old.dump()), "it has expired", true});
  old["exp"] = now - 31;
  all.push_back({"expired by more than clocks may differ", approver.token(old.dump()),
                 "it has expired", true});
}

}  // namespace

std::vector<HostileGrant> hostile_grants(const TestApprover& approver) {
  const Maker make(approver);
  std::vector<HostileGrant> all;
  add_forms(all, make);
  add_headers(all, make, approver);
  add_signatures(all, make);
  add_claims(all, make, approver);
  add_times_and_places(all, make);
  add_expired(all, approver);
  return all;
}

}  // namespace mayfly::test
