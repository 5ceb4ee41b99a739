#include "tools/failure.h"

#include <cerrno>
#include <cstring>

namespace mayfly::tools {

ExitStatus status_of(const Error& error) noexcept {
  switch (error.rv()) {
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_DEVICE_REMOVED:
      return kDeviceMissing;
    case CKR_PIN_INCORRECT:
    case CKR_PIN_LOCKED:
    case CKR_PIN_EXPIRED:
    case CKR_USER_PIN_NOT_INITIALIZED:
      return kWrongPin;
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_MEMORY:
    case CKR_GENERAL_ERROR:
    case CKR_FUNCTION_FAILED:
      return kDeviceFailed;
    case CKR_SESSION_COUNT:
      return kTryAgain;
    case CKR_FUNCTION_REJECTED:
      return kNotAllowed;
    case CKR_HOST_MEMORY:
      return kSystem;
    default:
      return kInternal;
  }
}

Failure file_failure(const std::string& path, int error) {
  const std::string what = path + ": " + std::strerror(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return {kDiskFull, what + "; free some space and try again"};
    case EEXIST:
    case ENOTEMPTY:
      return {kAlreadyExists, what + "; nothing is ever overwritten: choose another folder"};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return {kSystem, what + "; raise the limit and try again"};
    default:
      return {kCannotWrite, what + "; choose a folder that can be written"};
  }
}

}  // namespace mayfly::tools
