// Checkpoints: signed statements of which chains are closed (c2sp.org/tlog-checkpoint).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/public_key.h"
#include "base/signer.h"

namespace mayfly::ledger {

/// The longest checkpoint that is read, in bytes.
inline constexpr std::size_t kMaxCheckpoint = 64 * 1024;

/// What a checkpoint says: the first `size` records of a log of closed chains (chain_log.h) have
/// this root.
struct Checkpoint {
  std::string origin;  ///< the log's name: such as "example.org/mayfly/host1"
  std::uint64_t size = 0;
  Bytes root;

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

/// Whether a text can name a log, and the key that signs its checkpoints: 1 to 255 bytes of
/// printable UTF-8 without spaces of any kind and without a plus sign.
[[nodiscard]] bool is_origin(std::string_view text);

/// A checkpoint as a signed note (c2sp.org/signed-note): its text, an empty line, and one signature
/// line in the origin's name.
/// @param signer  An Ed25519 key.
/// @throws Error CKR_ARGUMENTS_BAD for an origin that is none, CKR_KEY_TYPE_INCONSISTENT for a key
///         of another kind; what the signer says.
[[nodiscard]] std::string sign_checkpoint(const Checkpoint& checkpoint, Signer& signer);

/// Reads a checkpoint that the key has signed. Signatures of other keys are passed over.
/// @throws Error CKR_DATA_INVALID for what is no checkpoint, CKR_SIGNATURE_INVALID for one that the
///         key has not signed, CKR_KEY_TYPE_INCONSISTENT for a key that is no Ed25519 key.
[[nodiscard]] Checkpoint open_checkpoint(std::string_view note, const PublicKey& key);

}  // namespace mayfly::ledger
