// Public keys that the command line names.
#pragma once

#include <string>

#include "base/bytes.h"

namespace mayfly::tools {

/// The thumbprint (base/task_binding.h) of a public key.
/// @param text  The thumbprint itself, 64 hexadecimal digits; or a file that holds the key: in PEM
///              a public key or an X.509 certificate of it, a JWK, or a JWT that names it in
///              cnf.jwk (RFC 7800, 3.2), whose own signature is not looked at.
/// @throws Failure kNoInput for a file that can't be read, kUsage for one that holds no such key.
[[nodiscard]] Bytes key_thumbprint(const std::string& text);

}  // namespace mayfly::tools
