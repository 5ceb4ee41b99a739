#include "device/tpm/transport.h"

#include <algorithm>
#include <string_view>
#include <tss2/tss2_tctildr.h>

#include "base/error.h"
#include "base/fork_epoch.h"
#include "base/log.h"
#include "device/tpm/swtpm_socket.h"
#include "device/tpm/tss_error.h"

namespace mayfly::tpm {
namespace {

/// Milliseconds until the deadline, for functions that take an int; at least 0.
std::int32_t milliseconds_until(Transport::Deadline deadline) noexcept {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

/// A TCTI of tpm2-tss. It is trusted to keep to the time that it is given, as those for
/// /dev/tpm… and for tpm2-abrmd do.
class LoadedTcti final : public Transport {
 public:
  explicit LoadedTcti(const std::string& tcti) {
    const TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti.c_str(), &context_);
    if (rc != TSS2_RC_SUCCESS) {
      throw Error(CKR_TOKEN_NOT_PRESENT, "the TPM can't be reached by tpm.tcti \"" + tcti +
                                             "\": " + decode(rc) +
                                             "; check that it is there and that this user may use "
                                             "it (group tss)");
    }
  }
  ~LoadedTcti() override {
    // In a forked child it is the parent's: some of them have threads.
    if (epoch_ == ForkEpoch::current()) Tss2_TctiLdr_Finalize(&context_);
  }

  TSS2_RC transmit(ByteView command, Deadline) noexcept override {
    return functions().transmit(context_, command.size(), command.data());
  }

  TSS2_RC receive(std::uint8_t* answer, std::size_t& size, Deadline deadline) noexcept override {
    const std::size_t room = size;
    TSS2_RC rc = TSS2_TCTI_RC_TRY_AGAIN;
    while (rc == TSS2_TCTI_RC_TRY_AGAIN) {
      size = room;
      const std::int32_t left = milliseconds_until(deadline);
      rc = functions().receive(context_, &size, answer, left);
      if (left == 0) break;
    }
    return rc;
  }

 private:
  [[nodiscard]] const TSS2_TCTI_CONTEXT_COMMON_V1& functions() const noexcept {
    return *reinterpret_cast<const TSS2_TCTI_CONTEXT_COMMON_V1*>(context_);
  }

  TSS2_TCTI_CONTEXT* context_ = nullptr;
  std::uint64_t epoch_ = ForkEpoch::current();
};

}  // namespace

std::unique_ptr<Transport> open_transport(const std::string& tcti) {
  constexpr std::string_view kSwtpm = "swtpm:path=";
  if (tcti.starts_with(kSwtpm)) return std::make_unique<SwtpmSocket>(tcti.substr(kSwtpm.size()));
  if (tcti.starts_with("swtpm") || tcti.starts_with("mssim")) {
    log::warn("tpm.timeout does not hold with tpm.tcti = \"" + tcti +
              "\": this TCTI waits for its TPM for ever; with swtpm, use swtpm:path=");
  }
  return std::make_unique<LoadedTcti>(tcti);
}

}  // namespace mayfly::tpm
