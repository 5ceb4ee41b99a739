#include "device/tpm/policy_session.h"

#include <utility>

#include "base/log.h"

namespace mayfly::tpm {

void PolicySession::start() {
  handle_ = tpm_.start_policy_session();
  if (records_ == nullptr) return;
  try {
    record_ = records_->add(tpm_, handle_);
  } catch (...) {
    flush();
    throw;
  }
}

void PolicySession::use(const std::function<void(TPMI_SH_POLICY)>& policy_and_command) {
  if (handle_ == 0) start();
  try {
    policy_and_command(handle_);
  } catch (...) {
    try {
      flush();
    } catch (const std::exception& error) {
      log::warn("a policy session stays in the TPM until the connection to it is closed", error);
    }
    throw;
  }
}

void PolicySession::flush() {
  const TPMI_SH_POLICY handle = std::exchange(handle_, 0);
  const Bytes record = std::exchange(record_, {});
  if (handle == 0 || !tpm_.usable()) return;
  try {
    tpm_.flush_context(handle);
  } catch (const TpmError& error) {
    if (!error.names_nothing()) throw;
  }
  if (!record.empty()) records_->remove(record);
}

}  // namespace mayfly::tpm
