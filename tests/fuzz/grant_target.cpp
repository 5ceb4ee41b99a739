// Grants, as anybody can send them to a broker, and the files that say whom it trusts: whatever the
// bytes are, they are refused with a reason, or are what they say in one way only.
#include <openssl/err.h>

#include "base/base64url.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"
#include "grant/claims.h"
#include "grant/ticket.h"
#include "support/test_approver.h"
#include "unit/grant/sample.h"

namespace mayfly::test {
namespace {

// The keys of RFC 8037, A.1, and of RFC 8032, 7.1, test 2: the same in every run, so that stored
// inputs can be signed.
constexpr char kApproverKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
constexpr char kStrangerKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
    "-----END PRIVATE KEY-----\n";

const TestApprover& approver() {
  static const TestApprover kApprover(kApproverKey, "ops");
  return kApprover;
}
const std::vector<grant::Approver>& trusted() {
  static const std::vector<grant::Approver> kTrusted = {approver().approver()};
  return kTrusted;
}
const std::vector<grant::Approver>& others_trusted() {
  static const std::vector<grant::Approver> kTrusted = {
      TestApprover(kStrangerKey, "ops").approver()};
  return kTrusted;
}

/// Runs a reader. @return whether it took what it was given.
template <typename Reader>
bool accepts(const Reader& reader) {
  try {
    reader();
    return true;
  } catch (const grant::Refused& refused) {
    require_message(refused.what());
    require(refused.rv() == grant::rv_of(refused.reason()), "a reason has its answer");
    require(refused.rv() == CKR_PIN_INCORRECT || refused.rv() == CKR_PIN_EXPIRED,
            "a client gets one of two answers");
  } catch (const Error& error) {
    require_message(error.what());
    require(error.rv() == CKR_DATA_INVALID || error.rv() == CKR_ATTRIBUTE_VALUE_INVALID,
            "nothing but a refusal is thrown");
  }
  return false;
}

bool holds(const std::string& text, const std::vector<grant::Approver>& whom,
           const grant::Expectations& expected) {
  return accepts([&] { static_cast<void>(grant::verify(text, whom, expected)); });
}

/// Any text: what one approver gave is never another's, and no letter of it can be changed.
void check_text(Input& input) {
  const std::size_t place = input.number(2);
  const std::uint8_t change = input.byte();
  std::string text(as_text(input.rest()));
  accepts([&] { static_cast<void>(grant::read_unverified(text)); });
  require(!holds(text, {}, sample_expectations()), "nobody is trusted where nobody is named");
  const bool good = holds(text, trusted(), sample_expectations());
  require(!good || !holds(text, others_trusted(), sample_expectations()),
          "what one approver gave is not another's");
  if (!good || change == 0) return;
  char& letter = text[place % text.size()];
  letter = static_cast<char>(letter ^ static_cast<char>(change));
  require(!holds(text, trusted(), sample_expectations()), "a grant has one text only");
}

void check_limits(const grant::Grant& grant) {
  for (const std::string* name : {&grant.issuer, &grant.agent, &grant.id, &grant.task}) {
    require(!name->empty() && name->size() <= 255, "names have 1 to 255 bytes");
    require_message(*name);
  }
  require(grant.expires > grant.issued_at && grant.expires > grant.not_before.value_or(0),
          "a grant ends after it begins");
  require(grant.ttl.count() >= 1, "a task lives for a second at least");
  require(grant.max_signatures != 0 && grant.max_keys != 0, "no limit is zero");
  require(!grant.audience.empty() && grant.audience.size() <= 16, "1 to 16 audiences");
  require(grant.mechanisms.size() <= 64 && grant.scope.size() <= 64, "lists are bounded");
  require(grant.children <= grant::kMaxDepth, "depth is bounded");
}

/// Claims that are read are written as they were read, and hold where they say, and not elsewhere.
void check_claims(std::string_view text) {
  accepts([&] {
    const grant::Grant grant = grant::parse_claims(text);
    check_limits(grant);
    require(grant::parse_claims(grant::to_json(grant)) == grant, "claims are written as read");
    const std::string token = approver().token(text);
    if (token.size() > grant::kMaxGrantSize) return;
    grant::Expectations expected;
    expected.audience = grant.audience.back();
    expected.task = grant.task;
    expected.parent = grant.parent;
    expected.now_unix_s = std::max(grant.issued_at, grant.not_before.value_or(0));
    expected.clock_skew = std::chrono::seconds(0);
    expected.max_life = std::chrono::seconds(grant.expires - grant.issued_at);
    expected.max_ttl = grant.ttl;
    require(holds(token, trusted(), expected), "a signed grant holds where it says");
    const auto elsewhere = [&](const auto& change) {
      grant::Expectations other = expected;
      change(other);
      require(!holds(token, trusted(), other), "a grant holds nowhere else");
    };
    elsewhere([](grant::Expectations& e) { e.audience += "x"; });
    elsewhere([](grant::Expectations& e) { *e.task += "x"; });
    elsewhere([](grant::Expectations& e) { e.parent = e.parent.value_or("") + "x"; });
    elsewhere([&](grant::Expectations& e) { e.now_unix_s = grant.expires; });
    elsewhere([](grant::Expectations& e) { e.max_life -= std::chrono::seconds(1); });
    elsewhere([](grant::Expectations& e) { e.max_ttl -= std::chrono::seconds(1); });
  });
}

/// A header that the approver signed: there are few that hold.
void check_header(std::string_view text) {
  const std::string token = approver().jws(text, sample_claims().dump());
  if (!holds(token, trusted(), sample_expectations())) return;
  const nlohmann::json header = nlohmann::json::parse(text);
  const std::size_t members = header.contains("kid") ? 3 : 2;
  require(header.size() == members && header.at("alg") == "EdDSA" &&
              header.at("typ") == "mayfly-grant+jwt",
          "a header says its algorithm, its type and its key, and no more");
}

/// A file of approvers that is read names keys that are written as they were read.
void check_approvers(std::string_view text) {
  accepts([&] {
    const std::vector<grant::Approver> list = grant::parse_approvers(text);
    require(!list.empty() && list.size() <= grant::kMaxApprovers, "1 to 64 approvers");
    std::vector<std::string> written;
    for (const grant::Approver& one : list) {
      require(grant::algorithm_of(one.key.spec()) == one.algorithm, "an approver can sign grants");
      written.push_back(grant::to_jwk(one.key, one.key_id));
    }
    const std::vector<grant::Approver> again = grant::parse_approvers(jwk_set(written));
    for (std::size_t i = 0; i < list.size(); ++i) {
      require(again[i].thumbprint == list[i].thumbprint, "approvers are written as read");
    }
  });
}

void check_encodings(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  if (const auto decoded = parse_base64url(text)) {
    require(to_base64url(*decoded) == text, "bytes have one text in base64url");
  }
  require(parse_base64url(to_base64url(bytes)) == to_bytes(bytes), "base64url is read as written");
  require(!grant::digest_of_ticket(bytes) || bytes.size() == grant::kTicketSize,
          "a ticket has its length");
  accepts([&] {
    require(equal(PublicKey::from_subject_public_key_info(bytes).subject_public_key_info(), bytes),
            "a public key is written as it was read");
  });
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  test::Input input(data, size);
  switch (input.byte() % 5) {
    case 0:
      test::check_text(input);
      break;
    case 1:
      test::check_claims(as_text(input.rest()));
      break;
    case 2:
      test::check_header(as_text(input.rest()));
      break;
    case 3:
      test::check_approvers(as_text(input.rest()));
      break;
    default:
      test::check_encodings(input.rest());
  }
  test::require(ERR_peek_error() == 0, "the host's queue of libcrypto errors is left empty");
  return 0;
}
