// Finding the token that a URI names.
#pragma once

#include <string>

#include "base/pkcs11.h"
#include "device/pkcs11/p11kit.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {

/// A token of the vendor's module, as C_GetTokenInfo describes it.
struct Token {
  CK_SLOT_ID slot = 0;
  CK_TOKEN_INFO info{};

  [[nodiscard]] std::string label() const;

  /// "MANUFACTURER/MODEL/SERIAL/LABEL": the same for all processes that have this token before
  /// them. Not all devices have serial numbers that differ.
  [[nodiscard]] std::string identity() const;
};

/// A field of a PKCS#11 structure without its padding; what is no printable UTF-8 becomes "?".
[[nodiscard]] std::string padded_text(const CK_UTF8CHAR* field, std::size_t size);

/// The one initialised token that the URI names, by token, manufacturer, serial, model or slot-id.
/// @throws Error CKR_GENERAL_ERROR for a bad URI, CKR_TOKEN_NOT_PRESENT when no token or several
/// match;
///         the message lists the tokens that there are.
[[nodiscard]] Token find_token(const VendorModule& module, const std::string& uri);

/// The same for a URI that was read before, and that is somebody's who names it otherwise.
/// @param setting  What messages call the place where it was said: "device.token".
[[nodiscard]] Token find_token(const VendorModule& module, const p11kit::Uri& wanted,
                               const std::string& uri, const std::string& setting);

}  // namespace mayfly::pkcs11
