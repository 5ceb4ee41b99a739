#include "tools/broker/worker_orders.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/json_reader.h"
#include "core/task_request.h"

namespace mayfly::broker {
namespace {

using nlohmann::json;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// A configuration has 256 KiB at most, each byte of which may take six in JSON.
constexpr std::size_t kMostOrders = std::size_t{2} * 1024 * 1024;
constexpr std::uint64_t kMostDescriptors = std::numeric_limits<int>::max();
constexpr std::uint64_t kMostSeconds = kMaxJsonNumber;
constexpr std::size_t kMostText = 1'024;
constexpr std::string_view kFormat = "mayfly-worker-orders";
constexpr std::uint64_t kVersion = 1;

template <typename Row, typename Set, typename Name>
json names_in(std::span<const Row> rows, const Set& set, Name&& name) {
  json names = json::array();
  for (const Row& row : rows) {
    if (set.contains(row)) names.push_back(name(row));
  }
  return names;
}

void put_limit(json& object, const char* member, std::uint64_t limit) {
  if (limit != TaskPolicy::kNoLimit) object[member] = limit;
}

json to_json(const TaskPolicy& policy) {
  json object = {
      {"strict_usage", policy.strict_usage},
      {"login_required", policy.login_required},
      {"grant_required", policy.grant_required},
      {"max_depth", policy.max_depth},
      {"mechanisms", names_in(known_mechanisms(), policy.mechanisms,
                              [](const Mechanism& row) { return std::string(row.name); })},
      {"keys", names_in(known_key_specs(), policy.keys,
                        [](const KeySpec& spec) { return to_string(spec); })}};
  put_limit(object, "max_objects", policy.max_objects);
  put_limit(object, "max_keys", policy.max_keys);
  put_limit(object, "max_signatures", policy.max_signatures);
  put_limit(object, "max_rate", policy.max_rate);
  if (policy.max_ttl != seconds::max()) object["max_ttl"] = policy.max_ttl.count();
  return object;
}

json to_json(const TaskPlan& plan) {
  const auto since_boot = plan.deadline.time_since_epoch();
  const auto whole = std::chrono::floor<seconds>(since_boot);
  return {{"id", plan.id},
          {"serial", plan.serial},
          {"deadline_s", whole.count()},
          {"deadline_ns", nanoseconds(since_boot - whole).count()},
          {"deadline_unix_s", plan.deadline_unix_s},
          {"agent", plan.origin.agent},
          {"approver", plan.origin.approver},
          {"grant_issuer", plan.origin.issuer},
          {"grant_id", plan.origin.grant_id},
          {"scope", plan.origin.scope},
          {"policy", to_json(plan.policy)}};
}

std::uint64_t read_limit(JsonObject& object, const char* member) {
  return object.has(member) ? object.number(member, kMaxJsonNumber) : TaskPolicy::kNoLimit;
}

/// The members of a list of names, each found by `find`.
template <typename Set, typename Find>
Set read_names(JsonObject& object, const char* member, Find&& find) {
  Set set;
  const json& list = object.at(member);
  if (!list.is_array()) object.refuse(member, "is no list");
  for (const json& name : list) {
    const auto row = name.is_string() ? find(name.get<std::string>()) : std::nullopt;
    if (!row) object.refuse(member, "names something unknown");
    set.insert(*row);
  }
  return set;
}

std::optional<Mechanism> find_row(const std::string& name) {
  for (const Mechanism& row : known_mechanisms()) {
    if (name == row.name) return row;
  }
  return std::nullopt;
}

TaskPolicy read_policy(JsonObject object) {
  TaskPolicy policy;
  policy.strict_usage = object.boolean("strict_usage");
  policy.login_required = object.boolean("login_required");
  policy.grant_required = object.boolean("grant_required");
  policy.max_depth = static_cast<unsigned>(object.number("max_depth", TaskPolicy::kMaxDepth));
  policy.mechanisms = read_names<MechanismSet>(object, "mechanisms", find_row);
  policy.keys = read_names<KeySpecSet>(object, "keys", find_key_spec);
  policy.max_objects = read_limit(object, "max_objects");
  policy.max_keys = read_limit(object, "max_keys");
  policy.max_signatures = read_limit(object, "max_signatures");
  policy.max_rate = read_limit(object, "max_rate");
  if (object.has("max_ttl")) policy.max_ttl = seconds(object.number("max_ttl", kMostSeconds));
  object.finish();
  return policy;
}

std::string read_text(JsonObject& object, const char* member, std::size_t most) {
  std::string text = object.text(member);
  if (text.size() > most) object.refuse(member, "is too long");
  return text;
}

TaskPlan read_plan(JsonObject object) {
  TaskPlan plan;
  plan.id = object.text("id");
  check_task_id(plan.id);
  plan.serial = object.printable_text("serial", 16);
  const auto whole = seconds(object.number("deadline_s", kMostSeconds / 1'000'000));
  plan.deadline =
      BootClock::time_point(whole + nanoseconds(object.number("deadline_ns", 999'999'999)));
  plan.deadline_unix_s = object.number("deadline_unix_s", kMostSeconds);
  plan.origin.agent = read_text(object, "agent", kMostText);
  plan.origin.approver = read_text(object, "approver", kMostText);
  plan.origin.issuer = read_text(object, "grant_issuer", kMostText);
  plan.origin.grant_id = read_text(object, "grant_id", kMostText);
  for (const json& one : object.at("scope")) {
    if (!one.is_string()) object.refuse("scope", "is no list of texts");
    plan.origin.scope.push_back(one.get<std::string>());
  }
  plan.policy = read_policy(object.object("policy"));
  object.finish();
  return plan;
}

int read_descriptor(JsonObject& object, const char* member) {
  return static_cast<int>(object.number(member, kMostDescriptors));
}

}  // namespace

std::string to_json(const WorkerOrders& orders) {
  json object = {{"format", kFormat},
                 {"version", kVersion},
                 {"config_file", orders.config_file},
                 {"config_text", orders.config_text},
                 {"plan", to_json(orders.plan)},
                 {"user", orders.user},
                 {"p11kit", orders.p11kit},
                 {"agents", orders.agents}};
  if (orders.first >= 0) {
    object["first"] = orders.first;
    object["first_is_p11kits"] = orders.first_is_p11kits;
  }
  return object.dump();
}

WorkerOrders parse_orders(const std::string& text) {
  const json parsed = parse_json(text, kMostOrders);
  JsonObject object(parsed, "orders");
  object.require_format(kFormat, kVersion);
  WorkerOrders orders;
  orders.config_file = object.text("config_file");
  orders.config_text = object.text("config_text");
  orders.plan = read_plan(object.object("plan"));
  orders.user = static_cast<uid_t>(object.number("user", std::numeric_limits<uid_t>::max()));
  orders.p11kit = read_descriptor(object, "p11kit");
  orders.agents = read_descriptor(object, "agents");
  if (object.has("first")) {
    orders.first = read_descriptor(object, "first");
    orders.first_is_p11kits = object.boolean("first_is_p11kits");
  }
  object.finish();
  return orders;
}

Descriptor make_orders_file(const std::string& text) {
  Descriptor file(memfd_create("mayfly-orders", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) throw std::system_error(errno, std::generic_category(), "memfd_create");
  const ssize_t written = pwrite(file.number(), text.data(), text.size(), 0);
  if (written != static_cast<ssize_t>(text.size()) ||
      fcntl(file.number(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
          0) {
    throw std::system_error(written < 0 ? errno : ENOSPC, std::generic_category(), "memfd");
  }
  return file;
}

std::string read_orders_file(const Descriptor& file) {
  struct stat status {};
  if (fstat(file.number(), &status) != 0 || status.st_size < 0 ||
      static_cast<std::size_t>(status.st_size) > kMostOrders) {
    throw Error(CKR_GENERAL_ERROR, "a worker's orders can't be read");
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  if (pread(file.number(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw Error(CKR_GENERAL_ERROR, "a worker's orders can't be read");
  }
  return text;
}

}  // namespace mayfly::broker
