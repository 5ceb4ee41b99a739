#include "config/config.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

#include "base/error.h"
#include "base/guarded_file.h"
#include "base/utf8.h"
#include "config/keys.h"
#include "config/suggestion.h"
#include "config/toml_guard.h"
#include "config/value.h"

namespace mayfly {
namespace {

constexpr std::string_view kPolicy = "policy";
constexpr std::size_t kMaxFileSize = 256 * 1024;

toml::table parse_toml(const std::string& text, const std::filesystem::path& file) {
  if (const auto obstacle = find_toml_obstacle(text)) {
    fail_at(file, obstacle->line, obstacle->problem);
  }
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    fail_at(file, error.source().begin.line,
            "is no valid TOML: " + printable_utf8(error.description()) +
                "; mend this line or the one before it");
  } catch (const std::logic_error&) {
    throw Error(CKR_GENERAL_ERROR, file.string() +
                                       ": is no valid TOML, in a way that its reader has no words "
                                       "for; look for a [ or a = that is out of place");
  }
}

/// What the file says, not yet understood.
struct Entry {
  const ConfigKey* key;
  const toml::node* node;
  std::string policy;  ///< the NAME of the [policy.NAME] that it stands in, else empty

  [[nodiscard]] std::string full_name() const {
    return policy.empty() ? key->full_name() : "policy." + policy + "." + std::string(key->name);
  }

  [[nodiscard]] std::size_t line() const noexcept { return node->source().begin.line; }
};

/// Turns a parsed file into a Config. Errors are reported in the order of the lines.
class Loader {
 public:
  explicit Loader(const std::filesystem::path& file) : file_(file) { config_.file = file; }

  Config load(const toml::table& root) {
    collect(root);
    for (const Entry& entry : entries_) {
      const Value value(*entry.node, entry.full_name(), file_);
      if (entry.policy.empty()) {
        entry.key->set(config_, value);
      } else {
        set_named(entry, value);
      }
    }
    if (config_.broker.socket.empty()) {
      check_device();
      check_required(root);
    } else {
      check_alone();
    }
    check_ttl();
    check_login();
    check_registry();
    check_grants();
    check_approval();
    check_issuer();
    check_status();
    return std::move(config_);
  }

 private:
  void collect(const toml::table& root);
  void collect_table(const ConfigTable& table, const toml::node& node);
  void collect_policy(std::string_view name, const toml::node& node);
  void set_named(const Entry& entry, const Value& value);
  [[noreturn]] void refuse_unknown(std::string_view table, std::string_view name,
                                   const toml::node& node) const;
  void check_device() const;
  void check_required(const toml::table& root) const;
  void check_alone() const;
  void check_ttl() const;
  void check_login() const;
  void check_registry() const;
  void check_grants() const;
  void check_approval() const;
  void check_issuer() const;
  void check_status() const;
  [[nodiscard]] const Entry* find(std::string_view full_name) const;

  const std::filesystem::path& file_;
  Config config_;
  std::vector<Entry> entries_;
};

bool is_policy_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

const ConfigTable* find_table(std::string_view name) noexcept {
  for (const ConfigTable& table : config_tables()) {
    if (table.name == name) return &table;
  }
  return nullptr;
}

const ConfigKey* find_key(std::string_view table, std::string_view name) noexcept {
  for (const ConfigKey& key : config_keys()) {
    if (key.table == table && key.name == name) return &key;
  }
  return nullptr;
}

void Loader::collect(const toml::table& root) {
  for (const auto& [name, node] : root) {
    const ConfigTable* table = find_table(name.str());
    if (table == nullptr) refuse_unknown("", name.str(), node);
    collect_table(*table, node);
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.line() < b.line(); });
}

void Loader::collect_table(const ConfigTable& table, const toml::node& node) {
  const std::string name(table.name);
  if (!node.is_table()) {
    fail_at(file_, node.source().begin.line,
            name + " must be one table; write [" + name + "] and its keys below it");
  }
  for (const auto& [key_name, value] : *node.as_table()) {
    const ConfigKey* key = find_key(table.name, key_name.str());
    if (key == nullptr && table.name == kPolicy && value.is_table()) {
      collect_policy(key_name.str(), value);
      continue;
    }
    if (key == nullptr) refuse_unknown(table.name, key_name.str(), value);
    entries_.push_back({key, &value, ""});
  }
}

