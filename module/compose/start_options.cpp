#include "compose/start_options.h"

#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "config/config.h"

namespace mayfly {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

[[noreturn]] void malformed(const std::string& why) {
  throw Error(CKR_ARGUMENTS_BAD, "pReserved: " + why + "; it takes task=ID ttl=15m conf=FILE");
}

/// Takes one value off the front of `text`: up to the next blank, or what stands in quotes.
std::string take_value(std::string_view& text) {
  if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
    const std::size_t end = text.find(text.front(), 1);
    if (end == std::string_view::npos) malformed("a quote is not closed");
    std::string value(text.substr(1, end - 1));
    text.remove_prefix(end + 1);
    if (!text.empty() && kBlanks.find(text.front()) == std::string_view::npos) {
      malformed("a quote ends in the middle of a word");
    }
    return value;
  }
  std::string value(text.substr(0, text.find_first_of(kBlanks)));
  text.remove_prefix(value.size());
  return value;
}

std::chrono::seconds read_ttl(const std::string& text) {
  const auto ttl = parse_duration(text);
  if (!ttl) {
    throw Error(CKR_ARGUMENTS_BAD, "the ttl is no length of time such as 90s, 15m or 24h");
  }
  return *ttl;
}

std::string environment(const char* name) {
  const char* value = secure_getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

StartOptions StartOptions::read(const std::string& reserved) {
  StartOptions options;
  options.task_id = environment("MAYFLY_TASK");
  if (const std::string ttl = environment("MAYFLY_TTL"); !ttl.empty()) options.ttl = read_ttl(ttl);

  std::string_view text = reserved;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    if (text.empty()) break;
    const std::size_t equals = text.find_first_of("= \t\r\n");
    if (equals == std::string_view::npos || text[equals] != '=') {
      malformed("a word is not of the form key=value");
    }
    const std::string key(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    std::string value = take_value(text);
    if (key == "task") {
      options.task_id = std::move(value);
    } else if (key == "ttl") {
      options.ttl = read_ttl(value);
    } else if (key == "conf") {
      options.config_file = std::move(value);
    } else {
      malformed("the key " + key + " is not known");
    }
  }
  return options;
}

}  // namespace mayfly
