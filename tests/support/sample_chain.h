// A ledger of a test's own.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ledger/chain_verifier.h"
#include "support/test_approver.h"

namespace mayfly::test {

/// Keys in libcrypto, where a task has them in a device.
class ChainKeys {
 public:
  ChainKeys() : session(grant::Algorithm::es256), ledger(grant::Algorithm::es256) {}

  TestApprover session;
  TestApprover ledger;
};

/// The ChainTask of sample chains.
[[nodiscard]] ledger::ChainTask sample_task();

/// Any key's signature over a statement.
[[nodiscard]] Bytes sign_statement(const TestApprover& key, std::string_view statement);

/// ChainText writes a chain line by line, of whatever entries a test wants, linked as they should
/// be.
class ChainText {
 public:
  explicit ChainText(std::uint64_t time_ms = 1'800'000'000'000) : time_ms_(time_ms) {}

  /// Adds an entry, 250 ms after the one before.
  ChainText& add(ledger::Event event, const nlohmann::json& data);
  /// Adds a seal over all that stands there.
  ChainText& seal(const TestApprover& key, const ledger::ChainTask& task = sample_task());

  [[nodiscard]] std::string text() const;
  [[nodiscard]] ledger::ChainHead head() const;

 private:
  std::uint64_t time_ms_;
  std::vector<std::string> lines_;
};

// What stands in entries, as a ledger writes it.
[[nodiscard]] nlohmann::json open_data();
[[nodiscard]] nlohmann::json active_data(const ChainKeys& keys);
[[nodiscard]] nlohmann::json generation_data(const ChainKeys& keys);
[[nodiscard]] nlohmann::json signature_data(const ChainKeys& keys);
[[nodiscard]] nlohmann::json refusal_data();
[[nodiscard]] nlohmann::json destruction_data(const ChainKeys& keys);
[[nodiscard]] nlohmann::json end_data();

/// A whole chain, without its seal: open, login, active, generation, two signatures, a refusal,
/// destruction, end.
[[nodiscard]] ChainText unsealed_chain(const ChainKeys& keys);
/// The same with its seal.
[[nodiscard]] std::string sealed_chain(const ChainKeys& keys);

[[nodiscard]] ledger::Verification verify_text(const std::string& text,
                                               const ledger::Expectations& expected = {});

}  // namespace mayfly::test
