// One signature, from the checks before it to the checks after it.
#pragma once

#include <cstdint>
#include <functional>

#include "core/operation.h"
#include "core/token.h"

namespace mayfly {

/// A signing operation, and the login under which it began.
struct Signing {
  SignatureOperation operation;
  std::uint64_t login_epoch;

  [[nodiscard]] Signing fresh() const { return {operation.fresh(), login_epoch}; }
};

/// Throws if whoever signs may not do so any more. Asked before a signature, and again before it is
/// given out.
using StillOpen = std::function<void()>;

/// The checks of C_SignInit, but for those of a session.
/// @throws Error CKR_USER_NOT_LOGGED_IN, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID,
///         CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED.
[[nodiscard]] Signing begin_signing(const Token& token, const MechanismChoice& choice,
                                    ObjectHandle key);

/// @throws Error CKR_USER_NOT_LOGGED_IN if the login under which it began has ended.
void check_login(const Token& token, const Signing& signing);

/// Makes the signature over `input`, which is what the operation's one_part() or all_parts() gave.
/// @param out  Has room for it, or gets nothing.
/// @return its size.
/// @throws Error as Task::permit_signature(), and what the device answers. The signature that uses
///         up the task's last permission is given out, and the task has ended then.
std::size_t make_signature(const Token& token, const StillOpen& still_open, const Signing& signing,
                           ByteView input, ByteSpan out);

/// A whole signing operation in one go, for an application that hashed by itself.
/// @param input  What Device::sign_input() says: the digest where the device takes digests.
/// @throws Error as begin_signing() and C_Sign; CKR_DATA_LEN_RANGE for an input that is no such
///         digest, or longer than a message may be.
std::size_t sign_prepared(const Token& token, const MechanismChoice& choice, ObjectHandle key,
                          ByteView input, ByteSpan out);

}  // namespace mayfly
