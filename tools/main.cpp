// The mayfly command.
#include <chrono>
#include <fcntl.h>
#include <iostream>
#include <unistd.h>

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
  add_reap(app, status);
#ifdef MAYFLY_WITH_RUN
  add_run(app, status);
#endif
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
  mayfly::tools::fill_standard_streams();
  try {
    return mayfly::tools::run(argc, argv);
  } catch (const std::exception& error) {
    return mayfly::tools::complain(error.what(), mayfly::tools::kInternal);
  }
}
