// p11-kit's remoting, for clients that load p11-kit-client.so.
#pragma once

#include <string>

#include "base/pkcs11.h"

namespace mayfly::broker {

/// Serves one connection of a p11-kit client on this thread until the client hangs up, the socket
/// is shut down, or what comes over it is no message of p11-kit's.
///
/// Each request is read by our own code, because p11-kit's own server believes what a message says
/// of itself: it takes as much memory as is announced, and goes as deep as attributes lie within
/// one another. Here a message has kMaxMessage bytes at most, takes memory only as it comes, and
/// is taken apart without recursion.
///
/// Nothing is called when the connection ends: what the client left open is the caller's to clean
/// up. No descriptor is closed; descriptors that a client passes are never received.
///
/// @param functions  What clients call.
/// @param socket     Connected, blocking.
/// @return empty when the client hung up, else what was wrong.
/// @throws std::bad_alloc
[[nodiscard]] std::string serve_p11kit(const CK_FUNCTION_LIST& functions, int socket);

}  // namespace mayfly::broker
