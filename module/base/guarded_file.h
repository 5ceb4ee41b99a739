// Opening files that nobody else may tamper with, or read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/descriptor.h"

namespace mayfly {

/// What others than the owner may do with a file.
enum class Exposure {
  readable,  ///< they may read it, not write it
  secret,    ///< nothing
  granted,   ///< the group may read it: so systemd leaves a credential, where the group's bits are
             ///< the mask of an access list that names the service's user
};

/// Opens a regular file for reading and checks the open descriptor, so that nothing can be swapped
/// between the check and the use. Symbolic links are followed; the file they lead to is checked.
/// @throws Error CKR_GENERAL_ERROR "PATH: what is wrong; how to mend it" when it can't be opened,
/// is
///         no regular file, belongs to a user other than root and this process's, or is more
///         exposed than allowed.
[[nodiscard]] Descriptor open_guarded(const std::string& path, Exposure allowed);

/// All of a file that open_guarded() opened, waiting ten seconds at most.
/// @param most  The longest that such a file can be, in bytes.
/// @throws Error CKR_GENERAL_ERROR "PATH: what is wrong" when it can't be read or is longer.
[[nodiscard]] std::string read_guarded(const Descriptor& file, const std::string& path,
                                       std::size_t most);

/// The text as one word of a shell's command line, for messages that say what to run.
[[nodiscard]] std::string shell_word(std::string_view text);

}  // namespace mayfly
