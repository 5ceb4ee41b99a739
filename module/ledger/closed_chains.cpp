#include "ledger/closed_chains.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "ledger/chain_folder.h"
#include "ledger/chain_stream.h"

namespace mayfly::ledger {
namespace {

/// @throws Error as ChainStream.
Verification read_chain(const std::filesystem::path& path) {
  Expectations expected;
  expected.serial = path.stem().string();
  ChainStream stream(path);
  return verify_chain(stream, expected);
}

/// Whether nothing can follow any more what was found of a chain.
bool is_closed(const std::filesystem::path& path, const Verification& found) {
  switch (found.verdict) {
    case Verdict::sealed:
    case Verdict::keyless:
      return true;
    case Verdict::tampered:
      return false;
    case Verdict::unsealed:
    case Verdict::truncated:
      break;
  }
  const ChainSummary& summary = found.summary;
  return summary.head.entries != 0 &&
         (is_finished(path) ||
          is_abandoned({summary.task, summary.deadline_unix_s, summary.owner}));
}

}  // namespace

std::optional<ClosedChain> closed_chain(const std::filesystem::path& path,
                                        const Verification& found) {
  if (!is_closed(path, found)) return std::nullopt;
  const ChainSummary& summary = found.summary;
  return ClosedChain{ClosedChain::Event::closed, summary.task, summary.head, found.verdict,
                     summary.last_ms};
}

NewlyClosed find_closed(const std::filesystem::path& folder, const ChainLog& log) {
  NewlyClosed result;
  for (const std::filesystem::path& path : chain_files(folder)) {
    if (log.closed(path.stem().string()) != nullptr) continue;
    Verification found;
    std::optional<ClosedChain> closed;
    try {
      found = read_chain(path);
      closed = closed_chain(path, found);
      // It can have gone on after it was read, and before it was found to be over.
      if (closed && found.verdict != Verdict::sealed) {
        found = read_chain(path);
        closed = closed_chain(path, found);
      }
    } catch (const Error&) {
      result.broken.push_back({path, "it can't be read, or is no regular file"});
      continue;
    }
    if (found.verdict == Verdict::tampered) {
      result.broken.push_back({path, "line " + std::to_string(found.line) + ": " + found.problem});
    } else if (closed) {
      result.chains.push_back(std::move(*closed));
    } else {
      ++result.open;
    }
  }
  std::ranges::sort(result.chains, {}, [](const ClosedChain& chain) {
    return std::tie(chain.time_ms, chain.task.serial);
  });
  return result;
}

}  // namespace mayfly::ledger
