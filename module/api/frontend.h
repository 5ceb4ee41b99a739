// What the C functions act on: the process's own instance of the module, or one connection of a
// broker.
#pragma once

#include <cstddef>
#include <string>

#include "base/pkcs11.h"
#include "core/application.h"

namespace mayfly::api {

/// What C_Initialize was given, checked and in our own words.
struct InitializeArguments {
  std::string reserved;  ///< the text that pReserved pointed to; empty if there was none
};

/// Frontend models one user of the C functions: it is initialised, has an Application, and is
/// finalised.
class Frontend {
 public:
  virtual ~Frontend() = default;
  Frontend() = default;
  Frontend(const Frontend&) = delete;
  Frontend& operator=(const Frontend&) = delete;

  /// C_Initialize. @throws Error CKR_CRYPTOKI_ALREADY_INITIALIZED and what opening a device gives.
  virtual void initialize(const InitializeArguments& arguments) = 0;
  /// C_Finalize. @throws Error CKR_CRYPTOKI_NOT_INITIALIZED; CKR_DEVICE_ERROR if the device still
  /// owes the destruction of a key (the frontend is finalised all the same).
  virtual void finalize() = 0;

  /// The application, kept alive by enter() until leave().
  /// @throws Error CKR_CRYPTOKI_NOT_INITIALIZED
  virtual Application& enter(std::size_t& token) = 0;
  virtual void leave(std::size_t token) noexcept = 0;

  /// Whether the caller sits in another process and its parameters came as bytes over a socket: a
  /// pointer inside of one is then the caller's number, not memory of ours.
  [[nodiscard]] virtual bool is_remote() const noexcept = 0;
};

/// The instance that serves this process. Never destroyed.
[[nodiscard]] Frontend& process_frontend() noexcept;

/// The frontend that calls of this thread act on: the one that was bound, else the process's.
[[nodiscard]] Frontend& current_frontend() noexcept;

/// Binds a frontend to this thread for as long as it lives: a broker's thread serves one
/// connection.
class BoundFrontend {
 public:
  explicit BoundFrontend(Frontend& frontend) noexcept;
  ~BoundFrontend();
  BoundFrontend(const BoundFrontend&) = delete;
  BoundFrontend& operator=(const BoundFrontend&) = delete;

 private:
  Frontend* previous_;
};

}  // namespace mayfly::api
