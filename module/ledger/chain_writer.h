// The writer of one task's chain.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <openssl/types.h>

#include "base/adaptive_mutex.h"
#include "ledger/chain_file.h"
#include "ledger/entry.h"
#include "ledger/statement.h"

namespace mayfly::ledger {

/// When entries are forced to the disk. They reach the kernel at once in any case, so that only a
/// crash of the machine can lose some.
enum class Sync {
  entry,     ///< each before its result is given out
  interval,  ///< by whoever writes one, at most once a second
  end,       ///< when the chain ends
};

/// ChainWriter adds entries to the chain of one task. When append() returns, the kernel has the
/// entry. When it throws, the chain is as it was before; or the entry is in it and can't be forced
/// to the disk: then the chain takes no more entries, and ends unsealed.
///
/// Safe to use from several threads, which take turns for as long as one write takes.
class ChainWriter {
 public:
  /// Makes the chain's file, with nothing in it yet.
  /// @throws Error CKR_FUNCTION_FAILED as ChainFile.
  ChainWriter(const std::filesystem::path& folder, ChainTask task, Sync sync);
  /// Removes a file in which nothing stands.
  ~ChainWriter();
  ChainWriter(const ChainWriter&) = delete;
  ChainWriter& operator=(const ChainWriter&) = delete;

  [[nodiscard]] const ChainTask& task() const noexcept { return task_; }
  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }

  /// Adds an entry.
  /// @param data  A canonical JSON object (canonical_json.h).
  /// @throws Error CKR_FUNCTION_FAILED when it can't be written, or the chain has been closed.
  void append(Event event, std::string_view data);

  /// Signs a statement with the ledger's key, in the way of statement_scheme().
  using Sign = std::function<Bytes(std::string_view statement)>;

  /// Adds the last entry, and no more after it. Without `sign` the chain ends unsealed, for one
  /// that never had a key; so it does if `sign` throws.
  /// @param data  Of the last entry but the seal, Event::end.
  /// @throws Error what append() and `sign` throw; the chain is closed then, too.
  void close(std::string_view data, const Sign& sign);

  [[nodiscard]] ChainHead head() const;

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept;
  };

  /// Called with mutex_ locked. @param time_ms  now() or later.
  void write_entry(Event event, std::string_view data, std::uint64_t time_ms);
  /// Milliseconds since 1970; never before the entry before, whoever set the clock back.
  [[nodiscard]] std::uint64_t now() const noexcept;
  using HashBytes = std::array<std::uint8_t, kHashSize>;
  [[nodiscard]] HashBytes hash_of(std::string_view line);
  /// Whether what is written now is to be forced to the disk. Called with mutex_ locked.
  [[nodiscard]] bool is_sync_due(std::chrono::steady_clock::time_point time) const noexcept;
  void seal(const Sign& sign);

  const ChainTask task_;
  const Sync sync_;
  mutable AdaptiveMutex mutex_;  // guards what follows
  ChainFile file_;
  std::unique_ptr<EVP_MD_CTX, Free> hasher_;
  HashBytes head_hash_{};
  std::string head_hex_;
  std::string line_;  // of the last entry: its memory is used again
  std::uint64_t entries_ = 0;
  std::uint64_t last_time_ms_ = 0;
  std::chrono::steady_clock::time_point synced_;
  bool closed_ = false;
};

}  // namespace mayfly::ledger
