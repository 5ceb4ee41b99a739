// Proofs that were seen: each is good once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace mayfly::credential {

/// ReplayCache remembers what was seen, for as long as it would else be taken again.
class ReplayCache {
 public:
  virtual ~ReplayCache() = default;
  ReplayCache() = default;
  ReplayCache(const ReplayCache&) = delete;
  ReplayCache& operator=(const ReplayCache&) = delete;

  /// Whether something is seen for the first time; from then on it is not. One of many that ask at
  /// the same time is told so.
  /// @param what  replay_name() of it.
  /// @param until_unix_s  When it may be forgotten, in seconds since 1970.
  /// @param now_unix_s    What is forgotten stays forgotten: if this is earlier than it was before,
  ///                      the latest is taken for it.
  /// @throws Error when that can't be told, which must be taken for no: also for what has ended by
  ///         the latest time, when now is earlier.
  [[nodiscard]] virtual bool is_first(const std::string& what, std::uint64_t until_unix_s,
                                      std::uint64_t now_unix_s) = 0;
};

/// How a cache knows a proof: SHA-256 over its key's thumbprint and its own ID, in hexadecimal. Two
/// keys that chose one ID are not in each other's way, and no ID is too long.
[[nodiscard]] std::string replay_name(std::string_view thumbprint, std::string_view id);

/// Remembers in memory. Safe to use from several threads.
class MemoryReplayCache : public ReplayCache {
 public:
  /// @param most  How many are remembered at once. When it is full of what can't be forgotten yet,
  ///              is_first() throws: nothing is taken that could be taken twice.
  explicit MemoryReplayCache(std::size_t most = 1'000'000) : most_(most) {}

  [[nodiscard]] bool is_first(const std::string& what, std::uint64_t until_unix_s,
                              std::uint64_t now_unix_s) override;

 private:
  const std::size_t most_;
  std::mutex mutex_;
  std::set<std::string> seen_;
  std::multimap<std::uint64_t, std::string> by_end_;
  std::uint64_t latest_ = 0;  // of all times that were now
};

/// Remembers in a file that processes share. It is made with mode 0600 if it is not there.
class FileReplayCache : public ReplayCache {
 public:
  /// @param most  How many are remembered at once, as MemoryReplayCache has it.
  explicit FileReplayCache(std::string path, std::size_t most = 1'000'000)
      : path_(std::move(path)), most_(most) {}

  /// @throws Error CKR_GENERAL_ERROR "PATH: what is wrong" when the file can't be made, read,
  /// locked
  ///         or written, is of another user, can be opened by others, or holds anything else.
  [[nodiscard]] bool is_first(const std::string& what, std::uint64_t until_unix_s,
                              std::uint64_t now_unix_s) override;

 private:
  const std::string path_;
  const std::size_t most_;
};

}  // namespace mayfly::credential
