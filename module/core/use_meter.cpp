#include "core/use_meter.h"

#include <algorithm>

namespace mayfly {
namespace {

constexpr std::array<std::string_view, kRefusalReasons> kReasonNames = {
    "login", "ended", "policy", "mechanism", "key", "input", "device", "other"};

}  // namespace

std::string_view name_of(RefusalReason reason) noexcept {
  return kReasonNames[static_cast<std::size_t>(reason)];
}

RefusalReason refusal_reason(CK_RV rv) noexcept {
  switch (rv) {
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_PIN_INCORRECT:
    case CKR_PIN_EXPIRED:
    case CKR_PIN_LOCKED:
      return RefusalReason::login;
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_OPERATION_NOT_INITIALIZED:
      return RefusalReason::ended;
    case CKR_FUNCTION_REJECTED:
    case CKR_FUNCTION_FAILED:
    case CKR_DEVICE_MEMORY:
    case CKR_SESSION_COUNT:
      return RefusalReason::policy;
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
      return RefusalReason::mechanism;
    case CKR_KEY_HANDLE_INVALID:
    case CKR_KEY_TYPE_INCONSISTENT:
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
    case CKR_KEY_SIZE_RANGE:
      return RefusalReason::key;
    case CKR_DATA_INVALID:
    case CKR_DATA_LEN_RANGE:
    case CKR_ARGUMENTS_BAD:
    case CKR_BUFFER_TOO_SMALL:
    case CKR_TEMPLATE_INCOMPLETE:
    case CKR_TEMPLATE_INCONSISTENT:
    case CKR_ATTRIBUTE_TYPE_INVALID:
    case CKR_ATTRIBUTE_VALUE_INVALID:
      return RefusalReason::input;
    case CKR_DEVICE_ERROR:
      return RefusalReason::device;
    default:
      return RefusalReason::other;
  }
}

void UseMeter::timed(std::chrono::steady_clock::duration time) noexcept {
  const auto us = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(time).count());
  const auto* const bucket = std::ranges::lower_bound(Use::kBounds_us, us);
  const auto index = static_cast<std::size_t>(bucket - Use::kBounds_us.begin());
  device_times_[index].fetch_add(1, std::memory_order_relaxed);
  device_time_us_.fetch_add(us, std::memory_order_relaxed);
}

void UseMeter::refused(CK_RV rv) noexcept {
  refusals_[static_cast<std::size_t>(refusal_reason(rv))].fetch_add(1, std::memory_order_relaxed);
}

Use UseMeter::read() const noexcept {
  Use use;
  // In this order: what was not made was begun before.
  const std::uint64_t not_made = not_made_.load(std::memory_order_acquire);
  use.signatures = begun_.load(std::memory_order_acquire) - not_made;
  for (std::size_t i = 0; i < use.refusals.size(); ++i) use.refusals[i] = refusals_[i].load();
  for (std::size_t i = 0; i < use.device_times.size(); ++i) {
    use.device_times[i] = device_times_[i].load();
  }
  use.device_time_us = device_time_us_.load();
  return use;
}

}  // namespace mayfly
