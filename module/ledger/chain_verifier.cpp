#include "ledger/chain_verifier.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/safeguard.h"
#include "base/task_binding.h"
#include "ledger/chain_reader.h"
#include "ledger/chain_story.h"

namespace mayfly::ledger {
namespace {

/// Thrown where a line does not fit.
struct Misfit {
  std::uint64_t line;
  std::string problem;
};

class Verifier {
 public:
  Verifier(const Expectations& expected, const EntryListener& listener)
      : expected_(expected), listener_(listener) {}

  /// @return false at the end of the chain.
  void take(const ChainReader::Line& line) {
    const Entry entry = read(line);
    check_link(entry, line);
    try {
      story_.take(entry);
    } catch (const Error& error) {
      throw Misfit{line.number, error.what()};
    }
    ChainHead& head = story_.summary().head;
    head = {entry.number, digest(Hash::sha256, as_bytes(line.text))};
    if (expected_.head && expected_.head->entries == head.entries &&
        expected_.head->hash != head.hash) {
      throw Misfit{line.number, "the entry is another than the one whose hash was kept apart"};
    }
    if (entry.event == Event::open) check_open(line.number);
    if (entry.event == Event::active) check_ledger_key(line.number);
    if (listener_) listener_(entry);
  }

  [[nodiscard]] const ChainStory& story() const noexcept { return story_; }

  /// What is expected of a whole chain.
  void check_whole() const {
    const ChainSummary& summary = story_.summary();
    const std::uint64_t last = summary.head.entries;
    if (expected_.head && expected_.head->entries > last) {
      throw Misfit{last, "the chain had " + std::to_string(expected_.head->entries) +
                             " entries when its hash was kept apart, and has fewer now"};
    }
    if (expected_.ledger_key && !summary.ledger_key) {
      throw Misfit{last, "the chain has no ledger key, and one is expected"};
    }
    for (const Bytes& key : expected_.keys) check_key(to_hex(key), last);
  }

 private:
  static Entry read(const ChainReader::Line& line) {
    if (line.too_long) {
      throw Misfit{line.number, "the line has more than " + std::to_string(kMaxLine) + " bytes"};
    }
    try {
      return parse_entry(line.text);
    } catch (const Error& error) {
      throw Misfit{line.number, error.what()};
    }
  }

  void check_link(const Entry& entry, const ChainReader::Line& line) const {
    const ChainSummary& before = story_.summary();
    if (entry.number != line.number) {
      throw Misfit{line.number, "the entry has the number " + std::to_string(entry.number) +
                                    ": entries are missing, doubled or in another order"};
    }
    const bool first = line.number == 1;
    if (entry.previous != (first ? no_hash() : before.head.hash) && kept(Safeguard::ledger_link)) {
      throw Misfit{line.number, first ? "the first entry has the hash of one before it"
                                      : "the entry has not the hash of line " +
                                            std::to_string(line.number - 1) +
                                            ": one of the two was changed"};
    }
    if (entry.time_ms < before.last_ms) {
      throw Misfit{line.number, "the entry is older than the one before it"};
    }
  }

  void check_open(std::uint64_t line) const {
    const ChainTask& task = story_.summary().task;
    if (expected_.task_id && *expected_.task_id != task.id) {
      throw Misfit{line, "the chain is of the task " + task.id + ", not of " + *expected_.task_id};
    }
    if (expected_.serial && *expected_.serial != task.serial) {
      throw Misfit{line,
                   "the chain is of the token " + task.serial + ", not of " + *expected_.serial};
    }
  }

  void check_ledger_key(std::uint64_t line) const {
    if (!expected_.ledger_key || !kept(Safeguard::ledger_key)) return;
    if (thumbprint(*story_.summary().ledger_key) == *expected_.ledger_key) return;
    throw Misfit{line,
                 "the ledger's key is another than the expected one: the chain was rebuilt, "
                 "or is another task's"};
  }

  void check_key(const std::string& name, std::uint64_t last) const {
    const auto& keys = story_.summary().keys;
    const auto key = keys.find(name);
    if (key == keys.end()) throw Misfit{last, "the key " + name + " was not made in this chain"};
    if (key->second.endorses) return;
    throw Misfit{key->second.made_line,
                 "the key " + name + " did not sign which key seals the chain"};
  }

  const Expectations& expected_;
  const EntryListener& listener_;
  ChainStory story_;
};

/// How many entries of a chain that fits to what is expected are known from elsewhere.
std::uint64_t count_anchored(const Expectations& expected, const ChainSummary& summary,
                             Verdict verdict) {
  const std::uint64_t known = expected.head ? expected.head->entries : 0;
  const bool knows_key = expected.ledger_key || !expected.keys.empty() ||
                         (summary.ledger_key && known >= summary.ledger_key_line);
  return knows_key && verdict == Verdict::sealed ? summary.head.entries : known;
}

/// What a chain that fits together lacks.
void judge(const ChainStory& story, Verification& result) {
  const std::uint64_t last = story.summary().head.entries;
  if (story.sealed() || !kept(Safeguard::ledger_seal)) {
    result.verdict = Verdict::sealed;
  } else if (!story.summary().end) {
    result.verdict = Verdict::unsealed;
    result.line = last;
    result.problem =
        "the chain has no end: the task is still open, its owner died, or the tail was cut off";
  } else if (story.summary().ledger_key) {
    result.verdict = Verdict::unsealed;
    result.line = last;
    result.problem =
        "the task ended, but the seal is missing: the key for it was gone by then, or "
        "the seal was cut off";
  } else {
    result.verdict = Verdict::keyless;
    result.line = last;
    result.problem = "the task never had a key, so that there is no seal";
  }
}

void read_all(std::istream& stream, Verifier& verifier, Verification& result) {
  ChainReader reader(stream);
  bool truncated = false;
  while (const auto line = reader.next()) {
    if (!line->complete && !line->too_long) {
      truncated = true;
      result.line = line->number;
      break;
    }
    verifier.take(*line);
  }
  if (stream.bad()) throw Misfit{verifier.story().summary().head.entries, "the file can't be read"};
  if (verifier.story().summary().head.entries == 0 && !truncated) {
    throw Misfit{0, "the file is empty: the task was never opened, or the chain was taken away"};
  }
  verifier.check_whole();
  if (!truncated) {
    judge(verifier.story(), result);
    return;
  }
  if (verifier.story().sealed()) throw Misfit{result.line, "something stands after the seal"};
  result.verdict = Verdict::truncated;
  result.problem = "the last line is not whole: a crash while it was written, or a cut";
}

}  // namespace

const char* to_string(Verdict verdict) noexcept {
  static constexpr const char* kNames[] = {"sealed", "keyless", "unsealed", "truncated",
                                           "tampered"};
  return kNames[static_cast<std::size_t>(verdict)];
}

Verification verify_chain(std::istream& chain, const Expectations& expected,
                          const EntryListener& listener) {
  Verifier verifier(expected, listener);
  Verification result;
  try {
    read_all(chain, verifier, result);
  } catch (const Misfit& misfit) {
    result.verdict = Verdict::tampered;
    result.line = misfit.line;
    result.problem = misfit.problem;
  }
  result.summary = verifier.story().summary();
  if (result.verdict != Verdict::tampered) {
    result.anchored_entries = count_anchored(expected, result.summary, result.verdict);
  }
  return result;
}

}  // namespace mayfly::ledger
