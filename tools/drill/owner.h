// A task of the attack's own process, and the only one.
#pragma once

#include "base/signer.h"
#include "tools/drill/module.h"

namespace mayfly::drill {

/// Owner has a task with a session and a key, which has signed once.
struct Owner {
  /// @param on_token  The key's CKA_TOKEN.
  explicit Owner(const Ground& ground, const TaskWish& wish = {}, bool on_token = false);
  ~Owner();
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  void close_task() const;
  [[nodiscard]] MAYFLY_TASK_INFO info() const;

  Module module;
  CK_SLOT_ID slot;
  Session session;
  KeyPair keys;
};

/// Signs with the owner's key for as long as the token lets it.
class OwnerSigner final : public Signer {
 public:
  explicit OwnerSigner(const Owner& owner)
      : owner_(owner), public_key_(owner.session.public_key(owner.keys.public_key)) {}

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return public_key_; }
  /// @throws Error what the token answered.
  [[nodiscard]] Bytes sign(const SignatureScheme& scheme, ByteView message) override;

 private:
  const Owner& owner_;
  const PublicKey public_key_;
};

}  // namespace mayfly::drill
