// A key pair on a token of a PKCS#11 module.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/secret.h"
#include "base/signer.h"
#include "device/pkcs11/p11kit.h"
#include "device/pkcs11/token_search.h"
#include "tools/token_session.h"

namespace mayfly::tools {

/// HsmSigner models one key pair that somebody else made on a token; the token does the signing.
/// All of its functions throw Error with what the device answered.
class HsmSigner : public Signer {
 public:
  /// @param uri  A PKCS#11 URI that names the token and, by object or id, one key pair on it.
  /// @param whose  For messages: "the approver's key".
  /// @param pin  The user's; without one there is no login, and only the public key can be had.
  /// @throws Error CKR_ARGUMENTS_BAD for a URI that is none, CKR_KEY_HANDLE_INVALID if not exactly
  ///         one key is meant.
  HsmSigner(const std::string& module, const std::string& uri, const std::string& whose,
            std::optional<SecretBuffer> pin);
  ~HsmSigner() override;

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return *public_key_; }
  [[nodiscard]] Bytes sign(const SignatureScheme& scheme, ByteView message) override;

  [[nodiscard]] const pkcs11::VendorModule& module() const noexcept { return module_; }
  [[nodiscard]] CK_SLOT_ID slot() const noexcept { return slot_; }

 private:
  [[nodiscard]] CK_OBJECT_HANDLE find_one(CK_OBJECT_CLASS object_class);
  [[nodiscard]] PublicKey read_public_key(CK_OBJECT_HANDLE object) const;

  pkcs11::VendorModule module_;
  std::string uri_text_;
  pkcs11::p11kit::Uri uri_;
  CK_SLOT_ID slot_ = 0;
  std::unique_ptr<TokenSession> session_;
  CK_OBJECT_HANDLE private_key_ = CK_INVALID_HANDLE;
  std::optional<PublicKey> public_key_;
};

}  // namespace mayfly::tools
