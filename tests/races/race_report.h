// What a race came to: figures, and every broken promise.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

namespace mayfly::test {

/// Counted by many threads.
struct RaceReport {
  std::atomic<unsigned long> lives{0};       ///< of the library, from start to C_Finalize
  std::atomic<unsigned long> tasks{0};       ///< opened
  std::atomic<unsigned long> keys{0};        ///< made
  std::atomic<unsigned long> signatures{0};  ///< given out, each of them verified
  std::atomic<unsigned long> refusals{0};    ///< calls that came too late, or to the wrong task
  std::atomic<unsigned long> closed{0};      ///< tasks ended by MAYFLY_CloseTask
  std::atomic<unsigned long> expired{0};     ///< tasks ended by their deadline
  std::atomic<unsigned long> finalised{0};   ///< tasks ended by C_Finalize
  std::atomic<unsigned long> logouts{0};     ///< under signers
  std::atomic<unsigned long> strangers_tried{0};  ///< uses of another task's handles
  std::atomic<unsigned long> looks_at_device{0};  ///< searches for keys of ended tasks
  std::atomic<unsigned long> survivors{0};        ///< keys found there
  std::atomic<unsigned long> foreign_losses{0};   ///< of the host's own objects

  /// Notes a broken promise; the first hundred are kept.
  void broken(const std::string& what);
  [[nodiscard]] std::vector<std::string> violations() const;

  /// The figures for a person, one a line.
  [[nodiscard]] std::string summary() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> violations_;
};

}  // namespace mayfly::test
