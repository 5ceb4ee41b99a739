// Finding and reading objects on the device.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/pkcs11.h"

namespace mayfly::pkcs11 {

/// All objects that match.
/// @throws Error what the device answered, and CKR_DEVICE_ERROR if it finds no end. Never a part.
///         The session may then have the search stuck in it: it is to be closed.
[[nodiscard]] std::vector<CK_OBJECT_HANDLE> find_objects(CK_FUNCTION_LIST_PTR functions,
                                                         CK_SESSION_HANDLE session,
                                                         std::vector<CK_ATTRIBUTE> wanted);

/// How an object is named on the device.
struct ObjectName {
  std::string label;
  Bytes id;
};

/// The object's CKA_LABEL and CKA_ID. Nothing if it has none of up to 255 bytes, or was destroyed
/// meanwhile: then it is no object of mayfly's.
/// @throws Error what else the device answered.
[[nodiscard]] std::optional<ObjectName> read_name(CK_FUNCTION_LIST_PTR functions,
                                                  CK_SESSION_HANDLE session,
                                                  CK_OBJECT_HANDLE object);

}  // namespace mayfly::pkcs11
