// The registry as the journal of a device.
#pragma once

#include <memory>

#include "device/key_journal.h"
#include "registry/registry.h"

namespace mayfly {

/// Writes what a device records into the registry.
class RegistryJournal final : public KeyJournal {
 public:
  explicit RegistryJournal(std::shared_ptr<Registry> registry) : registry_(std::move(registry)) {}

  [[nodiscard]] const std::string& host() const noexcept override { return registry_->host(); }
  void add(const JournalEntry& entry) override;
  void remove(ByteView id) override;
  void give_up(ByteView id) override;
  [[nodiscard]] std::vector<JournalEntry> entries(const std::string& device) override;

 private:
  std::shared_ptr<Registry> registry_;
};

}  // namespace mayfly
