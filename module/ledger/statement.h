// What keys say about a chain: texts that are signed.
//
// Each text is canonical JSON that says what it is, so that a signature over one can't be taken for
// a signature over another, nor over anything that is no statement of a ledger.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/public_key.h"

namespace mayfly::ledger {

/// The task that a chain tells of.
struct ChainTask {
  std::string id;      ///< 1 to 255 bytes
  std::string serial;  ///< 16 lower-case hexadecimal digits

  friend bool operator==(const ChainTask&, const ChainTask&) = default;
};

/// How far a chain reaches.
struct ChainHead {
  std::uint64_t entries = 0;
  Bytes hash;  ///< of the last entry's line

  friend bool operator==(const ChainHead&, const ChainHead&) = default;
};

/// What the ledger's key signs at the end: "this is the whole chain".
/// {"entries": N, "head": "HASH", "serial": "…", "task": "…", "time": MILLISECONDS, "type":
/// "mayfly-ledger-seal-v1"}.
/// @param time_ms  Of the seal's own entry.
[[nodiscard]] std::string seal_statement(const ChainTask& task, const ChainHead& head,
                                         std::uint64_t time_ms);

/// What each key of the task signs when it is made: "this is the key that will seal the chain".
/// {"key": "SPKI", "serial": "…", "task": "…", "type": "mayfly-ledger-key-v1"}.
[[nodiscard]] std::string endorsement_statement(const ChainTask& task, const PublicKey& ledger_key);

/// In which way a key signs statements: ECDSA with the hash of the curve's size, EdDSA, or RSA
/// PKCS#1 v1.5 with SHA-256.
[[nodiscard]] SignatureScheme statement_scheme(const KeySpec& spec);

/// What is handed to PublicKey::verify(), and to a device that takes digests.
[[nodiscard]] Bytes statement_input(const SignatureScheme& scheme, std::string_view statement);

/// Whether a signature over a statement is the key's.
[[nodiscard]] bool is_signed(const PublicKey& key, std::string_view statement, ByteView signature);

}  // namespace mayfly::ledger
