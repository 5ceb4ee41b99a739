// Which PostgreSQL server, and how to log in to it.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/secret.h"

namespace mayfly::postgres {

/// Server names one database.
struct Server {
  /// As libpq takes it: postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full
  std::string url;
  /// Reads the password each time that somebody logs in; empty for none.
  std::function<SecretBuffer()> fetch_password;
  /// How long a transaction may take, and with it how long the server is waited for.
  std::chrono::milliseconds patience{std::chrono::seconds(5)};
};

/// How messages name it: "PostgreSQL DATABASE at HOST".
/// @throws Error CKR_GENERAL_ERROR for what is no URL that libpq understands, and for one that
/// holds
///         a password.
[[nodiscard]] std::string describe(const Server& server);

}  // namespace mayfly::postgres
