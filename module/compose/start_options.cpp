#include "compose/start_options.h"

#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "compose/grant_file.h"

namespace mayfly {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

[[noreturn]] void malformed(const std::string& why) {
  throw Error(CKR_ARGUMENTS_BAD,
              "pReserved: " + why +
                  "; it takes task=ID ttl=15m policy=NAME grant=FILE conf=FILE, or broker=SOCKET");
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

/// The words of pReserved, one behind the other.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  /// The next key and its value. False if there is none.
  bool next(std::string& key, std::string& value) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlanks), rest_.size()));
    if (rest_.empty()) return false;
    const std::size_t equals = rest_.find_first_of("= \t\r\n");
    if (equals == std::string_view::npos || rest_[equals] != '=') {
      malformed("a word is not of the form key=value");
    }
    key = rest_.substr(0, equals);
    rest_.remove_prefix(equals + 1);
    value = take_value(rest_);
    return true;
  }

 private:
  std::string_view rest_;
};

}  // namespace

StartOptions StartOptions::read(const std::string& reserved) {
  StartOptions options;
  options.task_id = environment("MAYFLY_TASK");
  options.policy = environment("MAYFLY_POLICY");
  options.grant_file = environment("MAYFLY_GRANT_FILE");
  if (const std::string ttl = environment("MAYFLY_TTL"); !ttl.empty()) options.ttl = read_ttl(ttl);

  bool own_task = false;  // whether pReserved says something of a task in this process
  std::string key;
  std::string value;
  for (Words words(reserved); words.next(key, value);) {
    own_task = own_task || key != "broker";
    if (key == "task") {
      options.task_id = value;
    } else if (key == "ttl") {
      options.ttl = read_ttl(value);
    } else if (key == "policy") {
      options.policy = value;
    } else if (key == "grant") {
      options.grant_file = value;
    } else if (key == "conf") {
      options.config_file = value;
    } else if (key == "broker") {
      options.broker = value;
    } else {
      malformed("the key " + key + " is not known");
    }
  }
  options.settle_broker(own_task);
  return options;
}

/// What pReserved says goes before the environment; what one of them says must not be both.
void StartOptions::settle_broker(bool own_task) {
  if (!broker.empty()) {
    if (own_task) malformed("broker= goes without the other keys, since the broker opens the task");
  } else if (!own_task) {
    broker = environment("MAYFLY_SOCKET");
    if (!broker.empty() && !task_id.empty()) {
      throw Error(
          CKR_ARGUMENTS_BAD,
          "MAYFLY_SOCKET names a broker's task and MAYFLY_TASK one to open in this process; "
          "unset one of them");
    }
  }
  if (broker.empty()) return;
  task_id.clear();
  ttl.reset();
  policy.clear();
  grant_file.clear();
}

TaskRequest StartOptions::task_request() const {
  TaskRequest request{task_id, ttl};
  if (grant_file.empty()) {
    request.grant_may_follow = true;
  } else {
    request.grant = read_grant(open_grant_file(grant_file), grant_file);
  }
  return request;
}

Config StartOptions::load_config() const {
  if (broker.empty()) return Config::load(Config::find(config_file));
  Config config;
  config.broker.socket = broker;
  if (const std::string name = environment("MAYFLY_LOG"); !name.empty()) {
    const auto level = log::find_level(name);
    if (!level) {
      throw Error(CKR_ARGUMENTS_BAD, "MAYFLY_LOG is none of " + std::string(log::kLevelNames));
    }
    config.log.level = *level;
  }
  return config;
}

}  // namespace mayfly
