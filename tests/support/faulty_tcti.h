// What the faulty TCTI is to do: shared memory between it and a test.
#pragma once

#include <atomic>
#include <cstdint>

namespace mayfly::test {

/// What goes wrong with one command.
enum class Fault : std::uint32_t {
  none,
  not_sent,           ///< sending fails
  command_lost,       ///< it is never sent, and nobody answers
  answer_lost,        ///< the TPM does it, and nobody answers
  answer_late,        ///< the answer comes after a delay
  answer_cut,         ///< half of the answer is missing
  answer_cut_neatly,  ///< the same, and the answer's own length agrees
  answer_garbage,     ///< the answer is no answer
  io_error,           ///< the TPM does it, and receiving fails
  code_instead,       ///< the TPM does it, and the answer is a response code
};

struct FaultPlan {
  char real_tcti[256];                  ///< what stands behind
  std::atomic<std::uint32_t> commands;  ///< that came so far
  std::uint32_t at;                     ///< which command it is, from 0
  bool lasts;                           ///< and all after it
  Fault fault;
  std::uint32_t code;      ///< for code_instead
  std::uint32_t delay_ms;  ///< for answer_late
  bool happened;
  std::uint32_t command_code;  ///< of the command that it happened to
};

}  // namespace mayfly::test
