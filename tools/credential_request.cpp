#include "tools/credential_request.h"

#include <iostream>
#include <memory>

#include "credential/x509/pem.h"
#include "credential/x509/task_certificate.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/key_choice.h"
#include "tools/task_door.h"
#include "tools/task_token.h"

namespace mayfly::tools {
namespace {

struct RequestOptions {
  std::string task;
  std::string key;
  std::string trust_domain;
  std::string config;
};

int run_request(const RequestOptions& options) {
  std::string trust_domain = options.trust_domain;
  std::optional<SecretBuffer> pin;
  if (trust_domain.empty()) {
    const Config config = load_configuration(options.config);
    trust_domain = config.issuer.trust_domain;
    if (config.login.pin_source) pin = config.login.pin_source->read();
  }
  if (trust_domain.empty()) throw Failure(kUsage, "say in which --trust-domain the task is");
  const TaskToken token(find_task_door(options.task, options.config).path, std::move(pin));
  const auto signer = token.signer(token.find_key(options.key));
  std::cout << x509::to_pem("CERTIFICATE REQUEST", x509::make_request(trust_domain, token.task_id(),
                                                                      token.serial(), *signer));
  return kOk;
}

}  // namespace

void add_credential_request(CLI::App& credential, int& status) {
  const auto options = std::make_shared<RequestOptions>();
  CLI::App* command = credential.add_subcommand(
      "request", "Print a certification request (PKCS #10) signed by a task's key");
  command->footer(
      "For a CA that is not mayfly's. See that it signs for no longer than the task may live: "
      "what\n"
      "it signs is not bound to the deadline, only useless without the key.");
  add_task_key_options(*command, options->task, options->key);
  command
      ->add_option("--trust-domain", options->trust_domain,
                   "The trust domain (default: issuer.trust-domain)")
      ->type_name("NAME");
  add_config_option(*command, options->config);
  command->callback([options, &status] { status = run_request(*options); });
}

}  // namespace mayfly::tools
