// Files that others read while they are written anew.
#pragma once

#include <string>

#include "base/bytes.h"

namespace mayfly {

/// Puts a file in the place of what is there, in one step: whoever reads it meets the old content
/// or the new one, whole, also after a crash. Anybody may read it (mode 0644).
/// @throws Error CKR_GENERAL_ERROR "PATH: what is wrong"; then what was there is there still.
void replace_file(const std::string& path, ByteView content);

}  // namespace mayfly
