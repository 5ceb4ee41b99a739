// Who has broken into mayfly's process and took all there is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/tpm/chip.h"

namespace mayfly::test {

/// What is needed to use a key, as far as mayfly itself has it.
struct LootedKey {
  Bytes context;
  Bytes secret;
  std::optional<tpm::KeyPolicy> policy;
  PublicKey public_key;
};

/// Burglar reads the memory of a chip, and speaks to the TPM over a connection of its own, as
/// anybody can who may open it.
class Burglar {
 public:
  Burglar(tpm::Chip& chip, const std::string& tcti)
      : chip_(chip), tpm_({tcti, std::chrono::seconds(30)}) {}

  /// How many keys mayfly has.
  [[nodiscard]] std::size_t keys() const;
  /// How many objects are loaded in the TPM that mayfly does not know of.
  [[nodiscard]] std::size_t strangers_loaded();

  [[nodiscard]] std::vector<LootedKey> loot() const;

  /// Signs SHA-256 digests with what was taken, whatever mayfly thinks of it.
  /// @return the signature, r‖s
  /// @throws Error what the TPM, or KeyPolicy, says.
  [[nodiscard]] Bytes sign(const LootedKey& key, ByteView digest);

  /// What mayfly sent over the connection that it has now.
  [[nodiscard]] tpm::Traffic traffic() const;

  [[nodiscard]] tpm::Tpm& tpm() noexcept { return tpm_; }

 private:
  tpm::Chip& chip_;
  tpm::Tpm tpm_;
};

}  // namespace mayfly::test