void Loader::collect_policy(std::string_view name, const toml::node& node) {
  if (!is_policy_name(name)) {
    fail_at(file_, node.source().begin.line,
            "policy." + printable(name) +
                " is no name of a policy; use 1 to 64 letters, digits, - and _");
  }
  config_.named_policies.try_emplace(std::string(name));
  for (const auto& [key_name, value] : *node.as_table()) {
    const ConfigKey* key = find_key(kPolicy, key_name.str());
    if (key == nullptr) refuse_unknown(kPolicy, key_name.str(), value);
    entries_.push_back({key, &value, std::string(name)});
  }
}

/// The rows of the table of keys set [policy]; what they set is put where it belongs.
void Loader::set_named(const Entry& entry, const Value& value) {
  PolicyConfig& named = config_.named_policies[entry.policy];
  std::swap(config_.policy, named);
  entry.key->set(config_, value);
  std::swap(config_.policy, named);
}

std::string keys_of(std::string_view table) {
  std::string list;
  for (const ConfigKey& key : config_keys()) {
    if (key.table == table) list += (list.empty() ? "" : ", ") + std::string(key.name);
  }
  return list;
}

std::string names_of_tables() {
  std::string list;
  for (const ConfigTable& table : config_tables()) {
    list += (list.empty() ? "[" : ", [") + std::string(table.name) + "]";
  }
  return list;
}

/// The known table or key that was most likely meant; empty if none is near.
std::string nearest(std::string_view table, std::string_view name) {
  std::string best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  const auto offer = [&](std::size_t distance, const std::string& text) {
    if (distance < best_distance && is_likely_slip(name, distance)) {
      best = text;
      best_distance = distance;
    }
  };
  if (table.empty()) {
    for (const ConfigTable& known : config_tables()) {
      offer(edit_distance(name, known.name), "[" + std::string(known.name) + "]");
    }
  }
  for (const ConfigKey& known : config_keys()) {
    // A key in the wrong table is a slip as well.
    offer(edit_distance(name, known.name) + (known.table == table ? 0 : 1), known.full_name());
  }
  return best;
}

void Loader::refuse_unknown(std::string_view table, std::string_view name,
                            const toml::node& node) const {
  const bool in_table = !table.empty();
  const std::string full = (in_table ? std::string(table) + "." : "") + printable(name);
  const std::string kind = in_table || !node.is_table() ? "unknown key " : "unknown table ";
  const std::string near = nearest(table, printable(name));
  std::string hint;
  if (!near.empty()) {
    hint = "did you mean " + near + "?";
  } else if (in_table) {
    hint = "the keys of [" + std::string(table) + "] are " + keys_of(table);
  } else {
    hint = "the tables are " + names_of_tables();
  }
  fail_at(file_, node.source().begin.line, kind + full + "; " + hint);
}

const Entry* Loader::find(std::string_view full_name) const {
  for (const Entry& entry : entries_) {
    if (entry.full_name() == full_name) return &entry;
  }
  return nullptr;
}

void Loader::check_device() const {
  for (const Entry& entry : entries_) {
    if (entry.key->is_for(config_.device.type)) continue;
    const std::string wanted = entry.key->device == KeyFor::tpm ? "tpm" : "pkcs11";
    fail_at(file_, entry.line(),
            entry.key->full_name() + " is for device.type = \"" + wanted +
                "\" only; leave it out, or set type = \"" + wanted + "\" under [device]");
  }
}

void Loader::check_required(const toml::table& root) const {
  for (const ConfigKey& key : config_keys()) {
    if (!key.required || !key.is_for(config_.device.type) || find(key.full_name()) != nullptr)
      continue;
    const toml::node* table = root.get(key.table);
    fail_at(file_, table == nullptr ? 1 : table->source().begin.line,
            key.full_name() + " is missing; add a line such as " + std::string(key.name) + " = " +
                std::string(key.example) + " under [" + std::string(key.table) + "]");
  }
}

