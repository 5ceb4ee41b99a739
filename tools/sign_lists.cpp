// `mayfly status sign-lists`: signs status lists for `mayfly serve`, which has no issuer's key.
#include "tools/sign_lists.h"

#include <memory>
#include <optional>
#include <signal.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "credential/spiffe_id.h"
#include "credential/status/status_token.h"
#include "tools/broker/child_process.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/issuer_key.h"
#include "tools/serve/signing_process.h"

namespace mayfly::tools {
namespace {

// The broker asks at once for what it wants signed.
constexpr std::uint64_t kMostOld_s = 60;

struct SigningOptions {
  std::string config;
  int socket = -1;
  pid_t broker = -1;
};

/// Only a list of the configuration's name, of about now, and for no longer than such lists live.
std::string sign_list(const std::string& line, const Config& config, Issuer& issuer) {
  const serve::ListRequest request = serve::ListRequest::parse(line);
  const std::uint64_t now = unix_now_s();
  const auto ttl = static_cast<std::uint64_t>(config.status.ttl.count());
  if (request.issued_at + kMostOld_s < now || request.issued_at > now + kMostOld_s ||
      request.expires > request.issued_at + 2 * ttl) {
    throw Error(CKR_ARGUMENTS_BAD, "the list is not of now, or is to live too long");
  }
  credential::StatusToken token;
  token.issuer = credential::spiffe_id(config.issuer.trust_domain);
  token.uri = config.status.uri;
  token.issued_at = request.issued_at;
  token.expires = request.expires;
  token.ttl = config.status.ttl;
  token.list = request.list;
  return credential::issue_status_token(token, "", *issuer.key);
}

int run_sign_lists(const SigningOptions& options) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(signal, SIG_IGN);
  broker::follow_parent(options.broker, SIGKILL);
  broker::set_close_on_exec(options.socket, true);
  serve::LineSocket socket{Descriptor(options.socket)};
  const auto answer = [&](const std::string& line) {
    return socket.send(line, std::chrono::steady_clock::now() + std::chrono::seconds(60));
  };
  const auto complain = [&](const std::exception& error) {
    return answer(serve::kSigningFailed + printable_utf8(error.what()));
  };
  std::optional<Config> config;
  std::optional<Issuer> issuer;
  while (const auto line = socket.receive(serve::kMostSigningLine)) {
    try {
      if (!config) config = load_configuration(options.config);
      if (!issuer) issuer = open_issuer(*config);
      if (!answer(sign_list(*line, *config, *issuer))) break;
    } catch (const std::exception& error) {
      if (!complain(error)) break;
    }
  }
  return kOk;
}

}  // namespace

void add_sign_lists(CLI::App& command, int& status) {
  const auto options = std::make_shared<SigningOptions>();
  CLI::App* sign = command.add_subcommand(serve::kSigningCommand)->group("");
  sign->add_option("--socket", options->socket)->required();
  sign->add_option("--broker", options->broker)->required();
  add_config_option(*sign, options->config);
  sign->callback([options, &status] { status = run_sign_lists(*options); });
}

}  // namespace mayfly::tools
