#include "fault/truthful_answers.h"

#include <algorithm>
#include <array>
#include <span>

namespace mayfly::test {
namespace {

// 5.1.1: every function.
constexpr CK_RV kUniversal[] = {CKR_GENERAL_ERROR, CKR_HOST_MEMORY, CKR_FUNCTION_FAILED};
// 5.1.3: functions that use a token.
constexpr CK_RV kToken[] = {CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY, CKR_DEVICE_REMOVED};
// 5.1.2 and 5.1.3, when the token has gone.
constexpr CK_RV kGone[] = {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_TOKEN_NOT_PRESENT,
                           CKR_SLOT_ID_INVALID};
// 5.13 and 5.14.
constexpr CK_RV kSigning[] = {CKR_FUNCTION_CANCELED, CKR_FUNCTION_REJECTED,
                              CKR_TOKEN_RESOURCE_EXCEEDED};
constexpr CK_RV kGenerating[] = {CKR_FUNCTION_CANCELED};

constexpr std::array<std::string_view, 3> kWithoutToken = {"C_Initialize", "C_Finalize",
                                                           "C_GetSlotList"};

bool is_in(std::span<const CK_RV> list, CK_RV rv) {
  return std::ranges::find(list, rv) != list.end();
}

}  // namespace

bool is_truthful_failure(std::string_view function, CK_RV rv, bool task_gone) {
  if (is_in(kUniversal, rv)) return true;
  if (std::ranges::find(kWithoutToken, function) != kWithoutToken.end()) return false;
  if (is_in(kToken, rv) || (task_gone && is_in(kGone, rv))) return true;
  if (function == "C_GenerateKeyPair") return is_in(kGenerating, rv);
  const bool signs = function == "C_Sign" || function == "C_SignFinal" ||
                     function == "C_SignMessage" || function == "C_SignMessageNext";
  return signs && is_in(kSigning, rv);
}

}  // namespace mayfly::test
