// A grant that holds, to be spoiled in one way at a time.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "grant/refused.h"
#include "grant/verify.h"

namespace mayfly::test {

inline constexpr std::uint64_t kNow = 1'800'000'000;

/// Claims with everything in them.
inline nlohmann::json sample_claims() {
  return {{"iss", "ops"},           {"sub", "billing-agent"},
          {"jti", "grant-1"},       {"iat", kNow - 10},
          {"nbf", kNow - 10},       {"exp", kNow + 590},
          {"task", "invoice-4711"}, {"ttl", 900},
          {"aud", "broker"},        {"max_sigs", 10},
          {"max_keys", 2},          {"mechs", {"CKM_ECDSA", "CKM_ECDSA_SHA256"}},
          {"scope", "pay read"},    {"children", {{"allowed", true}, {"depth", 2}}}};
}

/// The same with one claim another.
inline std::string claims_with(const char* claim, const nlohmann::json& value) {
  nlohmann::json claims = sample_claims();
  claims[claim] = value;
  return claims.dump();
}

inline std::string claims_without(const char* claim) {
  nlohmann::json claims = sample_claims();
  claims.erase(claim);
  return claims.dump();
}

/// A broker for which the sample holds.
inline grant::Expectations sample_expectations() {
  grant::Expectations expected;
  expected.audience = "broker";
  expected.task = "invoice-4711";
  expected.now_unix_s = kNow;
  return expected;
}

/// "accepted", or the reason of the refusal, whose form is looked at.
template <typename Call>
std::string outcome_of(const Call& call) {
  try {
    static_cast<void>(call());
    return "accepted";
  } catch (const grant::Refused& refused) {
    const std::string message = refused.what();
    const bool tells = message.find(grant::text_of(refused.reason())) != std::string::npos;
    if (!tells || message.find('\n') != std::string::npos || message.size() > 1000) {
      return "bad message: " + message;
    }
    const bool good_once = refused.reason() == grant::Reason::expired;
    if (refused.rv() != (good_once ? CKR_PIN_EXPIRED : CKR_PIN_INCORRECT)) return "wrong CK_RV";
    return std::string(grant::name_of(refused.reason()));
  }
}

}  // namespace mayfly::test
