// Status lists, fetched from where a credential says that they are.
#pragma once

#include <chrono>
#include <string>

namespace mayfly::tools {

/// How a list is fetched.
struct StatusFetch {
  std::chrono::milliseconds time_limit{10'000};  ///< for all of it, redirects too
  std::string ca_file;  ///< PEM: whom TLS trusts; empty: whom this system trusts
};

/// Fetches a status list (draft-ietf-oauth-status-list, 8.1), of at most
/// credential::kMaxStatusTokenSize bytes. Only over https, or http from this machine itself;
/// redirects are followed on the same host, port and scheme, three at most. A proxy that the
/// environment names is used as curl(1) does, but for this machine itself.
/// @param uri  What a credential names whose signature holds.
/// @throws credential::Refused with Part::status_list: too_long; unreachable for everything else
///         that is not a list, with what went wrong.
[[nodiscard]] std::string fetch_status_list(const std::string& uri, const StatusFetch& how);

}  // namespace mayfly::tools
