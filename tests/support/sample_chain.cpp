#include "support/sample_chain.h"

#include <sstream>

#include "base/hash.h"
#include "base/task_binding.h"
#include "ledger/canonical_json.h"

namespace mayfly::test {

using ledger::Event;

ledger::ChainTask sample_task() { return {"invoices 17 & <18>", "0123456789abcdef"}; }

Bytes sign_statement(const TestApprover& key, std::string_view statement) {
  return key.signer().sign(ledger::statement_scheme(key.public_key().spec()), as_bytes(statement));
}

ledger::ChainHead ChainText::head() const {
  if (lines_.empty()) return {0, ledger::no_hash()};
  return {lines_.size(), digest(Hash::sha256, as_bytes(lines_.back()))};
}

ChainText& ChainText::add(Event event, const nlohmann::json& data) {
  const ledger::ChainHead before = head();
  lines_.push_back(ledger::line_of(event, ledger::canonical_json(data), before.entries + 1,
                                   to_hex(before.hash), time_ms_));
  time_ms_ += 250;
  return *this;
}

ChainText& ChainText::seal(const TestApprover& key, const ledger::ChainTask& task) {
  const std::string statement = ledger::seal_statement(task, head(), time_ms_);
  return add(Event::seal, {{"signature", to_hex(sign_statement(key, statement))}});
}

std::string ChainText::text() const {
  std::string text;
  for (const std::string& line : lines_) text += line + "\n";
  return text;
}

nlohmann::json open_data() {
  return {{"agent", "agent://billing"}, {"deadline", 1'800'000'900},
          {"format", "mayfly-ledger"},  {"grant", "g-1"},
          {"approver", "ops-key"},      {"owner", "0123456789abcdef:1:2:3:4"},
          {"scope", "pay read"},        {"serial", sample_task().serial},
          {"task", sample_task().id},   {"version", 1}};
}

nlohmann::json active_data(const ChainKeys& keys) {
  return {{"ledger_key", to_hex(keys.ledger.public_key().subject_public_key_info())}};
}

nlohmann::json generation_data(const ChainKeys& keys) {
  const PublicKey& key = keys.session.public_key();
  const std::string statement =
      ledger::endorsement_statement(sample_task(), keys.ledger.public_key());
  return {{"endorsement", to_hex(sign_statement(keys.session, statement))},
          {"key", to_hex(thumbprint(key))},
          {"kind", to_string(key.spec())},
          {"public_key", to_hex(key.subject_public_key_info())}};
}

nlohmann::json signature_data(const ChainKeys& keys) {
  return {{"digest", to_hex(digest(Hash::sha256, as_bytes("an invoice")))},
          {"key", to_hex(thumbprint(keys.session.public_key()))},
          {"mechanism", "CKM_ECDSA_SHA256"},
          {"of", "message"},
          {"outcome", "made"}};
}

nlohmann::json refusal_data() {
  return {{"answer", 0x68}, {"reason", "the key may not <sign>"}, {"what", "signing"}};
}

nlohmann::json destruction_data(const ChainKeys& keys) {
  return {{"key", to_hex(thumbprint(keys.session.public_key()))}, {"outcome", "destroyed"}};
}

nlohmann::json end_data() { return {{"cause", "closed"}, {"destroyed", 1}, {"pending", 0}}; }

ChainText unsealed_chain(const ChainKeys& keys) {
  ChainText chain;
  chain.add(Event::open, open_data())
      .add(Event::login, nlohmann::json::object())
      .add(Event::active, active_data(keys))
      .add(Event::generation, generation_data(keys))
      .add(Event::signature, signature_data(keys))
      .add(Event::signature, signature_data(keys))
      .add(Event::refusal, refusal_data())
      .add(Event::destruction, destruction_data(keys))
      .add(Event::end, end_data());
  return chain;
}

std::string sealed_chain(const ChainKeys& keys) {
  return unsealed_chain(keys).seal(keys.ledger).text();
}

ledger::Verification verify_text(const std::string& text, const ledger::Expectations& expected) {
  std::istringstream stream(text);
  return ledger::verify_chain(stream, expected);
}

}  // namespace mayfly::test
