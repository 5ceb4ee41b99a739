// What can be tried with the files of a ledger: that it tells another story.
#include <fstream>
#include <sstream>

#include "base/task_binding.h"
#include "ledger/chain_folder.h"
#include "ledger/chain_verifier.h"
#include "tools/drill/owner.h"

namespace mayfly::drill {
namespace {

using namespace mayfly::ledger;

constexpr char kLedgerWriter[] = "write access to the ledger's files";

Verification verify(const std::string& chain, const Expectations& expected = {}) {
  std::istringstream stream(chain);
  return verify_chain(stream, expected);
}

/// The chain of a task that made a key, signed and ended.
std::string chain_of(const Owner& owner, const Ground& ground) {
  const std::string serial = owner.info().serial;
  owner.close_task();
  for (const auto& file : chain_files(ground.config().ledger.folder)) {
    std::ifstream stream(file, std::ios::binary);
    std::string chain(std::istreambuf_iterator<char>(stream), {});
    const Verification found = verify(chain);
    if (found.summary.task.serial != serial) continue;
    if (found.verdict != Verdict::sealed) throw std::runtime_error("not sealed: " + found.problem);
    return chain;
  }
  throw std::runtime_error("the task left no chain");
}

Outcome flip_bytes(const Ground& ground) {
  const Owner owner(ground);
  std::string chain = chain_of(owner, ground);
  for (char& byte : chain) {
    byte = static_cast<char>(byte ^ 1);
    if (verify(chain).verdict == Verdict::sealed) {
      return {Result::broken, "byte " + std::to_string(&byte - chain.data()) +
                                  " was changed, and the chain is called sealed"};
    }
    byte = static_cast<char>(byte ^ 1);
  }
  return {Result::held, "each of " + std::to_string(chain.size()) + " changed bytes was noticed"};
}

Outcome drop_an_entry(const Ground& ground) {
  const Owner owner(ground);
  const std::string chain = chain_of(owner, ground);
  std::size_t lines = 0;
  for (std::size_t start = 0; start < chain.size(); ++lines) {
    const std::size_t end = chain.find('\n', start) + 1;
    if (verify(chain.substr(0, start) + chain.substr(end)).verdict == Verdict::sealed) {
      return {Result::broken, "entry " + std::to_string(lines + 1) +
                                  " was taken out, and the chain is called sealed"};
    }
    start = end;
  }
  return {Result::held, "each of " + std::to_string(lines) + " missing entries was noticed"};
}

Outcome cut_the_tail(const Ground& ground) {
  const Owner owner(ground);
  std::string chain = chain_of(owner, ground);
  std::size_t cuts = 0;
  while (chain.find('\n') + 1 < chain.size()) {
    chain.resize(chain.rfind('\n', chain.size() - 2) + 1);
    ++cuts;
    if (verify(chain).verdict == Verdict::sealed) {
      return {Result::broken, "the last " + std::to_string(cuts) +
                                  " entries were cut off, and the chain is called sealed"};
    }
  }
  return {Result::held, "each of " + std::to_string(cuts) + " cuts was noticed"};
}

/// A chain that another key has sealed is whole in itself: what gives it away is the key, of which
/// the thumbprint is kept apart.
Outcome rebuild(const Ground& ground) {
  const Owner owner(ground);
  const std::string genuine = chain_of(owner, ground);
  Expectations kept;
  kept.ledger_key = thumbprint(verify(genuine).summary.ledger_key.value());
  if (!verify(genuine, kept).anchored()) throw std::runtime_error("the genuine chain is refused");
  CK_SLOT_ID slot = open_task(owner.module, ground, {});
  const Session session(owner.module, ground, slot);
  static_cast<void>(session.generate());
  MAYFLY_TASK_INFO info{};
  expect_ok("MAYFLY_TaskInfo", owner.module.vendor().MAYFLY_TaskInfo(slot, &info));
  expect_ok("MAYFLY_CloseTask", owner.module.vendor().MAYFLY_CloseTask(slot));
  for (const auto& file : chain_files(ground.config().ledger.folder)) {
    std::ifstream stream(file, std::ios::binary);
    const std::string chain(std::istreambuf_iterator<char>(stream), {});
    if (verify(chain).summary.task.serial != info.serial) continue;
    const Verification found = verify(chain, kept);
    return {found.verdict == Verdict::sealed ? Result::broken : Result::held,
            found.problem.empty() ? "the rebuilt chain is called sealed" : found.problem};
  }
  throw std::runtime_error("the other chain is not there");
}

}  // namespace

std::vector<Scenario> ledger_scenarios() {
  using enum Safeguard;
  return {
      {"change-the-ledger",
       kLedgerWriter,
       "changes each byte of a sealed chain, one after the other",
       "each change is noticed",
       {ledger_link},
       flip_bytes},
      {"drop-an-entry",
       kLedgerWriter,
       "takes out each entry of a sealed chain, one after the other",
       "each gap is noticed",
       {ledger_seal},
       drop_an_entry},
      {"cut-the-ledger",
       kLedgerWriter,
       "cuts off the last entries of a sealed chain",
       "each cut is noticed",
       {ledger_seal},
       cut_the_tail},
      {"rebuild-the-ledger",
       kLedgerWriter,
       "puts a chain in its place that a key of his own has sealed",
       "the other key is noticed",
       {ledger_key},
       rebuild},
  };
}

}  // namespace mayfly::drill
