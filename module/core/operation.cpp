#include "core/operation.h"

#include <string>

#include "base/error.h"

namespace mayfly {
namespace {

void check_message_size(std::size_t size) {
  if (size > kMaxSignedMessage) {
    throw Error(CKR_DATA_LEN_RANGE, "a message that is signed as a whole has at most 16 MiB");
  }
}

}  // namespace

SignatureInput::SignatureInput(Hash hash) {
  if (hash != Hash::none) hasher_.emplace(hash);
}

void SignatureInput::update(ByteView part) {
  if (hasher_) {
    hasher_->update(part);
    return;
  }
  check_message_size(part.size() + collected_.size());
  collected_.insert(collected_.end(), part.begin(), part.end());
}

Bytes SignatureInput::finish() { return hasher_ ? hasher_->finish() : std::move(collected_); }

SignatureOperation::SignatureOperation(std::shared_ptr<Object> key, const Mechanism& mechanism,
                                       SignatureScheme scheme, Hash input_hash)
    : key_(std::move(key)), mechanism_(&mechanism), scheme_(scheme), input_hash_(input_hash) {}

void SignatureOperation::require_parts() const {
  // Not CKR_OPERATION_NOT_INITIALIZED: clients take that for a fault and this for what it is.
  if (!mechanism_->multi_part) {
    throw Error(CKR_FUNCTION_NOT_SUPPORTED,
                std::string(mechanism_->name) + " takes its data in one part only");
  }
}

void SignatureOperation::update(ByteView part) {
  require_parts();
  if (!input_) input_.emplace(input_hash_);
  input_->update(part);
}

ByteView SignatureOperation::one_part(ByteView data) {
  if (input_hash_ == Hash::none) {
    check_message_size(data.size());
    return data;
  }
  prepared_ = mayfly::digest(input_hash_, data);
  return prepared_;
}

ByteView SignatureOperation::all_parts() {
  require_parts();
  if (!input_) input_.emplace(input_hash_);
  prepared_ = input_->finish();
  return prepared_;
}

void SignatureOperation::check_prepared(ByteView input) const {
  if (input_hash_ == Hash::none) {
    check_message_size(input.size());
  } else if (input.size() != digest_size(input_hash_)) {
    throw Error(CKR_DATA_LEN_RANGE, std::string(mechanism_->name) + " signs a digest of " +
                                        std::to_string(digest_size(input_hash_)) + " bytes, not " +
                                        std::to_string(input.size()));
  }
}

void SignatureOperation::check_input_size(ByteView input, const PublicKey& key) const {
  // The longest digest that a raw ECDSA signature is asked for; longer ones than the curve's order
  // are cut to its size (FIPS 186-5, 6.4.1).
  static constexpr std::size_t kMaxRawEcdsa = 64;
  static constexpr std::size_t kPkcs1Padding = 11;  // RFC 8017, 9.2
  if (mechanism_->hash != Hash::none) return;
  bool good = true;
  switch (scheme_.scheme) {
    case Scheme::ecdsa:
      good = !input.empty() && input.size() <= kMaxRawEcdsa;
      break;
    case Scheme::rsa_pkcs1:
      good = !input.empty() && input.size() + kPkcs1Padding <= key.signature_size();
      break;
    case Scheme::rsa_pss:
      good = input.size() == digest_size(scheme_.hash);
      break;
    case Scheme::eddsa:
      break;
  }
  if (!good) {
    throw Error(CKR_DATA_LEN_RANGE, std::string(mechanism_->name) + " can't sign " +
                                        std::to_string(input.size()) + " bytes with this key");
  }
}

}  // namespace mayfly
