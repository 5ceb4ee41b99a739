// Tokens, proofs, key sets and status lists, as anybody can send them to a verifier: whatever the
// bytes are, they are refused with a reason, or are what they say in one way only.
#include <openssl/err.h>

#include "base/base64.h"
#include "base/base64url.h"
#include "base/pem_signer.h"
#include "credential/proof/target_uri.h"
#include "credential/verify/verify.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"

namespace mayfly::test {
namespace {

using namespace credential;

constexpr std::uint64_t kNow = 1'800'000'000;
constexpr char kTarget[] = "https://api.example.org/orders";
// The keys of RFC 8037, A.1, and of RFC 8032, 7.1, test 2: the same in every run, so that stored
// inputs can be signed.
constexpr char kIssuerKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
constexpr char kAgentKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
    "-----END PRIVATE KEY-----\n";

Signer& issuer() {
  static const std::unique_ptr<Signer> kSigner = signer_of_pem(as_bytes(kIssuerKey));
  return *kSigner;
}
Signer& agent() {
  static const std::unique_ptr<Signer> kSigner = signer_of_pem(as_bytes(kAgentKey));
  return *kSigner;
}
const std::vector<PublishedKey>& issuer_keys() {
  static const std::vector<PublishedKey> kKeys = {published(issuer().public_key())};
  return kKeys;
}

std::string sample_wit() {
  return issue_wit(
      {"https://issuer.example.org", "spiffe://example.org/task/invoice", "1", kNow - 60,
       kNow + 600, agent().public_key(), JwsAlgorithm::eddsa, "invoice", "0123456789abcdef",
       kNow + 600, StatusReference{"https://issuer.example.org/status", 7}},
      "", issuer(), kNow);
}

const std::string& wit_text() {
  static const std::string kText = sample_wit();
  return kText;
}

VerifiedCredential credential_of_agent() {
  return verify_wit(wit_text(), issuer_keys(), {{kNow, std::chrono::seconds(30)}, "", "", ""});
}

/// Runs a verifier. @return whether it took what it was given.
template <typename Verifier>
bool accepts(const Verifier& verifier) {
  try {
    verifier();
    return true;
  } catch (const Refused& refused) {
    require_message(refused.what());
    require(!name_of(refused.reason()).empty() && !name_of(refused.part()).empty(),
            "a refusal has its names");
  } catch (const Error& error) {
    require_message(error.what());
    require(error.rv() == CKR_DATA_INVALID || error.rv() == CKR_ARGUMENTS_BAD,
            "nothing but a refusal is thrown");
  }
  return false;
}

ProofExpectations request() {
  ProofExpectations expected;
  expected.clock = {kNow, std::chrono::seconds(30)};
  expected.method = "GET";
  expected.target = kTarget;
  return expected;
}

/// A text that holds is another's in no letter, and by no other key.
template <typename Holds>
void check_one_text(std::string text, std::size_t place, std::uint8_t change, const Holds& holds) {
  if (!holds(text) || change == 0) return;
  char& letter = text[place % text.size()];
  letter = static_cast<char>(letter ^ static_cast<char>(change));
  require(!holds(text), "what was signed has one text only");
}

void check_wit(Input& input) {
  const std::size_t place = input.number(2);
  const std::uint8_t change = input.byte();
  check_one_text(std::string(as_text(input.rest())), place, change, [](const std::string& text) {
    accepts([&] { static_cast<void>(read_unverified_wit(text)); });
    return accepts([&] { static_cast<void>(read_wit(text, issuer_keys())); });
  });
}

/// Claims that are read are written as they were read, and never end after the task.
void check_wit_claims(std::string_view claims) {
  const std::string text = make_compact_jws(
      {JwsAlgorithm::eddsa, kWitType, jwk_thumbprint(issuer().public_key()), false}, claims,
      issuer());
  accepts([&] {
    const Wit wit = read_wit(text, issuer_keys());
    require(wit.expires > wit.issued_at && wit.expires <= wit.deadline_unix_s,
            "no token outlives its task");
    require_message(wit.task_id);
    require_message(wit.subject);
    const std::string again = issue_wit(wit, "", issuer(), wit.expires - 1);
    require(read_wit(again, issuer_keys()).subject == wit.subject, "claims are written as read");
    const auto at = [&](std::uint64_t now) {
      return accepts([&] {
        static_cast<void>(
            verify_wit(text, issuer_keys(), {{now, std::chrono::seconds(0)}, "", "", ""}));
      });
    };
    require(at(wit.issued_at) && !at(wit.expires), "a token ends at its end");
    require(wit.issued_at == 0 || !at(wit.issued_at - 1), "a token begins at its beginning");
  });
}

void check_proofs(Input& input) {
  const std::size_t place = input.number(2);
  const std::uint8_t change = input.byte();
  const bool dpop = (input.byte() & 1) != 0;
  check_one_text(std::string(as_text(input.rest())), place, change, [&](const std::string& text) {
    MemoryReplayCache seen;
    const auto verify = [&] {
      return accepts([&] {
        if (dpop) return verify_dpop(text, credential_of_agent(), request(), seen);
        verify_wpt(text, wit_text(), credential_of_agent(), request(), seen);
      });
    };
    const bool good = verify();
    require(!good || !verify(), "a proof is good once");
    return good;
  });
}

void check_http(Input& input) {
  const std::size_t first = input.number(2);
  const std::string all(as_text(input.rest()));
  const std::string one = all.substr(0, first % (all.size() + 1));
  const std::string other = all.substr(one.size());
  accepts([&] {
    const SignatureFields fields = parse_signature_fields(one, other);
    require(one.ends_with(fields.params), "what is signed stands there");
    const SignatureFields again =
        parse_signature_fields("a=" + to_signature_params(fields.input), "a=:AAAA:");
    require(again.input.components == fields.input.components, "components are written as read");
  });
  HttpMessage message{"GET", kTarget, {{"A", one}}};
  MemoryReplayCache seen;
  require(!accepts([&] {
    verify_http({message, {}, one, other}, credential_of_agent(), request(), seen);
  }) || !one.empty(),
          "nothing is no proof");
  if (const auto uri = parse_target_uri(all)) {
    require(parse_target_uri(uri->without_query())->without_query() == uri->without_query(),
            "a URI has one form");
  }
  if (const auto bytes = parse_base64(all)) {
    require(to_base64(*bytes) == all, "bytes have one text in base64");
  }
}

void check_lists(Input& input) {
  const std::uint64_t index = input.number(4);
  const std::string text(as_text(input.rest()));
  accepts([&] {
    const StatusList list = StatusList::unpacked(1, text);
    require(list.places() <= kMaxStatusBytes * 8, "a list is bounded");
    require(list.at(index).has_value() == (index < list.places()), "a list has its places only");
    if (list.places() > 65'536) return;  // packing takes long
    require(StatusList::unpacked(1, list.packed()).at(index) == list.at(index),
            "a list is written as read");
  });
  accepts([&] {
    for (const PublishedKey& key : parse_key_set(text)) {
      require(key.thumbprint == jwk_thumbprint(key.key), "a key has its thumbprint");
    }
  });
  accepts([&] { static_cast<void>(read_status_token(text, issuer_keys())); });
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  test::Input input(data, size);
  switch (input.byte() % 5) {
    case 0:
      test::check_wit(input);
      break;
    case 1:
      test::check_wit_claims(as_text(input.rest()));
      break;
    case 2:
      test::check_proofs(input);
      break;
    case 3:
      test::check_http(input);
      break;
    default:
      test::check_lists(input);
  }
  test::require(ERR_peek_error() == 0, "the host's queue of libcrypto errors is left empty");
  return 0;
}
