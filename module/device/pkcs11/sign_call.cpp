#include "device/pkcs11/sign_call.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash_mechanism.h"

namespace mayfly::pkcs11 {
namespace {

/// The part of a digest that ECDSA uses: its leftmost bytes, as many as the order of the curve has
/// (FIPS 186-5, 6.4.1). The device cuts the odd bits of P-521 itself.
ByteView cut_to_order(ByteView digest, const KeySpec& key) noexcept {
  const std::size_t order_size = (key.bits + 7) / 8;
  return digest.first(std::min(digest.size(), order_size));
}

}  // namespace

SignCall::SignCall(const MechanismMap& mechanisms, const KeySpec& key, const SignRequest& request)
    : input_(request.input) {
  const SignatureScheme& scheme = request.scheme;
  const SignPlan& plan = mechanisms.plan(scheme.scheme, scheme.hash);
  if (plan.input == SignInput::unsupported) {
    throw Error(CKR_MECHANISM_INVALID, "the device has no mechanism for this kind of signature");
  }
  const bool digest = plan.input == SignInput::digest;
  if (digest && scheme.hash != Hash::none && input_.size() != digest_size(scheme.hash)) {
    throw Error(CKR_DATA_LEN_RANGE, "what is to be signed is no digest of the mechanism's hash");
  }
  mechanism_.mechanism = plan.mechanism;
  if (scheme.scheme == Scheme::ecdsa && digest) input_ = cut_to_order(input_, key);
  if (scheme.scheme == Scheme::rsa_pkcs1 && digest) add_digest_info(scheme.hash);
  if (scheme.scheme == Scheme::rsa_pss) {
    pss_ = {hash_mechanism(scheme.hash), mgf_of(scheme.mgf_hash), scheme.salt_size};
    mechanism_.pParameter = &pss_;
    mechanism_.ulParameterLen = sizeof pss_;
  }
}

void SignCall::add_digest_info(Hash hash) {
  const ByteView prefix = digest_info_prefix(hash);
  if (prefix.empty()) return;
  const auto end = std::copy(prefix.begin(), prefix.end(), digest_info_.begin());
  std::copy(input_.begin(), input_.end(), end);
  input_ = ByteView(digest_info_).first(prefix.size() + input_.size());
}

CK_RV SignCall::run(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                    ByteSpan out, CK_ULONG& size) {
  const CK_RV rv = functions->C_SignInit(session, &mechanism_, key);
  if (rv != CKR_OK) return rv;
  // C_Sign only reads its input, though its prototype predates const. An empty message still needs
  // an address: some devices refuse NULL.
  static constexpr std::uint8_t kNothing = 0;
  const std::uint8_t* data = input_.empty() ? &kNothing : input_.data();
  return functions->C_Sign(session, const_cast<CK_BYTE_PTR>(data), input_.size(), out.data(),
                           &size);
}

void cancel_signing(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session) noexcept {
  std::array<std::uint8_t, 16'384 / 8> dropped;
  CK_ULONG size = dropped.size();
  std::uint8_t nothing = 0;
  if (functions->C_Sign(session, &nothing, 0, dropped.data(), &size) == CKR_OK) return;
  size = dropped.size();
  functions->C_SignFinal(session, dropped.data(), &size);
}

}  // namespace mayfly::pkcs11
