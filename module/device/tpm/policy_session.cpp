#include "device/tpm/policy_session.h"

#include <chrono>
#include <utility>

#include "base/log.h"

namespace mayfly::tpm {
namespace {

/// Of the three sessions that TPMs commonly have room for, so that others can sign as well.
constexpr std::size_t kMostKept = 2;

}  // namespace

void flush(Tpm& tpm, const LeftSession& left, SessionRecords* records) {
  // First the record: what is flushed can be another process's session at once.
  if (!left.record.empty()) records->remove(left.record);
  // A restarted TPM has no sessions of before, and the handle may be somebody else's.
  if (restarts(tpm) == left.restarts) {
    try {
      tpm.flush_context(left.handle);
    } catch (const TpmError& error) {
      if (!error.names_nothing()) throw;
    }
  }
}

void PolicySession::begin() {
  salted_.reset();
  if (!protection_) {
    handle_ = tpm_.start_policy_session();
    return;
  }
  const SaltKey key = protection_->load_key();
  handle_ = salted_.emplace(tpm_, protection_->type, key).handle();
}

void PolicySession::start() {
  if (handle_ != 0) return;
  if (shared_) restarts_ = restarts(tpm_);
  begin();
  try {
    keep();
  } catch (...) {
    flush();
    throw;
  }
}

/// Decides whether the session stays for the next use.
void PolicySession::keep() {
  kept_ =
      records_ == nullptr && (!shared_ || tpm_.handles(TPM2_HR_HMAC_SESSION).size() <= kMostKept);
}

std::optional<LeftSession> PolicySession::begin_to_keep() {
  if (records_ == nullptr || handle_ != 0) return std::nullopt;
  if (tpm_.handles(TPM2_HR_HMAC_SESSION).size() >= kMostKept) return std::nullopt;
  start();
  kept_ = true;
  missed_ = false;
  used_ = std::chrono::steady_clock::now();
  return LeftSession{handle_, restarts_, {}};
}

bool PolicySession::set_record(TPMI_SH_POLICY session, Bytes& record) noexcept {
  if (handle_ != session || !record_.empty()) return false;
  record_.swap(record);
  return true;
}

void PolicySession::forgo(TPMI_SH_POLICY session) {
  if (handle_ == session && record_.empty()) flush();
}

Bytes PolicySession::take_record() noexcept {
  kept_ = false;
  return std::exchange(record_, {});
}

void PolicySession::use(const std::function<void(TPMI_SH_POLICY)>& policy_and_command) {
  start();
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
  used_ = std::chrono::steady_clock::now();
  if (kept_) return;
  missed_ = records_ != nullptr;
  try {
    flush();
  } catch (const std::exception& error) {
    log::warn("a policy session stays in the TPM after its use", error);  // the command was done
  }
}

void PolicySession::flush() {
  if (handle_ == 0 || !tpm_.usable()) return;
  // First the record: what is flushed can be another process's session at once.
  if (!record_.empty()) records_->strike_out(record_);
  record_.clear();
  try {
    tpm_.flush_context(handle_);
  } catch (const TpmError& error) {
    if (!tpm_.usable()) throw;  // leave() still knows it
    handle_ = 0;
    if (!error.names_nothing()) throw;
  }
  handle_ = 0;
  salted_.reset();
}

std::optional<LeftSession> PolicySession::leave() noexcept {
  if (!shared_ || handle_ == 0) return std::nullopt;
  return LeftSession{std::exchange(handle_, 0), restarts_, std::exchange(record_, {})};
}

}  // namespace mayfly::tpm
