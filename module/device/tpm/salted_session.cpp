#include "device/tpm/salted_session.h"

#include <algorithm>

#include <openssl/crypto.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "device/tpm/sapi.h"
#include "device/tpm/session_crypto.h"

namespace mayfly::tpm {
namespace {

constexpr std::size_t kNonce = 16;
constexpr TPMA_SESSION kSessionAttributes = TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT;

/// What an answer is called that was not the TPM's, or not to what was asked.
constexpr TSS2_RC kForged = TSS2_SYS_RC_LAYER | TSS2_BASE_RC_RSP_AUTH_FAILED;

TPM2B_NONCE make_nonce() {
  std::array<std::uint8_t, kNonce> random{};
  fill_random(random, "a nonce for the TPM");
  return sized<TPM2B_NONCE>(random);
}

std::array<std::uint8_t, 4> big_endian_32(std::uint32_t number) {
  return {static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
          static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
}

Bytes sha256(std::initializer_list<ByteView> parts) {
  Hasher hasher(Hash::sha256);
  for (const ByteView part : parts) hasher.update(part);
  return hasher.finish();
}

/// The session's key and an authorisation value, one behind the other.
class CommandKey {
 public:
  CommandKey(ByteView key, ByteView secret) : size_(key.size() + secret.size()) {
    if (size_ > both_.span().size()) throw Error(CKR_GENERAL_ERROR, "a value is too long");
    const auto end = std::ranges::copy(key, both_.span().begin()).out;
    std::ranges::copy(secret, end);
  }
  [[nodiscard]] ByteView view() const noexcept { return both_.view().first(size_); }

 private:
  Wiped<2 * kSessionDigest> both_;
  std::size_t size_;
};

}  // namespace

SaltedSession::SaltedSession(Tpm& tpm, TPM2_SE type, const SaltKey& key) : tpm_(tpm) {
  const SealedSalt salt = seal_salt(key.area);
  const TPM2B_NONCE nonce = make_nonce();
  TPMT_SYM_DEF cipher{};
  cipher.algorithm = TPM2_ALG_AES;
  cipher.keyBits.aes = 128;
  cipher.mode.aes = TPM2_ALG_CFB;
  tpm.run(
      Tss2_Sys_StartAuthSession(tpm.sys(), key.handle, TPM2_RH_NULL, nullptr, &nonce, &salt.sealed,
                                type, &cipher, TPM2_ALG_SHA256, &handle_, &tpm_nonce_, nullptr),
      "TPM2_StartAuthSession");
  kdfa(key_.span(), salt.salt.view(), "ATH", view(tpm_nonce_), view(nonce));
}

void SaltedSession::authorise(const Command& command, ByteView secret) {
  execute(command, secret, true);
}

void SaltedSession::protect(const Command& command) { execute(command, {}, false); }

void SaltedSession::execute(const Command& command, ByteView secret, bool authorises) {
  TSS2_SYS_CONTEXT* const sys = tpm_.sys();
  const CommandKey key(key_.view(), secret);
  const TPM2B_NONCE nonce = make_nonce();
  encrypt_parameter(key.view(), view(nonce));

  std::size_t size = 0;
  const std::uint8_t* parameters = nullptr;
  tpm_.run(Tss2_Sys_GetCpBuffer(sys, &size, &parameters), "Tss2_Sys_GetCpBuffer");
  const Bytes asked = sha256(
      {big_endian_32(command.code), command.first_name, command.second_name, {parameters, size}});
  const std::uint8_t attributes[] = {kSessionAttributes};
  TSS2L_SYS_AUTH_COMMAND auths{};
  const std::size_t place = authorises ? 0 : 1;
  auths.count = authorises && command.second_name.empty() ? 1 : 2;
  for (UINT16 i = 0; i < auths.count; ++i) auths.auths[i].sessionHandle = TPM2_RH_PW;
  TPMS_AUTH_COMMAND& own = auths.auths[place];
  own.sessionHandle = handle_;
  own.sessionAttributes = kSessionAttributes;
  own.nonce = nonce;
  own.hmac = sized<TPM2B_AUTH>(
      session_hmac(key.view(), {asked, view(nonce), view(tpm_nonce_), attributes}));
  tpm_.run(Tss2_Sys_SetCmdAuths(sys, &auths), "Tss2_Sys_SetCmdAuths");
  tpm_.run(Tss2_Sys_Execute(sys), command.name);
  check_answer(command, key.view(), view(nonce), place);
}

void SaltedSession::encrypt_parameter(ByteView key, ByteView nonce) {
  std::size_t size = 0;
  const std::uint8_t* plain = nullptr;
  tpm_.run(Tss2_Sys_GetDecryptParam(tpm_.sys(), &size, &plain), "Tss2_Sys_GetDecryptParam");
  Wiped<kSessionDigest> cipher_key;
  kdfa(cipher_key.span(), key, "CFB", nonce, view(tpm_nonce_));
  const Bytes encrypted = encrypt_cfb(cipher_key.view(), {plain, size});
  tpm_.run(Tss2_Sys_SetDecryptParam(tpm_.sys(), encrypted.size(), encrypted.data()),
           "Tss2_Sys_SetDecryptParam");
}

void SaltedSession::check_answer(const Command& command, ByteView key, ByteView nonce,
                                 std::size_t place) {
  TSS2L_SYS_AUTH_RESPONSE auths{};
  tpm_.run(Tss2_Sys_GetRspAuths(tpm_.sys(), &auths), "Tss2_Sys_GetRspAuths");
  std::size_t size = 0;
  const std::uint8_t* parameters = nullptr;
  tpm_.run(Tss2_Sys_GetRpBuffer(tpm_.sys(), &size, &parameters), "Tss2_Sys_GetRpBuffer");
  const Bytes answered =
      sha256({big_endian_32(TPM2_RC_SUCCESS), big_endian_32(command.code), {parameters, size}});
  const TPMS_AUTH_RESPONSE& own = auths.auths[place];
  const std::uint8_t attributes[] = {own.sessionAttributes};
  tpm_nonce_ = own.nonce;
  const SessionDigest expected = session_hmac(key, {answered, view(tpm_nonce_), nonce, attributes});
  if (auths.count <= place || own.hmac.size != expected.size() ||
      CRYPTO_memcmp(own.hmac.buffer, expected.data(), expected.size()) != 0) {
    tpm_.run(kForged, command.name);
  }
}

}  // namespace mayfly::tpm
