// The process that signs status lists for the broker.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>

#include "credential/status/status_list.h"
#include "tools/serve/line_socket.h"

namespace mayfly::serve {

/// The second argument, behind "status", of a process that signs for a broker. Not for people.
inline constexpr const char* kSigningCommand = "sign-lists";

/// What such a process is asked to sign. All else that a list says is the configuration's.
struct ListRequest {
  std::uint64_t issued_at = 0;  ///< seconds since 1970
  std::uint64_t expires = 0;
  credential::StatusList list{0};

  /// One line.
  [[nodiscard]] std::string text() const;
  /// @throws Error CKR_DATA_INVALID for what text() does not give.
  [[nodiscard]] static ListRequest parse(std::string_view text);
};

/// The longest line of a request and of an answer. An answer that begins with kSigningFailed is a
/// sentence for people, any other one a list.
inline constexpr std::size_t kMostSigningLine = std::size_t{16} * 1024 * 1024;
inline constexpr char kSigningFailed = '!';

/// SigningProcess has status lists signed by the issuer's key in a process of its own: neither the
/// issuer's PIN nor its module ever enters the broker, and whoever were to take over the broker
/// could have status lists signed and nothing else. One thread at a time.
class SigningProcess {
 public:
  /// Starts nothing yet.
  /// @param config  The configuration file, absolute.
  explicit SigningProcess(std::filesystem::path config) : config_(std::move(config)) {}
  /// Ends the process.
  ~SigningProcess() { stop(); }
  SigningProcess(const SigningProcess&) = delete;
  SigningProcess& operator=(const SigningProcess&) = delete;

  /// A signed list. Starts the process if there is none; one that fails, or takes too long, is
  /// ended, and the next call starts another.
  /// @throws Error CKR_FUNCTION_FAILED, std::system_error
  [[nodiscard]] std::string sign(const ListRequest& request);

 private:
  void start();
  void stop() noexcept;

  const std::filesystem::path config_;
  LineSocket socket_;
  pid_t process_ = -1;
};

}  // namespace mayfly::serve
