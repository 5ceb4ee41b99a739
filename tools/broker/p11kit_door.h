// p11-kit's remoting, served with our own functions.
#pragma once

#include <string>

namespace mayfly::broker {

/// Serves one connection of a p11-kit client on this thread until the client hangs up, the socket
/// is shut down, or what comes over it is no p11-kit message.
///
/// p11-kit keeps no state beyond the call, closes no descriptor, and calls none of the functions
/// when the connection ends: what the client left open is the caller's to clean up.
///
/// @param functions  A CK_FUNCTION_LIST. Untyped, because p11-kit's PKCS#11 header declares the
/// same
///                   names as ours and the two can't meet in one file.
/// @param socket     Connected, blocking. SIGPIPE must be ignored.
/// @return empty when the client hung up, else what was wrong.
[[nodiscard]] std::string serve_p11kit(void* functions, int socket);

}  // namespace mayfly::broker
