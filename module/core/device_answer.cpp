#include "core/device_answer.h"

namespace mayfly {

CK_RV told_to_client(CK_RV device_answer) noexcept {
  switch (device_answer) {
    case CKR_CURVE_NOT_SUPPORTED:
    case CKR_DATA_INVALID:
    case CKR_DATA_LEN_RANGE:
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_MEMORY:
    case CKR_DEVICE_REMOVED:
    case CKR_FUNCTION_CANCELED:
    case CKR_FUNCTION_FAILED:
    case CKR_GENERAL_ERROR:
    case CKR_HOST_MEMORY:
    case CKR_KEY_SIZE_RANGE:
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
      return device_answer;
    case CKR_SESSION_COUNT:
    case CKR_TOKEN_RESOURCE_EXCEEDED:
      return CKR_DEVICE_MEMORY;
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
      return CKR_DEVICE_REMOVED;
    default:
      return CKR_DEVICE_ERROR;
  }
}

bool is_refusal_to_sign(CK_RV told) noexcept {
  switch (told) {
    case CKR_DATA_INVALID:
    case CKR_DATA_LEN_RANGE:
    case CKR_DEVICE_MEMORY:
    case CKR_KEY_SIZE_RANGE:
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
      return true;
    default:
      return false;
  }
}

}  // namespace mayfly
