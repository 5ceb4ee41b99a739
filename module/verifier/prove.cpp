// The functions of mayfly/proof.h. No exception passes.
#include <algorithm>
#include <exception>

#include "base/clock.h"
#include "base/mechanism.h"
#include "credential/proof/target_uri.h"
#include "mayfly/proof.h"
#include "verifier/boundary.h"

namespace mayfly::verifier {
namespace {

/// A key that the caller signs with.
class CallersKey final : public Signer {
 public:
  /// @throws BadCall
  explicit CallersKey(const mayfly_proof_key& given) : given_(given), public_key_(read(given)) {}

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return public_key_; }

  [[nodiscard]] Bytes sign(const SignatureScheme& scheme, ByteView message) override {
    const auto known = known_mechanisms();
    const auto mechanism = std::ranges::find_if(known, [&](const Mechanism& row) {
      return find_signing_mechanism(row.name) != nullptr && row.scheme == scheme.scheme &&
             row.hash == scheme.hash;
    });
    if (mechanism == known.end()) {
      throw Error(CKR_MECHANISM_INVALID, "no mechanism makes such signatures");
    }
    Bytes signature(public_key_.signature_size());
    std::size_t size = signature.size();
    const int answer = given_.sign(given_.context, mechanism->type, message.data(), message.size(),
                                   signature.data(), &size);
    if (answer != 0) {
      throw Error(CKR_FUNCTION_FAILED,
                  "the key could not sign: sign() answered " + std::to_string(answer));
    }
    if (size > signature.size()) throw Error(CKR_DEVICE_ERROR, "the signature is too long");
    signature.resize(size);
    return signature;
  }

 private:
  static PublicKey read(const mayfly_proof_key& given) {
    if (given.sign == nullptr) throw BadCall("key->sign is NULL");
    if (given.public_key == nullptr || given.public_key_size > kMaxText) {
      throw BadCall("key->public_key is NULL, or no public key");
    }
    const auto* const bytes = static_cast<const std::uint8_t*>(given.public_key);
    try {
      return PublicKey::from_subject_public_key_info({bytes, given.public_key_size});
    } catch (const Error& error) {
      throw BadCall(std::string("key->public_key: ") + error.what());
    }
  }

  const mayfly_proof_key given_;
  const PublicKey public_key_;
};

/// What all proofs are made of.
struct Making {
  CallersKey key;
  mayfly_proof_request request;
  credential::ProofTime time;

  Making(const mayfly_proof_key* key_given, const mayfly_proof_request* request_given)
      : key(known(key_given, "key")), request(known(request_given, "request")) {
    time.now_unix_s = request.now_seconds != 0 ? request.now_seconds : unix_now_s();
    time.deadline_unix_s = known(key_given, "key").deadline_seconds;
  }
};

void require_request(const mayfly_proof_request& request) {
  if (!credential::parse_target_uri(text(request.url, "url"))) {
    throw BadCall("url is not an absolute http or https URI");
  }
  if (!credential::is_http_method(text(request.method, "method"))) {
    throw BadCall("method is none that HTTP has, such as GET");
  }
}

void prove_dpop(Making& making, mayfly_proof& proof) {
  const mayfly_proof_request& request = making.request;
  require_request(request);
  put_whole(proof.token,
            make_dpop({text(request.method, "method"), text(request.url, "url"),
                       text(request.access_token, "access_token"), text(request.nonce, "nonce")},
                      making.time, making.key));
}

void prove_wpt(Making& making, mayfly_proof& proof) {
  const mayfly_proof_request& request = making.request;
  if ((request.url == nullptr) == (request.audience == nullptr)) {
    throw BadCall("say for which request a workload proof token is: by url or by audience");
  }
  std::string audience = text(request.audience, "audience");
  if (request.url != nullptr) {
    const auto target = credential::parse_target_uri(text(request.url, "url"));
    if (!target) throw BadCall("url is not an absolute http or https URI");
    audience = target->without_query();
  }
  if (request.wit == nullptr) throw BadCall("wit is NULL");
  put_whole(proof.token,
            make_wpt({audience, token(request.wit), text(request.access_token, "access_token")},
                     making.time, making.key));
}

void prove_http(Making& making, mayfly_proof& proof) {
  const mayfly_proof_request& request = making.request;
  require_request(request);
  credential::HttpMessage message{text(request.method, "method"), text(request.url, "url"), {}};
  Bytes body;
  read_message(request, message, body);
  if (!body.empty()) {
    const std::string digest = credential::content_digest(body);
    put_whole(proof.content_digest, digest);
    message.fields.emplace_back("Content-Digest", digest);
  }
  const credential::HttpSignature made =
      sign_http(message, making.time, making.key, text(request.nonce, "nonce"));
  put_whole(proof.signature_input, made.input);
  put_whole(proof.signature, made.signature);
}

mayfly_proof no_proof(int status, const char* message) noexcept {
  mayfly_proof proof{};
  proof.status = status;
  put(proof.message, message);
  return proof;
}

int prove(const mayfly_proof_key* key, const mayfly_proof_request* request, mayfly_proof* out,
          void (*how)(Making&, mayfly_proof&)) noexcept {
  if (out == nullptr || !has_room(out)) return MAYFLY_VERIFY_BAD_CALL;
  mayfly_proof proof{};
  try {
    Making making(key, request);
    how(making, proof);
  } catch (const BadCall& error) {
    proof = no_proof(MAYFLY_VERIFY_BAD_CALL, error.what());
  } catch (const std::exception& error) {
    proof = no_proof(MAYFLY_VERIFY_FAILED, error.what());
  } catch (...) {
    proof = no_proof(MAYFLY_VERIFY_FAILED, "it can't be told why");
  }
  return give(out, proof);
}

}  // namespace
}  // namespace mayfly::verifier

extern "C" __attribute__((visibility("default"))) int mayfly_prove_dpop(
    const mayfly_proof_key* key, const mayfly_proof_request* request, mayfly_proof* proof) {
  return mayfly::verifier::prove(key, request, proof, mayfly::verifier::prove_dpop);
}

extern "C" __attribute__((visibility("default"))) int mayfly_prove_wpt(
    const mayfly_proof_key* key, const mayfly_proof_request* request, mayfly_proof* proof) {
  return mayfly::verifier::prove(key, request, proof, mayfly::verifier::prove_wpt);
}

extern "C" __attribute__((visibility("default"))) int mayfly_prove_http(
    const mayfly_proof_key* key, const mayfly_proof_request* request, mayfly_proof* proof) {
  return mayfly::verifier::prove(key, request, proof, mayfly::verifier::prove_http);
}
