// How every C function is built: one guard that no exception passes, and the rules for arguments.
#pragma once

#include <cstring>
#include <utility>

#include <climits>

#include "api/frontend.h"
#include "base/error.h"
#include "base/mechanism.h"
#include "core/attributes.h"

namespace mayfly::api {

/// The frontend of this thread, entered for the length of one call.
class Entry {
 public:
  /// @throws Error CKR_CRYPTOKI_NOT_INITIALIZED
  Entry() : frontend_(current_frontend()), application_(frontend_.enter(token_)) {}
  ~Entry() { frontend_.leave(token_); }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  [[nodiscard]] Application& application() const noexcept { return application_; }
  [[nodiscard]] TaskTable& tasks() const noexcept { return application_.tasks(); }
  [[nodiscard]] bool is_remote() const noexcept { return frontend_.is_remote(); }

 private:
  std::size_t token_ = 0;
  Frontend& frontend_;
  Application& application_;
};

/// Logs why a call was refused, unless the answer is a normal part of asking.
void log_refusal(const char* function, const Error& error) noexcept;
/// The answer to an exception that is no Error, logged.
[[nodiscard]] CK_RV foreign_exception(const char* function) noexcept;

/// Runs `body` and turns what it throws into a CK_RV. The one place where exceptions end.
template <typename Body>
CK_RV guard(const char* function, Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    log_refusal(function, error);
    return error.rv();
  } catch (...) {
    return foreign_exception(function);
  }
}

/// A function that needs an initialised module. Tasks whose deadline has come, or that were revoked,
/// end first.
template <typename Body>
CK_RV call(const char* function, Body&& body) noexcept {
  return guard(function, [&] {
    const Entry entry;
    const auto now = BootClock::now();
    entry.tasks().end_due(now);
    entry.tasks().obey_due_orders(now);
    return body(entry);
  });
}

/// A function that needs an open session.
template <typename Body>
CK_RV with_session(const char* function, CK_SESSION_HANDLE handle, Body&& body) noexcept {
  return call(function, [&](const Entry& entry) {
    return body(*entry.application().session(SessionHandle{handle}));
  });
}

/// For functions that end an operation on every error but a too small buffer: ends it then.
template <typename Body>
CK_RV ending(Session& session, CK_FLAGS operation, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.rv() != CKR_BUFFER_TOO_SMALL) session.cancel(operation);
    throw;
  }
}

/// For functions that end a message, but not the operation, on every error but a too small buffer.
template <typename Body>
CK_RV ending_message(Session& session, CK_FLAGS operation, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.rv() != CKR_BUFFER_TOO_SMALL) session.cancel_message(operation);
    throw;
  }
}

/// A pointer that must not be NULL. @throws Error CKR_ARGUMENTS_BAD
template <typename T>
T& required(T* pointer, const char* name) {
  if (pointer == nullptr) throw Error(CKR_ARGUMENTS_BAD, std::string(name) + " is NULL");
  return *pointer;
}

/// Bytes that a caller gives. NULL goes with length 0 only. @throws Error CKR_ARGUMENTS_BAD
[[nodiscard]] inline ByteView in(const void* data, CK_ULONG size) {
  if (data == nullptr && size != 0) throw Error(CKR_ARGUMENTS_BAD, "NULL with a length");
  if (size > LONG_MAX) throw Error(CKR_ARGUMENTS_BAD, "a length that no memory has");
  return {static_cast<const std::uint8_t*>(data), size};
}

/// The convention for functions that give bytes back (PKCS#11 3.0, 5.2): without a buffer the
/// needed size is told; with one that is too small as well, with CKR_BUFFER_TOO_SMALL; else
/// `produce` fills it and says how much it wrote.
template <typename Produce>
CK_RV out(CK_BYTE* buffer, CK_ULONG* size, std::size_t needed, Produce&& produce) {
  CK_ULONG& length = required(size, "the length");
  if (buffer == nullptr) {
    length = needed;
    return CKR_OK;
  }
  if (length < needed) {
    length = needed;
    return CKR_BUFFER_TOO_SMALL;
  }
  length = produce(ByteSpan(buffer, needed));
  return CKR_OK;
}

/// A template of attributes, copied. Each value is taken as bytes: pointers inside of one (array
/// attributes) are never followed.
/// @throws Error CKR_ARGUMENTS_BAD, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT (two
///         values for one type).
[[nodiscard]] Attributes read_template(const CK_ATTRIBUTE* attributes, CK_ULONG count);

/// A mechanism with its parameter.
/// @throws Error CKR_ARGUMENTS_BAD for NULL, CKR_MECHANISM_PARAM_INVALID.
[[nodiscard]] MechanismChoice read_mechanism(const CK_MECHANISM* mechanism, bool is_remote);

/// The parameter of a single message (PKCS#11 3.0, 5.14): no mechanism offered here has one.
/// @throws Error CKR_ARGUMENTS_BAD
void refuse_message_parameter(const void* parameter, CK_ULONG size);

}  // namespace mayfly::api
