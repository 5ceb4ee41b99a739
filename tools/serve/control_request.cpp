#include "tools/serve/control_request.h"

#include <array>
#include <limits>

#include "base/json_reader.h"

namespace mayfly::serve {
namespace {

using nlohmann::json;
using Kind = RevocationTarget::Kind;

constexpr std::string_view kFormat = "mayfly-control";
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kMostName = 255;  // a task's ID, an agent, a grant's issuer and jti
constexpr std::size_t kMostGrant = std::size_t{8} * 1024;
constexpr std::size_t kSerialDigits = 16;
constexpr std::uint64_t kMostTtl = std::uint64_t{10} * 366 * 86'400;

constexpr std::array<std::string_view, 5> kVerbs = {"open", "close", "list", "show", "revoke"};
constexpr std::array<std::string_view, 5> kKinds = {"serial", "task", "agent", "grant", "all"};
static_assert(static_cast<std::size_t>(Verb::revoke) + 1 == kVerbs.size());
static_assert(static_cast<std::size_t>(Kind::all) + 1 == kKinds.size());

/// The place of a text in a list of names.
template <std::size_t N>
std::size_t read_choice(JsonObject& object, const char* member,
                        const std::array<std::string_view, N>& names) {
  const std::string name = object.text(member);
  for (std::size_t i = 0; i < N; ++i) {
    if (names.at(i) == name) return i;
  }
  object.refuse(member, "is none that there is");
}

std::string read_serial(JsonObject& object, const char* member) {
  std::string serial = object.printable_text(member, kSerialDigits);
  if (serial.size() != kSerialDigits ||
      serial.find_first_not_of("0123456789abcdef") != std::string::npos) {
    object.refuse(member, "is no serial number of 16 hexadecimal digits");
  }
  return serial;
}

/// A task by its ID or its serial number.
void read_task(JsonObject& object, ControlRequest& request) {
  if (object.has("serial")) {
    request.serial = read_serial(object, "serial");
  } else {
    request.task = object.printable_text("task", kMostName);
  }
}

void read_opening(JsonObject& object, ControlRequest& request) {
  // Which IDs are good is for the task's rules to say, which answer in their own words.
  request.task = object.text("task");
  if (object.has("ttl")) request.ttl = std::chrono::seconds(object.number("ttl", kMostTtl));
  if (object.has("policy")) request.policy = object.printable_text("policy", kMostName);
  if (object.has("grant")) {
    std::string grant = object.printable_text("grant", kMostGrant);
    request.grant = std::make_shared<const SecretBuffer>(as_bytes(grant));
  }
  if (object.has("user")) {
    request.user = static_cast<uid_t>(object.number("user", std::numeric_limits<uid_t>::max() - 1));
  }
}

void read_revocation(JsonObject& object, ControlRequest& request) {
  request.target.kind = static_cast<Kind>(read_choice(object, "what", kKinds));
  switch (request.target.kind) {
    case Kind::serial:
      request.target.value = read_serial(object, "value");
      break;
    case Kind::all:
      break;
    case Kind::grant:
      if (object.has("issuer")) {
        request.target.grant_issuer = object.printable_text("issuer", kMostName);
      }
      [[fallthrough]];
    default:
      request.target.value = object.printable_text("value", kMostName);
  }
  request.reason = object.printable_text("reason", kMostReason);
}

}  // namespace

ControlRequest ControlRequest::parse(std::string_view text) {
  const json parsed = parse_json(text, kMostRequest);
  JsonObject object(parsed, "request");
  object.require_format(kFormat, kVersion);
  ControlRequest request;
  request.verb = static_cast<Verb>(read_choice(object, "do", kVerbs));
  switch (request.verb) {
    case Verb::open:
      read_opening(object, request);
      break;
    case Verb::close:
    case Verb::show:
      read_task(object, request);
      break;
    case Verb::list:
      request.ended_too = object.boolean("ended_too");
      request.after = object.number("after", kMaxJsonNumber);
      break;
    case Verb::revoke:
      read_revocation(object, request);
      break;
  }
  object.finish();
  return request;
}

std::string ControlRequest::text() const {
  json object = {{"format", kFormat},
                 {"version", kVersion},
                 {"do", kVerbs.at(static_cast<std::size_t>(verb))}};
  switch (verb) {
    case Verb::open:
      object["task"] = task;
      if (ttl) object["ttl"] = ttl->count();
      if (!policy.empty()) object["policy"] = policy;
      if (grant != nullptr) object["grant"] = as_text(grant->view());
      if (user) object["user"] = *user;
      break;
    case Verb::close:
    case Verb::show:
      object[serial.empty() ? "task" : "serial"] = serial.empty() ? task : serial;
      break;
    case Verb::list:
      object["ended_too"] = ended_too;
      object["after"] = after;
      break;
    case Verb::revoke:
      object["what"] = kKinds.at(static_cast<std::size_t>(target.kind));
      if (target.kind != Kind::all) object["value"] = target.value;
      if (!target.grant_issuer.empty()) object["issuer"] = target.grant_issuer;
      object["reason"] = reason;
      break;
  }
  // A text that is no UTF-8 can't be one of a task, which the other side then says.
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace mayfly::serve