/// A client of a broker has no say in what the broker's configuration says.
void Loader::check_alone() const {
  for (const Entry& entry : entries_) {
    const std::string name = entry.full_name();
    if (entry.key->table == "log" || name == "broker.socket") continue;
    fail_at(file_, entry.line(),
            name +
                " has no meaning beside broker.socket, where the broker's configuration holds; "
                "take one of the two out");
  }
}

void Loader::check_ttl() const {
  if (config_.task.ttl <= config_.task.max_ttl) return;
  const Entry* ttl = find("task.ttl");
  const Entry* max_ttl = find("task.max-ttl");
  const Entry* blamed = ttl != nullptr ? ttl : max_ttl;
  fail_at(file_, blamed == nullptr ? 1 : blamed->line(),
          "task.ttl (" + format_duration(config_.task.ttl) + (ttl == nullptr ? " unless set" : "") +
              ") is longer than task.max-ttl (" + format_duration(config_.task.max_ttl) +
              (max_ttl == nullptr ? " unless set" : "") +
              "); shorten the one or lengthen the other");
}

void Loader::check_login() const {
  if (!config_.asks_for_login() || config_.login.pin_source) return;
  for (const Entry& entry : entries_) {
    const bool asks = entry.full_name() == "login.required" || entry.key->name == "login-required";
    if (!asks || !Value(*entry.node, entry.full_name(), file_).boolean()) continue;
    fail_at(file_, entry.line(),
            entry.full_name() +
                " is true, but login.pin-source is missing; add pin-source = \"file:PATH\" under "
                "[login]");
  }
}

void Loader::check_registry() const {
  static constexpr std::chrono::hours kShortestMemory(24);
  if (config_.registry.keep < kShortestMemory) {
    fail_at(file_, find("registry.keep")->line(),
            "registry.keep is " + format_duration(config_.registry.keep) +
                ", too short to look into what went wrong; choose 1d or more");
  }
  const Entry* url = find("registry.url");
  const Entry* password = find("registry.password-source");
  if (url != nullptr && find("registry.file") != nullptr) {
    fail_at(file_, url->line(),
            "registry.url stands beside registry.file, but there is one registry; take one of the "
            "two out");
  }
  if (url == nullptr && password != nullptr) {
    fail_at(file_, password->line(),
            "registry.password-source is for registry.url, which is missing; add it, or leave the "
            "password-source out");
  }
  if (!config_.device.stored_keys || config_.registry.is_there()) return;
  const Entry* keys = find("device.keys");
  fail_at(file_, keys == nullptr ? 1 : keys->line(),
          "device.keys is \"stored\", but registry.file is missing; add file = "
          "\"/var/lib/mayfly/registry.db\" under [registry]");
}

void Loader::check_grants() const {
  static constexpr std::chrono::minutes kMostSkew(5);
  const GrantsConfig& grants = config_.grants;
  if (grants.clock_skew > kMostSkew) {
    const Entry* skew = find("grants.clock-skew");
    fail_at(file_, skew == nullptr ? 1 : skew->line(),
            "grants.clock-skew is " + format_duration(grants.clock_skew) +
                ", by which every grant would live longer; choose 5m at most, and set the clocks");
  }
  if (!grants.required) return;
  std::string missing;
  if (grants.approvers.empty()) {
    missing = "grants.approvers is missing; add approvers = \"approvers.json\" under [grants]";
  } else if (grants.audience.empty()) {
    missing = "grants.audience is missing; add audience = \"NAME OF THIS BROKER\" under [grants]";
  } else if (!config_.registry.is_there()) {
    missing =
        "registry.file is missing, where it is recorded which grants were used; add file = "
        "\"/var/lib/mayfly/registry.db\" under [registry]";
  }
  if (missing.empty()) return;
  const Entry* required = find("grants.required");
  fail_at(file_, required == nullptr ? 1 : required->line(),
          "grants.required is true, but " + missing);
}

void Loader::check_approval() const {
  static constexpr std::chrono::hours kLongest(1);
  if (config_.approval.timeout <= kLongest) return;
  fail_at(file_, find("approval.timeout")->line(),
          "approval.timeout is longer than 1h, for which a process would hang; shorten it");
}

