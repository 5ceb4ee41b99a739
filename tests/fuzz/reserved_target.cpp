// pReserved: any text is either understood, and then the same however it is written, or refused.
#include "base/error.h"
#include "compose/start_options.h"
#include "config/config.h"
#include "fuzz/finding.h"

namespace mayfly::test {
namespace {

std::string quoted(const std::string& value) {
  const char quote = value.find('\'') == std::string::npos ? '\'' : '"';
  return quote + value + quote;
}

bool fits_quotes(const std::string& value) {
  return value.find('\'') == std::string::npos || value.find('"') == std::string::npos;
}

/// What was understood, written in the plainest way, must be understood as the same.
void check(const StartOptions& options) {
  if (!fits_quotes(options.task_id) || !fits_quotes(options.config_file) ||
      !fits_quotes(options.broker)) {
    return;
  }
  std::string text;
  if (options.broker.empty()) {
    text = "task=" + quoted(options.task_id) + "\tconf=" + quoted(options.config_file);
  } else {
    require(options.task_id.empty() && options.config_file.empty() && !options.ttl,
            "a client of a broker opens no task");
    text = "broker=" + quoted(options.broker);
  }
  if (options.ttl) {
    require(options.ttl->count() > 0, "a ttl is more than nothing");
    text += "\nttl=" + format_duration(*options.ttl);
  }
  const StartOptions again = StartOptions::read(text);
  require(again.task_id == options.task_id && again.config_file == options.config_file &&
              again.broker == options.broker && again.ttl == options.ttl,
          "options that are written out are read as the same");
}

void read(const std::string& text) {
  StartOptions options;
  try {
    options = StartOptions::read(text);
  } catch (const Error& error) {
    require(error.rv() == CKR_ARGUMENTS_BAD, "a bad pReserved is CKR_ARGUMENTS_BAD");
    return;
  }
  check(options);
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  static const bool clean =
      unsetenv("MAYFLY_TASK") == 0 && unsetenv("MAYFLY_TTL") == 0 && unsetenv("MAYFLY_SOCKET") == 0;
  test::require(clean, "the environment can be changed");
  const std::string text(as_text({data, size}));
  test::read(text.substr(0, text.find('\0')));  // it ends there for C_Initialize
  return 0;
}
