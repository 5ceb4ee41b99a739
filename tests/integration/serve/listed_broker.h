// A broker that keeps a status list.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "credential/status/status_token.h"
#include "integration/serve/served_broker.h"

namespace mayfly::test {

/// ListedHome models a machine with an issuer, set up for a broker that keeps a status list.
class ListedHome : public BrokerHome {
 public:
  static constexpr const char* kUri = "https://status.example/1";

  /// @param more  Lines of the table [status].
  /// @param uri   What credentials call the list.
  explicit ListedHome(const std::string& more = "", const std::string& uri = kUri);

  [[nodiscard]] std::filesystem::path list_folder() const { return folder() / "status"; }
  [[nodiscard]] std::filesystem::path list_file() const { return list_folder() / "status.jwt"; }

  /// Runs a subcommand of mayfly's with this configuration.
  [[nodiscard]] Outcome mayfly(std::vector<std::string> arguments) const;

  /// The list that is there now; its signature must hold.
  [[nodiscard]] credential::StatusToken list() const;
  /// What others believe of a place, with a list or without one.
  [[nodiscard]] bool seems_alive(std::uint64_t place) const;
  /// How many keys the key set has.
  [[nodiscard]] std::size_t published_keys() const;

 private:
  std::vector<credential::PublishedKey> keys_;
};

}  // namespace mayfly::test
