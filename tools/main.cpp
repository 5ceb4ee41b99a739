// The mayfly command.
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <iostream>
#include <sys/prctl.h>
#include <system_error>
#include <unistd.h>

#include "base/safeguard.h"
#include "base/write_line.h"
#include "tools/commands.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

/// Whoever starts us with standard streams closed must not find our files in their place: what is
/// printed would go into them.
void fill_standard_streams() {
  int descriptor = 0;
  do {
    descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
  } while (descriptor >= STDIN_FILENO && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) close(descriptor);
}

// A run ends though nobody reads what it says.
constexpr std::chrono::seconds kPatience{2};

/// Nobody of the same user can read the memory of these processes, open what they have open, or
/// make them do something: to nearly each command comes a PIN, a grant or a key. A program that is
/// started can be read until it says so.
void harden() {
  if (!kept(Safeguard::undumpable)) return;
  if (prctl(PR_SET_DUMPABLE, 0) != 0) {
    throw std::system_error(errno, std::generic_category(), "core dumps can't be switched off");
  }
}

int complain(const std::string& message, int status) {
  write_line(STDERR_FILENO, "mayfly: " + message, kPatience);
  return status;
}

int run(int argc, char** argv) {
  CLI::App app("PKCS#11 keys that live exactly as long as the task they were made for.", "mayfly");
  app.set_version_flag("--version", "mayfly " MAYFLY_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print this help");
  app.get_formatter()->column_width(34);
  app.require_subcommand(1);
  app.footer(
      "Start with `mayfly init`, check with `mayfly doctor`.\n"
      "`mayfly SUBCOMMAND --help` tells more about each.");
  int status = kOk;
  add_init(app, status);
  add_doctor(app, status);
  add_policy(app, status);
  add_reap(app, status);
  add_registry(app, status);
  add_attest(app, status);
  add_grant(app, status);
  add_issuer(app, status);
  add_credential(app, status);
  add_proof(app, status);
  add_token(app, status);
  add_status(app, status);
  add_audit(app, status);
  add_run(app, status);
  add_bench(app, status);
  add_drill(app, status);
  add_serve(app, status);
  add_open(app, status);
  add_close(app, status);
  add_list(app, status);
  add_show(app, status);
  add_revoke(app, status);
  add_completion(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  } catch (const Failure& failure) {
    return complain(failure.what(), failure.status());
  } catch (const Error& error) {
    return complain(error.what(), status_of(error));
  }
  if (!std::cout.flush()) return complain("the output can't be written", kCannotWrite);
  return status;
}

}  // namespace
}  // namespace mayfly::tools

int main(int argc, char** argv) {
  try {
    mayfly::tools::harden();
    mayfly::tools::fill_standard_streams();
    return mayfly::tools::run(argc, argv);
  } catch (const std::exception& error) {
    return mayfly::tools::complain(error.what(), mayfly::tools::kInternal);
  }
}
