#include "support/test_approver.h"

namespace mayfly::test {

std::string TestApprover::jwk() const { return grant::to_jwk(public_key(), key_id_); }

grant::Approver TestApprover::approver() const {
  return grant::parse_approvers(jwk_set({jwk()})).front();
}

std::string TestApprover::token(std::string_view payload) const {
  return jws(R"({"alg":")" + algorithm() + R"(","typ":"mayfly-grant+jwt"})", payload);
}

std::string jwk_set(const std::vector<std::string>& keys) {
  std::string list;
  for (const std::string& key : keys) list += (list.empty() ? "" : ",") + key;
  return "{\"keys\":[" + list + "]}";
}

}  // namespace mayfly::test
