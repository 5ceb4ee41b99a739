// Operations: what a session is in the middle of.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/handle.h"
#include "base/hash.h"
#include "base/mechanism.h"
#include "core/object.h"

namespace mayfly {

/// Collects what is to be signed or verified, as a hash state or as bytes, depending on what the
/// signature is computed over.
class SignatureInput {
 public:
  /// @param hash  The hash to compute on the way; none collects the bytes.
  explicit SignatureInput(Hash hash);

  /// @throws Error CKR_DATA_LEN_RANGE over kMaxSignedMessage.
  void update(ByteView part);
  /// What the signature is computed over. Spent after it.
  [[nodiscard]] Bytes finish();

 private:
  std::optional<Hasher> hasher_;
  Bytes collected_;
};

/// SignOperation and VerifyOperation share this: a key, a scheme, and the data so far.
class SignatureOperation {
 public:
  /// @param input_hash  What to hash on the way: none if the raw data or the message is needed.
  SignatureOperation(std::shared_ptr<Object> key, const Mechanism& mechanism,
                     SignatureScheme scheme, Hash input_hash);

  /// An operation with the same key and scheme, and no data yet.
  [[nodiscard]] SignatureOperation fresh() const {
    return {key_, *mechanism_, scheme_, input_hash_};
  }

  [[nodiscard]] const Object& key() const noexcept { return *key_; }
  [[nodiscard]] const Mechanism& mechanism() const noexcept { return *mechanism_; }
  [[nodiscard]] const SignatureScheme& scheme() const noexcept { return scheme_; }

  /// The hash of which input is a digest; none if it is the message, or what a raw mechanism signs.
  [[nodiscard]] Hash input_hash() const noexcept { return input_hash_; }

  /// Adds a part. @throws Error CKR_FUNCTION_NOT_SUPPORTED if the mechanism is one-part only.
  void update(ByteView part);
  [[nodiscard]] bool updated() const noexcept { return input_.has_value(); }

  /// What is to be signed when `data` is all there is; points into `data` or into this operation.
  [[nodiscard]] ByteView one_part(ByteView data);
  /// What is to be signed after the parts.
  [[nodiscard]] ByteView all_parts();

  /// Checks that somebody else's input is one that one_part() could have given.
  /// @throws Error CKR_DATA_LEN_RANGE
  void check_prepared(ByteView input) const;

  /// Checks that a raw mechanism's input has a length that it can have.
  /// @throws Error CKR_DATA_LEN_RANGE
  void check_input_size(ByteView input, const PublicKey& key) const;

 private:
  void require_parts() const;

  std::shared_ptr<Object> key_;
  const Mechanism* mechanism_;
  SignatureScheme scheme_;
  Hash input_hash_;
  std::optional<SignatureInput> input_;
  Bytes prepared_;
};

/// A search: the handles that matched when it began, and how far they have been handed out.
struct FindOperation {
  std::vector<ObjectHandle> found;
  std::size_t next = 0;
};

}  // namespace mayfly
