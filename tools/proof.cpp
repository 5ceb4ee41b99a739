// `mayfly proof`: signatures by a task's key over one request.
#include <iostream>
#include <memory>

#include "base/clock.h"
#include "credential/proof/dpop.h"
#include "credential/proof/http_signature.h"
#include "credential/proof/target_uri.h"
#include "credential/proof/wpt.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/duration_option.h"
#include "tools/failure.h"
#include "tools/key_choice.h"
#include "tools/proof_request.h"
#include "tools/task_door.h"
#include "tools/task_token.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

using credential::ProofTime;

struct ProofOptions {
  std::string task;
  std::string key;
  std::string config;
  std::string valid_for = "60s";
  ProofRequestOptions request;
  std::string wit;       // wpt
  std::string audience;  // wpt
};

/// The PIN of the task's own token, where its configuration wants a login. The device's is never
/// touched.
std::optional<SecretBuffer> login_pin(const ProofOptions& options) {
  // An agent needs no configuration to sign within its task.
  if (options.task.empty() && options.config.empty()) return std::nullopt;
  const Config config = load_configuration(options.config);
  if (!config.login.pin_source) return std::nullopt;
  return config.login.pin_source->read();
}

/// Has a proof made by the task's key.
template <typename Make>
int run_proof(const ProofOptions& options, const Make& make) {
  const TaskToken token(find_task_door(options.task, options.config).path, login_pin(options));
  const TaskToken::Key key = token.find_key(options.key);
  const auto deadline = token.deadline_unix_s();
  if (!deadline) throw Failure(kRefused, "the task is over");
  const ProofTime time{unix_now_s(), *deadline, duration_option("--valid-for", options.valid_for)};
  const auto signer = token.signer(key);
  std::string text;
  try {
    text = make(time, *signer);
  } catch (const Error& error) {
    if (error.rv() != CKR_ARGUMENTS_BAD && error.rv() != CKR_KEY_TYPE_INCONSISTENT) throw;
    throw Failure(kUsage, error.what());
  }
  std::cout << text;
  return kOk;
}

int run_dpop(const ProofOptions& options) {
  options.request.require(true);
  const credential::DpopRequest request{options.request.method, options.request.url,
                                        options.request.read_access_token(), options.request.nonce};
  return run_proof(options, [&](const ProofTime& time, Signer& signer) {
    return make_dpop(request, time, signer) + "\n";
  });
}

int run_wpt(const ProofOptions& options) {
  options.request.require(false);
  std::string wit = read_whole_file(options.wit, 4 * credential::kMaxWitSize);
  if (wit.ends_with('\n')) wit.pop_back();
  const auto target = credential::parse_target_uri(options.request.url);
  const std::string audience =
      options.audience.empty() && target ? target->without_query() : options.audience;
  const credential::WptRequest request{audience, wit, options.request.read_access_token()};
  return run_proof(options, [&](const ProofTime& time, Signer& signer) {
    return make_wpt(request, time, signer) + "\n";
  });
}

int run_http(const ProofOptions& options) {
  options.request.require(true);
  credential::HttpMessage message = options.request.message();
  const Bytes body = options.request.read_body();
  if (!body.empty()) {
    const std::string digest = credential::content_digest(body);
    message.fields.emplace_back("Content-Digest", digest);
  }
  // What came of other options than --field is to be added to the request.
  std::string added;
  for (std::size_t i = options.request.fields.size(); i < message.fields.size(); ++i) {
    added += message.fields[i].first + ": " + message.fields[i].second + "\n";
  }
  return run_proof(options, [&](const ProofTime& time, Signer& signer) {
    const credential::HttpSignature made = sign_http(message, time, signer, options.request.nonce);
    return added + "Signature-Input: " + made.input + "\nSignature: " + made.signature + "\n";
  });
}

void add_key_options(CLI::App& command, ProofOptions& options) {
  add_task_key_options(command, options.task, options.key);
  command
      .add_option("--valid-for", options.valid_for,
                  "How long it holds at most (default: 60s, and "
                  "never longer)")
      ->type_name("TIME");
  add_config_option(command, options.config);
}

}  // namespace

void add_proof(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("proof", "Signatures by a task's key over one request");
  command->require_subcommand(1);
  command->footer(
      "Each goes to standard output and uses one signature of the task. None holds for longer "
      "than\n"
      "a minute, or after the task's deadline. docs/credentials.md tells what they say.");

  const auto dpop = std::make_shared<ProofOptions>();
  CLI::App* made = command->add_subcommand("dpop", "A DPoP proof (RFC 9449)");
  made->add_option("--method", dpop->request.method, "The request's method")
      ->required()
      ->type_name("METHOD");
  made->add_option("--url", dpop->request.url, "The request's absolute URI")
      ->required()
      ->type_name("URI");
  add_token_request_options(*made, dpop->request);
  made->add_option("--nonce", dpop->request.nonce, "The nonce that the server gave out")
      ->type_name("TEXT");
  add_key_options(*made, *dpop);
  made->callback([dpop, &status] { status = run_dpop(*dpop); });

  const auto wpt = std::make_shared<ProofOptions>();
  made = command->add_subcommand("wpt", "A workload proof token, to go with an identity token");
  made->add_option("--wit", wpt->wit, "The identity token, as it is sent")
      ->required()
      ->type_name("FILE");
  CLI::Option* url =
      made->add_option("--url", wpt->request.url, "The request's absolute URI, for aud");
  url->type_name("URI");
  made->add_option("--audience", wpt->audience, "Another aud than the URI")
      ->excludes(url)
      ->type_name("TEXT");
  add_token_request_options(*made, wpt->request);
  add_key_options(*made, *wpt);
  made->callback([wpt, &status] { status = run_wpt(*wpt); });

  const auto http = std::make_shared<ProofOptions>();
  made = command->add_subcommand("http", "An HTTP message signature (RFC 9421), as header fields");
  add_request_options(*made, http->request);
  add_key_options(*made, *http);
  made->callback([http, &status] { status = run_http(*http); });
}

}  // namespace mayfly::tools
