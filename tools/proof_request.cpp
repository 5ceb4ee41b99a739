#include "tools/proof_request.h"

#include <algorithm>
#include <string_view>

#include "credential/proof/target_uri.h"
#include "tools/failure.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

constexpr std::size_t kMaxAccessToken = 64 * 1024;
constexpr std::size_t kMaxBody = 64 * 1024 * 1024;

/// Nothing but characters that are seen: no line break, and no space at its ends.
bool is_sent_in_a_field(std::string_view token) {
  return std::ranges::all_of(token, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

void ProofRequestOptions::require(bool needs_request) const {
  if (!url.empty() && !credential::parse_target_uri(url)) {
    throw Failure(kUsage, "--url wants an absolute http or https URI");
  }
  if (!method.empty() && !credential::is_http_method(method)) {
    throw Failure(kUsage, "--method wants a method as HTTP has them, such as GET");
  }
  if (needs_request && (url.empty() || method.empty())) {
    throw Failure(kUsage, "say for which request: --method METHOD --url URI");
  }
}

std::string ProofRequestOptions::read_access_token() const {
  if (access_token.empty()) return {};
  std::string text = read_whole_file(access_token, kMaxAccessToken);
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.empty()) throw Failure(kNoInput, access_token + " holds no token");
  return text;
}

Bytes ProofRequestOptions::read_body() const {
  if (body.empty()) return {};
  const std::string content = read_whole_file(body, kMaxBody);
  return to_bytes(as_bytes(content));
}

credential::HttpMessage ProofRequestOptions::message() const {
  credential::HttpMessage message{method, url, {}};
  for (const std::string& field : fields) {
    const std::size_t colon = field.find(':');
    if (colon == field.npos || !credential::is_http_token(field.substr(0, colon)) ||
        field.find_first_of("\r\n") != field.npos) {
      throw Failure(kUsage, "--field wants a field as HTTP has them: 'Name: value'");
    }
    message.fields.emplace_back(field.substr(0, colon), field.substr(colon + 1));
  }
  const std::string token = read_access_token();
  if (token.empty()) return message;
  if (!credential::is_http_token(scheme)) {
    throw Failure(kUsage, "--scheme wants a scheme as HTTP has them, such as Bearer");
  }
  if (!is_sent_in_a_field(token)) {
    throw Failure(kUsage, access_token + " holds no token that a header field can carry");
  }
  if (component_value(message, "authorization")) {
    throw Failure(kUsage, "--access-token makes the field Authorization: leave out the other one");
  }
  message.fields.emplace_back("Authorization", scheme + " " + token);
  return message;
}

void add_token_request_options(CLI::App& command, ProofRequestOptions& options) {
  command.add_option("--access-token", options.access_token, "The access token that comes along")
      ->type_name("FILE");
}

void add_request_options(CLI::App& command, ProofRequestOptions& options) {
  command.add_option("--method", options.method, "The request's method")->type_name("METHOD");
  command.add_option("--url", options.url, "The request's absolute URI")->type_name("URI");
  command
      .add_option("--field", options.fields,
                  "A header field that a message signature covers, 'Name: value'; may be repeated")
      ->allow_extra_args(false)
      ->type_name("FIELD");
  command.add_option("--body", options.body, "The request's body")->type_name("FILE");
  add_token_request_options(command, options);
  command
      .add_option("--scheme", options.scheme,
                  "What Authorization calls the access token (default: Bearer)")
      ->type_name("NAME");
  command.add_option("--nonce", options.nonce, "The nonce that the server gave out")
      ->type_name("TEXT");
}

}  // namespace mayfly::tools
