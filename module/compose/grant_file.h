// Grants, and tickets for grants, in files.
#pragma once

#include <memory>
#include <string>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/secret.h"

namespace mayfly {

/// Opens a file that holds a grant or a ticket: whoever can read it can use it, so nobody but its
/// owner may.
/// @throws Error CKR_GENERAL_ERROR as open_guarded().
[[nodiscard]] Descriptor open_grant_file(const std::string& path);

/// What such a file holds, without the newline at its end.
/// @throws Error CKR_GENERAL_ERROR when it can't be read, CKR_PIN_INCORRECT when it is empty or
///         longer than any grant.
[[nodiscard]] std::shared_ptr<const SecretBuffer> read_grant(const Descriptor& file,
                                                             const std::string& path);

/// Whether an Error of an opening says that its grant was refused: there is no other PIN in it.
[[nodiscard]] bool refuses_grant(const Error& error) noexcept;

}  // namespace mayfly