void Loader::check_issuer() const {
  const IssuerConfig& issuer = config_.issuer;
  const auto fail = [&](std::string_view blamed, const std::string& message) {
    const Entry* entry = find(blamed);
    fail_at(file_, entry == nullptr ? 1 : entry->line(), std::string(blamed) + message);
  };
  if (!issuer.token.empty() && !issuer.key_file.empty()) {
    fail("issuer.key-file",
         " stands beside issuer.token, but there is one key; take one of the two out");
  }
  const std::string_view place = issuer.token.empty() ? "issuer.key-file" : "issuer.token";
  if (!issuer.token.empty() && !issuer.pin_source) {
    fail(place,
         " needs a PIN, but issuer.pin-source is missing; add pin-source = \"file:PATH\" "
         "under [issuer]");
  }
  if (!issuer.token.empty() && issuer.module.empty() && issuer.token == config_.device.token) {
    fail(place,
         " is the token that tasks' keys are made in, whose PIN the broker has; keep the "
         "issuer's key on another");
  }
  if (!issuer.token.empty() && issuer.module.empty() && config_.device.type == DeviceType::tpm) {
    fail(place,
         " is a PKCS#11 token's, but issuer.module is missing; add module = \"PATH\" under "
         "[issuer]");
  }
  const bool has_key = !issuer.token.empty() || !issuer.key_file.empty();
  if (has_key && issuer.trust_domain.empty()) {
    fail(place,
         " names a key, but issuer.trust-domain is missing; add trust-domain = "
         "\"agents.example\" under [issuer]");
  }
  if (!has_key && !issuer.trust_domain.empty()) {
    fail("issuer.trust-domain",
         " is set, but no key of the issuer is; add token and pin-source, or key-file, under "
         "[issuer]");
  }
  if (has_key && issuer.certificate.empty()) {
    fail(place,
         " names a key, but issuer.certificate is missing; add certificate = "
         "\"issuer.pem\" under [issuer]");
  }
}

void Loader::check_status() const {
  static constexpr std::chrono::seconds kShortest(2);
  static constexpr std::chrono::hours kLongest(1);
  const StatusConfig& status = config_.status;
  const auto fail = [&](std::string_view blamed, const std::string& message) {
    const Entry* entry = find(blamed);
    fail_at(file_, entry == nullptr ? 1 : entry->line(), std::string(blamed) + message);
  };
  if (status.ttl < kShortest || status.ttl > kLongest) {
    fail("status.ttl", " is " + format_duration(status.ttl) + "; choose 2s to 1h");
  }
  if (status.listen && !status.listen->is_loopback() && !status.listen_to_others) {
    fail("status.listen",
         " is no address of this machine alone, and what is served there has no TLS and no login; "
         "take 127.0.0.1, or set listen-to-others = true under [status]");
  }
  if (status.folder.empty() != status.uri.empty()) {
    fail(status.folder.empty() ? "status.uri" : "status.folder",
         " stands alone; a status list needs both folder and uri under [status]");
  }
  if (!status.has_list()) return;
  if (config_.issuer.trust_domain.empty()) {
    fail("status.folder",
         " is set, but there is no issuer, who signs status lists; fill in [issuer]");
  }
  if (!config_.registry.is_there()) {
    fail("status.folder",
         " is set, but registry.file is missing, where tasks have the numbers that stand in the "
         "list; add file = \"/var/lib/mayfly/registry.db\" under [registry]");
  }
}

}  // namespace

bool Config::asks_for_login() const noexcept {
  return login.required || policy.login_required ||
         std::ranges::any_of(named_policies,
                             [](const auto& named) { return named.second.login_required; });
}

Config Config::load(const std::filesystem::path& file) {
  const std::filesystem::path absolute = std::filesystem::absolute(file);
  return parse(read(absolute), absolute);
}

std::string Config::read(const std::filesystem::path& file) {
  const Descriptor descriptor = open_guarded(file.string(), Exposure::readable);
  return read_guarded(descriptor, file.string(), kMaxFileSize);
}

Config Config::parse(const std::string& text, const std::filesystem::path& file) {
  const toml::table root = parse_toml(text, file);
  return Loader(file).load(root);
}

}  // namespace mayfly
