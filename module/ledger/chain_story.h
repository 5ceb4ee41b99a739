// Whether a chain's entries make sense one after the other.
#pragma once

#include "base/json_reader.h"
#include "ledger/chain_summary.h"
#include "ledger/entry.h"

namespace mayfly::ledger {

/// ChainStory takes the entries of a chain in their order, and sums them up.
class ChainStory {
 public:
  /// @throws JsonError, or another Error, that says why the entry can't stand there.
  void take(const Entry& entry);

  [[nodiscard]] const ChainSummary& summary() const noexcept { return summary_; }
  [[nodiscard]] ChainSummary& summary() noexcept { return summary_; }
  [[nodiscard]] bool sealed() const noexcept { return sealed_; }

 private:
  void take_open(JsonObject& data, const Entry& entry);
  void take_login(JsonObject& data);
  void take_active(JsonObject& data, const Entry& entry);
  void take_generation(JsonObject& data, const Entry& entry);
  void take_signature(JsonObject& data);
  void take_refusal(JsonObject& data);
  void take_destruction(JsonObject& data, const Entry& entry);
  void take_end(JsonObject& data);
  void take_seal(JsonObject& data, const Entry& entry);
  [[nodiscard]] ChainKey& living_key(JsonObject& data);

  ChainSummary summary_;
  bool sealed_ = false;
};

}  // namespace mayfly::ledger
