// mayfly policy: what a task may do, and who says so.
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/joined.h"
#include "compose/library.h"
#include "compose/policies.h"
#include "core/offer.h"
#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

struct Options {
  std::string config_file;
  std::string policy;
  bool json = false;
};

/// One limit of a policy, as people read it.
struct Limit {
  const char* name;
  const char* elsewhere;  ///< the key outside [policy] that says it for all tasks; may be empty
  std::string (*show)(const TaskPolicy& policy);
};

/// A limit as it holds, and where that comes from.
struct Explained {
  std::string name;
  std::string value;
  std::vector<std::string> from;
};

std::string show_number(std::uint64_t value) {
  return value == TaskPolicy::kNoLimit ? "no limit" : std::to_string(value);
}

std::string show_flag(bool value) { return value ? "yes" : "no"; }

std::string show_list(const std::string& names) { return names.empty() ? "none" : names; }

template <typename Ids>
std::string show_ids(const char* what, const Ids& ids) {
  std::string text;
  for (const auto id : ids) text += (text.empty() ? what : ", ") + std::to_string(id);
  return text;
}

std::string show_openers(const TaskPolicy& policy) {
  std::string text;
  for (const PeerRule& rule : policy.openers) {
    const std::string users = show_ids("user ", rule.users);
    const std::string groups = show_ids("group ", rule.groups);
    text += (text.empty() ? "" : "; and ") + users +
            (users.empty() || groups.empty() ? "" : " or ") + groups;
  }
  return text.empty() ? "anybody" : text;
}

std::string show_mechanisms(const TaskPolicy& policy) {
  return show_list(names_of(policy.mechanisms));
}
std::string show_keys(const TaskPolicy& policy) { return show_list(names_of(policy.keys)); }

constexpr Limit kLimits[] = {
    {"mechanisms", "", show_mechanisms},
    {"keys", "", show_keys},
    {"max-keys", "", [](const TaskPolicy& p) { return show_number(p.max_keys); }},
    {"max-signatures", "", [](const TaskPolicy& p) { return show_number(p.max_signatures); }},
    {"max-rate", "", [](const TaskPolicy& p) { return show_number(p.max_rate); }},
    {"max-ttl", "task.max-ttl",
     [](const TaskPolicy& p) {
       return p.max_ttl == TaskPolicy().max_ttl ? "no limit" : format_duration(p.max_ttl);
     }},
    {"children", "", [](const TaskPolicy& p) { return show_number(p.max_depth); }},
    {"objects", "limits.objects", [](const TaskPolicy& p) { return show_number(p.max_objects); }},
    {"openers", "", show_openers},
    {"login-required", "login.required",
     [](const TaskPolicy& p) { return show_flag(p.login_required); }},
    {"grant-required", "", [](const TaskPolicy& p) { return show_flag(p.grant_required); }},
    {"usage", "",
     [](const TaskPolicy& p) { return std::string(p.strict_usage ? "strict" : "narrow"); }},
};

/// Where a limit comes from: whoever says just that, else all who have a part in it.
std::vector<std::string> places(const Limit& limit, const std::vector<PolicyLayer>& layers,
                                const std::string& value) {
  const std::string nothing = limit.show(TaskPolicy());
  std::vector<std::string> alone;
  std::vector<std::string> together;
  for (const PolicyLayer& layer : layers) {
    const std::string said = limit.show(layer.policy);
    if (said == nothing) continue;
    const bool outside = &layer == &layers.front();
    const std::string place = outside ? limit.elsewhere : layer.place;
    together.push_back(place);
    if (said == value) alone.push_back(place);
  }
  if (together.empty()) return {"default"};
  return alone.empty() ? together : alone;
}

/// What is left of the policy on a device.
TaskPolicy on_device(const TaskPolicy& policy, const Device& device) {
  const Offer offer(device, policy);
  TaskPolicy left = policy;
  left.mechanisms = {};
  left.keys = {};
  for (const Mechanism& row : known_mechanisms()) {
    if (row.use == MechanismUse::sign && offer.includes(row)) left.mechanisms.insert(row);
  }
  for (const KeySpec& kind : known_key_specs()) {
    if (offer.includes(kind)) left.keys.insert(kind);
  }
  return left;
}

std::vector<Explained> explain(const Config& config, const std::string& name) {
  std::vector<PolicyLayer> layers;
  try {
    layers = policy_layers(config, name);
  } catch (const Error& error) {
    throw Failure(kBadPolicy, error.what());
  }
  const TaskPolicy policy = joined(layers);
  set_device_environment(config.device.environment);
  const std::unique_ptr<Device> device = open_device(config);
  const TaskPolicy left = on_device(policy, *device);
  device->close();
  std::vector<Explained> result;
  for (const Limit& limit : kLimits) {
    const std::string wanted = limit.show(policy);
    const std::string value = limit.show(left);
    std::vector<std::string> from = places(limit, layers, wanted);
    if (value != wanted) {
      if (from.front() == "default") from.clear();
      from.emplace_back("device");
    }
    result.push_back({limit.name, value, std::move(from)});
  }
  return result;
}

void print_text(const std::vector<Explained>& limits) {
  for (const Explained& limit : limits) {
    std::cout << std::left << std::setw(16) << limit.name << limit.value << "  ("
              << joined(limit.from, ", ") << ")\n";
  }
}

void print_json(const std::string& policy, const std::vector<Explained>& limits) {
  nlohmann::json list = nlohmann::json::array();
  for (const Explained& limit : limits) {
    list.push_back({{"name", limit.name}, {"value", limit.value}, {"from", limit.from}});
  }
  const nlohmann::json name = policy.empty() ? nlohmann::json() : nlohmann::json(policy);
  std::cout << nlohmann::json({{"policy", name}, {"limits", list}}).dump(2) << '\n';
}

}  // namespace

void add_policy(CLI::App& app, int& status) {
  CLI::App* policy = app.add_subcommand("policy", "Tell what tasks may do");
  policy->require_subcommand(1);
  CLI::App* command =
      policy->add_subcommand("explain", "Tell what a task opened now may do, and who says so");
  const auto options = std::make_shared<Options>();
  add_config_option(*command, options->config_file);
  command->add_option("--policy", options->policy, "With this [policy.NAME] beside [policy]")
      ->type_name("NAME");
  command->add_flag("--json", options->json, "Print the result as JSON");
  command->callback([options, &status] {
    const auto limits = explain(load_configuration(options->config_file), options->policy);
    if (options->json) {
      print_json(options->policy, limits);
    } else {
      print_text(limits);
    }
    status = kOk;
  });
}

}  // namespace mayfly::tools
