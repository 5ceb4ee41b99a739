#include "device/tpm/tcti.h"

#include <algorithm>
#include <thread>

#include "base/secret.h"
#include "device/tpm/answer.h"
#include "device/tpm/tss_error.h"

namespace mayfly::tpm {
namespace {

constexpr std::uint64_t kMagic = 0x6d6179666c790001;  // "mayfly", 1

/// Whether the TPM has not done the command, and wants to be given it again.
bool wants_again(TSS2_RC rc) noexcept {
  switch (rc & ~TSS2_RC_LAYER_MASK) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
      return true;
    default:
      return false;
  }
}

}  // namespace

Tcti::Tcti(std::unique_ptr<Transport> transport, std::chrono::milliseconds limit)
    : transport_(std::move(transport)), limit_(limit) {
  face_.common.v1.magic = kMagic;
  face_.common.v1.version = 2;
  face_.common.v1.transmit = &Tcti::transmit;
  face_.common.v1.receive = &Tcti::receive;
  face_.self = this;
}

TSS2_RC Tcti::transmit(TSS2_TCTI_CONTEXT* context, std::size_t size,
                       const std::uint8_t* command) noexcept {
  Tcti& tcti = self(context);
  if (tcti.given_up_) return TSS2_TCTI_RC_IO_ERROR;
  if (size > kMaxMessage) return TSS2_TCTI_RC_BAD_VALUE;
  std::copy_n(command, size, tcti.command_.begin());
  tcti.command_size_ = size;
  tcti.command_at_ = command;
  tcti.answer_size_ = 0;
  tcti.deadline_ = std::chrono::steady_clock::now() + tcti.limit_;
  return tcti.send({tcti.command_.data(), size});
}

TSS2_RC Tcti::send(ByteView command) noexcept {
  sent_ = std::chrono::steady_clock::now();
  ++traffic_.commands;
  const TSS2_RC rc = transport_->transmit(command, deadline_);
  if (rc != TSS2_RC_SUCCESS) {
    zeroise({command_.data(), command_size_});
    give_up();
  }
  return rc;
}

/// Gets one whole answer.
TSS2_RC Tcti::fetch() noexcept {
  std::size_t size = answer_.size();
  TSS2_RC rc = transport_->receive(answer_.data(), size, deadline_);
  traffic_.waited += std::chrono::steady_clock::now() - sent_;
  if (rc == TSS2_RC_SUCCESS &&
      (size < kAnswerHeader || size > answer_.size() || answer_size(answer_) != size)) {
    rc = TSS2_TCTI_RC_MALFORMED_RESPONSE;
  }
  if (rc == TSS2_RC_SUCCESS) answer_size_ = size;
  return rc;
}

/// Gets the answer that is meant.
TSS2_RC Tcti::exchange() noexcept {
  auto pause = std::chrono::milliseconds(1);
  TSS2_RC rc = fetch();
  while (rc == TSS2_RC_SUCCESS && wants_again(response_code(answer_))) {
    if (std::chrono::steady_clock::now() + pause >= deadline_) break;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(100));
    answer_size_ = 0;
    rc = send({command_.data(), command_size_});
    if (rc == TSS2_RC_SUCCESS) rc = fetch();
  }
  // It may hold an authorisation value.
  zeroise({command_.data(), command_size_});
  if (rc != TSS2_RC_SUCCESS) give_up();
  return rc;
}

TSS2_RC Tcti::receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* answer,
                      std::int32_t) noexcept {
  Tcti& tcti = self(context);
  if (tcti.given_up_) return TSS2_TCTI_RC_IO_ERROR;
  if (tcti.answer_size_ == 0) {
    if (const TSS2_RC rc = tcti.exchange(); rc != TSS2_RC_SUCCESS) return rc;
  }
  const std::size_t room = *size;
  *size = tcti.answer_size_;
  if (answer == nullptr) return TSS2_RC_SUCCESS;
  if (room < tcti.answer_size_) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  std::copy_n(tcti.answer_.begin(), tcti.answer_size_, answer);
  // SAPI takes the answer into the memory of its command. What the answer does not cover is still
  // there, an authorisation value perhaps.
  if (answer == tcti.command_at_ && tcti.answer_size_ < tcti.command_size_) {
    zeroise({answer + tcti.answer_size_, tcti.command_size_ - tcti.answer_size_});
  }
  tcti.answer_size_ = 0;
  return TSS2_RC_SUCCESS;
}

}  // namespace mayfly::tpm
