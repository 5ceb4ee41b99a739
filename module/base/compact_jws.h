// JSON Web Signatures in compact serialisation (RFC 7515, 7.1), read strictly.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/jws_algorithm.h"
#include "base/signer.h"

namespace mayfly {

/// In which way a text is not a JWS of the kind that is asked for.
enum class JwsFault {
  too_long,       ///< longer than any such text is
  malformed,      ///< not three parts in base64url
  header,         ///< its header is no JSON, or has a member that is not known
  critical,       ///< its header has `crit`
  key_in_header,  ///< its header brings a key, or says where to fetch one
  type,           ///< its `typ` is another
  algorithm,      ///< its `alg` is none that is allowed
};

/// What a fault is called among the reasons of a layer, which has each of these names.
template <typename Reason>
[[nodiscard]] constexpr Reason reason_of(JwsFault fault) noexcept {
  switch (fault) {
    case JwsFault::too_long:
      return Reason::too_long;
    case JwsFault::malformed:
      return Reason::malformed;
    case JwsFault::header:
      return Reason::header;
    case JwsFault::critical:
      return Reason::critical;
    case JwsFault::key_in_header:
      return Reason::key_in_header;
    case JwsFault::type:
      return Reason::type;
    case JwsFault::algorithm:
      break;
  }
  return Reason::algorithm;
}

/// A text was not taken for a JWS. Its value for PKCS#11 is CKR_DATA_INVALID.
class JwsError : public Error {
 public:
  /// @param detail  What exactly, printable; may be empty.
  explicit JwsError(JwsFault fault, const std::string& detail = {})
      : Error(CKR_DATA_INVALID, detail), fault_(fault) {}

  [[nodiscard]] JwsFault fault() const noexcept { return fault_; }

 private:
  JwsFault fault_;
};

/// What a reader takes. The header may hold alg, typ and kid, where it says so jwk, and nothing
/// else.
struct JwsRules {
  std::size_t most = 8 * 1024;              ///< the longest text, in bytes
  std::span<const std::string_view> types;  ///< what typ may be (RFC 8725, 3.11)
  std::span<const JwsAlgorithm> algorithms = kJwsAlgorithms;
  bool with_key = false;  ///< whether the header must have jwk, as DPoP's does, or must not
};

/// The three parts of a JWS, taken apart but not believed.
struct CompactJws {
  JwsAlgorithm algorithm = JwsAlgorithm::es256;  ///< the header's alg
  std::string type;                              ///< the header's typ
  std::optional<std::string> key_id;             ///< the header's kid
  std::optional<PublicKey> key;                  ///< the header's jwk, of alg's kind
  std::string payload;                           ///< unread
  std::string_view signed_text;                  ///< what the signature is over: a part of the text
  Bytes signature;
};

/// Takes a text apart, which verifies nothing.
/// @param text  Must outlive what is returned.
/// @throws JwsError the first fault, in the order of JwsFault.
[[nodiscard]] CompactJws parse_compact_jws(std::string_view text, const JwsRules& rules);

/// What stands in a header that is written.
struct JwsHeader {
  JwsAlgorithm algorithm = JwsAlgorithm::es256;
  std::string_view type;
  std::string key_id;     ///< empty: none
  bool with_key = false;  ///< whether the signer's public key is put in as jwk
};

/// Has a payload signed. The signature is verified before it is given out.
/// @throws Error CKR_KEY_TYPE_INCONSISTENT when the algorithm is not one of the signer's key,
///         CKR_DEVICE_ERROR for a signature that does not verify; what Signer::sign() throws.
[[nodiscard]] std::string make_compact_jws(const JwsHeader& header, std::string_view payload,
                                           Signer& signer);

}  // namespace mayfly
