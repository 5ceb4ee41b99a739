// The session that a Chip keeps in its TPM for signatures to come, and its record.
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "base/log.h"
#include "device/tpm/chip.h"

namespace mayfly::tpm {
namespace {

/// After the record of a session could not be written, none is tried for a while.
constexpr std::chrono::seconds kRecordPause{30};

}  // namespace

/// Has a session stay for the signatures to come, where it must be recorded for that. The record is
/// written without the lock: no signature waits for it. Those that find no session begin one each.
void Chip::keep_session(bool only_if_missed) noexcept {
  if (!records_ ||
      (options_.deadline == TpmDeadline::software && !options_.kill_switch && !options_.encrypt)) {
    return;
  }
  std::optional<LeftSession> begun;
  std::uint64_t connection = 0;
  const auto is_there = [&] { return link_ != nullptr && connection_ == connection; };
  try {
    {
      const std::scoped_lock lock(mutex_);
      if (link_ == nullptr || std::chrono::steady_clock::now() < record_after_) return;
      if (only_if_missed && !link_->session.is_missed()) return;
      connection = connection_;
      begun = link_->session.begin_to_keep();
    }
    if (!begun) return;
    Bytes record = records_->add(begun->handle, begun->restarts);
    {
      const std::scoped_lock lock(mutex_);
      if (is_there() && link_->session.set_record(begun->handle, record)) return;
    }
    records_->remove(record);
  } catch (const std::exception& error) {
    log::warn("each signature needs a session of its own in the TPM for now", error);
    const std::scoped_lock lock(mutex_);
    record_after_ = std::chrono::steady_clock::now() + kRecordPause;
    try {
      if (begun && is_there()) link_->session.forgo(begun->handle);
    } catch (const std::exception& left) {
      log::warn("a policy session stays in the TPM for now", left);
    }
    abandon_if_broken();
  }
}

/// Does nothing while somebody uses the TPM: then the session is hardly idle.
void Chip::flush_idle_session() noexcept {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || link_ == nullptr) return;
  try {
    if (!link_->session.is_idle(options_.session_idle)) return;
    const Bytes record = link_->session.take_record();
    if (!record.empty()) {
      // First the record, without the lock: no signature waits for it.
      lock.unlock();
      const bool is_struck_out = records_->strike_out(record);
      lock.lock();
      if (!is_struck_out) record_after_ = std::chrono::steady_clock::now() + kRecordPause;
    }
    if (link_ != nullptr && link_->session.is_idle(options_.session_idle)) link_->session.flush();
  } catch (const std::exception& error) {
    log::warn("an idle policy session stays in the TPM for now", error);
    abandon_if_broken();
  }
}

}  // namespace mayfly::tpm
