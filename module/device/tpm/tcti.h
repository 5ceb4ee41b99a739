// What SAPI and ESAPI of tpm2-tss speak to: the way to the TPM, with a limit to all waiting.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <tss2/tss2_tcti.h>

#include "device/tpm/transport.h"

namespace mayfly::tpm {

/// What went over a connection so far.
struct Traffic {
  std::uint64_t commands = 0;
  std::chrono::nanoseconds waited{0};  ///< for the TPM: from each command to its answer
};

/// Tcti is a TCTI context of our own around a Transport.
///
/// A command that the TPM asks to be given again (TPM_RC_RETRY, YIELDED, TESTING, NV_RATE) is,
/// until the time is over. When an answer does not come in time, or not whole, the connection is
/// given up: nobody can tell any more which answer belongs to what. Everything fails from then on.
///
/// Not safe to use from several threads.
class Tcti {
 public:
  /// @param limit  How long one command may take.
  Tcti(std::unique_ptr<Transport> transport, std::chrono::milliseconds limit);
  ~Tcti() = default;
  Tcti(const Tcti&) = delete;
  Tcti& operator=(const Tcti&) = delete;

  [[nodiscard]] TSS2_TCTI_CONTEXT* context() noexcept {
    return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&face_);
  }
  [[nodiscard]] bool given_up() const noexcept { return given_up_; }
  void give_up() noexcept { given_up_ = true; }
  [[nodiscard]] const Traffic& traffic() const noexcept { return traffic_; }

 private:
  static constexpr std::size_t kMaxMessage = 4096;  // TPM2_MAX_COMMAND_SIZE, TPM2_MAX_RESPONSE_SIZE

  /// What tpm2-tss sees; its first member is what a TCTI context begins with.
  struct Face {
    TSS2_TCTI_CONTEXT_COMMON_V2 common{};
    Tcti* self = nullptr;
  };

  static Tcti& self(TSS2_TCTI_CONTEXT* context) noexcept {
    return *reinterpret_cast<Face*>(context)->self;
  }
  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, std::size_t size,
                          const std::uint8_t* command) noexcept;
  static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* answer,
                         std::int32_t timeout) noexcept;

  TSS2_RC send(ByteView command) noexcept;
  TSS2_RC fetch() noexcept;
  TSS2_RC exchange() noexcept;

  Face face_;
  std::unique_ptr<Transport> transport_;
  std::chrono::milliseconds limit_;
  Transport::Deadline deadline_;
  Transport::Deadline sent_;
  std::array<std::uint8_t, kMaxMessage> command_{};
  std::size_t command_size_ = 0;
  const std::uint8_t* command_at_ = nullptr;  // where SAPI has it
  std::array<std::uint8_t, kMaxMessage> answer_{};
  std::size_t answer_size_ = 0;  // 0: not fetched yet
  bool given_up_ = false;
  Traffic traffic_;
};

}  // namespace mayfly::tpm
