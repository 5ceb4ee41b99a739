// Ledgers, as anybody can hand them to an auditor: whatever the bytes are, they are judged, and
// what is judged to be whole is whole.
#include <algorithm>
#include <sstream>

#include <openssl/err.h>

#include "base/json_reader.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"
#include "ledger/canonical_json.h"
#include "ledger/chain_verifier.h"
#include "support/sample_chain.h"

namespace mayfly::test {
namespace {

using ledger::Verdict;
using ledger::Verification;

/// Judges a chain, and checks what holds of every verdict.
Verification judge(const std::string& text) {
  std::uint64_t entries = 0;
  std::uint64_t time = 0;
  std::istringstream stream(text);
  const Verification found = ledger::verify_chain(stream, {}, [&](const ledger::Entry& entry) {
    require(entry.number == ++entries, "entries come one after the other");
    require(entry.time_ms >= time, "times do not run back");
    time = entry.time_ms;
  });
  require(found.summary.head.entries == entries, "each entry that fits is told");
  require((found.verdict == Verdict::sealed) == found.problem.empty(),
          "all that is not sealed has a reason");
  if (!found.problem.empty()) require_message(found.problem);
  const auto lines = static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
  require(found.line <= lines + 1, "the line is one of the chain");
  require(found.verdict == Verdict::tampered || entries >= lines,
          "all lines fit where nothing was tampered with");
  return found;
}

void check_chain(Input& input) {
  const std::size_t place = input.number(2);
  const std::uint8_t change = input.byte();
  std::string text(as_text(input.rest()));
  if (judge(text).verdict != Verdict::sealed || change == 0) return;
  char& letter = text[place % text.size()];
  letter = static_cast<char>(letter ^ static_cast<char>(change));
  require(judge(text).verdict != Verdict::sealed, "no letter of a sealed chain can be changed");
}

/// Entries of any content, linked as they should be.
void check_story(Input& input) {
  ChainText chain;
  while (!input.empty()) {
    const auto event = static_cast<ledger::Event>(input.byte() % ledger::kEvents);
    try {
      chain.add(event, parse_json(as_text(input.piece(input.number(2))), ledger::kMaxLine));
    } catch (const Error&) {  // no JSON that a ledger can hold
    }
  }
  require(judge(chain.text()).verdict != Verdict::sealed || chain.head().entries > 3,
          "a seal needs a task, a key and an end before it");
}

void check_canonical_form(std::string_view text) {
  try {
    const nlohmann::json json = parse_json(text, ledger::kMaxLine);
    const std::string canonical = ledger::canonical_json(json);
    require(parse_json(canonical, canonical.size()) == json, "the canonical form says the same");
    require(ledger::canonical_json(parse_json(canonical, canonical.size())) == canonical,
            "there is one canonical form");
  } catch (const Error& error) {
    require(error.rv() == CKR_DATA_INVALID, "nothing but a refusal is thrown");
    require_message(error.what());
  }
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly::test;
  Input input(data, size);
  switch (input.byte() % 3) {
    case 0:
      check_chain(input);
      break;
    case 1:
      check_story(input);
      break;
    default:
      check_canonical_form(mayfly::as_text(input.rest()));
  }
  require(ERR_peek_error() == 0, "libcrypto's queue of errors is left empty");
  return 0;
}
