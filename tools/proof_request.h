// The HTTP request that a proof is for, on the command line.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/bytes.h"
#include "credential/proof/http_message.h"

namespace mayfly::tools {

/// What options say of a request.
struct ProofRequestOptions {
  std::string method;
  std::string url;
  std::vector<std::string> fields;  ///< "Name: value"
  std::string body;                 ///< a file
  std::string access_token;         ///< a file: tokens are no arguments, which others can see
  std::string scheme = "Bearer";    ///< what the token is called in Authorization
  std::string nonce;

  /// @throws Failure kUsage without what the proof needs of method and URL.
  void require(bool needs_request) const;
  /// The token that comes along, empty for none. @throws Failure.
  [[nodiscard]] std::string read_access_token() const;
  /// Empty for none. @throws Failure.
  [[nodiscard]] Bytes read_body() const;
  /// With the field Authorization if a token comes along.
  /// @throws Failure kUsage for a field that is none, or another Authorization beside the token.
  [[nodiscard]] credential::HttpMessage message() const;
};

/// Adds --access-token.
void add_token_request_options(CLI::App& command, ProofRequestOptions& options);

/// Adds --method, --url, --field, --body, --access-token, --scheme and --nonce.
void add_request_options(CLI::App& command, ProofRequestOptions& options);

}  // namespace mayfly::tools
