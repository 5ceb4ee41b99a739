// p11-kit's remoting, for clients that load p11-kit-client.so.
#pragma once

#include <string>

#include "base/pkcs11.h"
#include "core/shown_keys.h"
#include "core/task_table.h"
#include "tools/broker/front_door.h"

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

/// P11kitDoor lets p11-kit's clients in. Each connection is an application of its own.
class P11kitDoor final : public FrontDoor {
 public:
  /// @param tasks     What clients meet; outlives the door.
  /// @param sessions  PKCS#11 sessions that one connection may have open.
  P11kitDoor(TaskTable& tasks, std::size_t sessions) : tasks_(tasks), sessions_(sessions) {}

  /// What its clients are shown: an Ed25519 key makes Debian's libp11 crash, and p11-kit's client
  /// can't carry CKM_EDDSA.
  [[nodiscard]] static ShownKeys shown_keys() noexcept {
    return ShownKeys::all_but(CKK_EC_EDWARDS);
  }

  [[nodiscard]] std::string serve(int socket, const ucred& peer) override;
  /// Clients may be on the other side of a tunnel, whose process is none of theirs.
  [[nodiscard]] bool ends_with_peer() const noexcept override { return false; }

 private:
  TaskTable& tasks_;
  const std::size_t sessions_;
};

}  // namespace mayfly::broker
