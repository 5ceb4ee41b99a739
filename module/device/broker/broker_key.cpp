#include "device/broker/broker_key.h"

#include <cstring>

#include "base/hash_mechanism.h"

namespace mayfly::agent {

std::size_t BrokerKey::sign(const SignRequest& request, ByteSpan out) {
  wire::SignRequest message;
  message.key = object_;
  message.mechanism = request.mechanism;
  message.input = request.input;
  const SignatureScheme& scheme = request.scheme;
  if (scheme.scheme == Scheme::rsa_pss) {
    message.pss = {hash_mechanism(scheme.hash), mgf_of(scheme.mgf_hash), scheme.salt_size};
  }
  return link_->call<wire::Signature>(wire::Kind::sign, message, [&](const auto& signature) {
    const ByteView value = signature.value;
    if (value.size() != half_.signature_size() || value.size() > out.size()) {
      wire::malformed("a signature of another size than the key's");
    }
    std::memcpy(out.data(), value.data(), value.size());
    return value.size();
  });
}

}  // namespace mayfly::agent
