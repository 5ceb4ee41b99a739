// The table of keys agrees with itself and with what the program does.
#include "config/keys.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "support/temp_folder.h"
#include "unit/config/message_of.h"

namespace mayfly {
namespace {

/// A value that differs from the default, for every key.
const std::map<std::string, std::string>& other_values() {
  static const std::map<std::string, std::string> kValues = {
      {"device.type", "\"tpm\""},
      {"tpm.tcti", "\"swtpm:path=/tpm\""},
      {"tpm.deadline", "\"software\""},
      {"tpm.kill-switch", "true"},
      {"tpm.encrypt", "true"},
      {"tpm.timeout", "\"2m\""},
      {"tpm.attestation-certificates", "\"/etc/mayfly/key.pem\""},
      {"device.module", "\"/m.so\""},
      {"device.token", "\"pkcs11:token=a%22b\""},
      {"device.pin-source", "\"command:/bin/cat /pin \\\"x\\\"\""},
      {"device.keys", "\"stored\""},
      {"device.other-usages", "\"unsaid\""},
      {"device.max-sessions", "7"},
      {"device.env", "{ A = \"b\\\\c\", D = \"\" }"},
      {"registry.file", "\"/var/lib/mayfly/r.db\""},
      {"registry.url", "\"postgres://u@h:5/d?sslmode=require\""},
      {"registry.password-source", "\"credential:db\""},
      {"registry.lease", "\"9s\""},
      {"registry.timeout", "\"1s\""},
      {"registry.keep", "\"30d\""},
      {"task.ttl", "\"1m\""},
      {"task.max-ttl", "\"36h\""},
      {"login.required", "true"},
      {"login.pin-source", "\"fd:7\""},
      {"policy.mechanisms", "[\"CKM_ECDSA\", \"CKM_EDDSA\"]"},
      {"policy.keys", "[\"EC P-256\", \"Ed25519\", \"RSA 2048\"]"},
      {"policy.max-keys", "5"},
      {"policy.max-signatures", "6"},
      {"policy.max-rate", "7"},
      {"policy.max-ttl", "\"8m\""},
      {"policy.children", "0"},
      {"policy.users", "[1000, 1001]"},
      {"policy.groups", "[50]"},
      {"policy.login-required", "true"},
      {"policy.grant-required", "true"},
      {"policy.usage", "\"strict\""},
      {"grants.required", "true"},
      {"grants.approvers", "\"/etc/mayfly/approvers.json\""},
      {"grants.audience", "\"broker\""},
      {"grants.max-life", "\"10m\""},
      {"grants.clock-skew", "\"5s\""},
      {"approval.command", "\"/bin/ask one two\""},
      {"approval.timeout", "\"9s\""},
      {"issuer.trust-domain", "\"agents.example\""},
      {"issuer.token", "\"pkcs11:token=issuer\""},
      {"issuer.module", "\"/i.so\""},
      {"issuer.pin-source", "\"fd:8\""},
      {"issuer.env", "{ E = \"f\" }"},
      {"issuer.key", "\"ca\""},
      {"issuer.key-file", "\"/etc/mayfly/issuer-key.pem\""},
      {"issuer.certificate", "\"/etc/mayfly/issuer.pem\""},
      {"issuer.attestation-key", "\"/etc/mayfly/tpm.json\""},
      {"issuer.max-life", "\"7m\""},
      {"ledger.folder", "\"/var/lib/mayfly/ledger\""},
      {"ledger.sync", "\"entry\""},
      {"limits.tasks", "1"},
      {"limits.sessions", "2"},
      {"limits.objects", "3"},
      {"limits.connections", "4"},
      {"log.level", "\"off\""},
      {"log.file", "\"/var/log/mayfly\""},
      {"broker.runtime-folder", "\"/run/mayfly\""},
      {"serve.socket", "\"/run/mayfly/c\""},
      {"serve.users", "[1000]"},
      {"serve.groups", "[51]"},
      {"serve.operators", "[1002, 1003]"},
      {"serve.operator-groups", "[52]"},
      {"serve.tasks-per-user", "5"},
      {"status.folder", "\"/var/lib/mayfly/status\""},
      {"status.uri", "\"https://status.example/1\""},
      {"status.ttl", "\"10s\""},
      {"status.listen", "\"[::1]:9464\""},
      {"status.listen-to-others", "true"},
  };
  return kValues;
}

/// Whether a key can stand beside all others: those of a client of a broker stand alone, a registry
/// is a file or a database, and an issuer's key lies on a token or in a file.
bool goes_with_all(const ConfigKey& key) {
  const std::string name = key.full_name();
  return name != "broker.socket" && name != "registry.url" && name != "registry.password-source" &&
         name != "issuer.key-file";
}

constexpr KeyFor kDevices[] = {KeyFor::pkcs11, KeyFor::tpm};

bool is_for(const ConfigKey& key, KeyFor device) {
  return goes_with_all(key) && (key.device == KeyFor::any || key.device == device);
}

/// A file that holds every key that there is for a device.
std::string write_out(KeyFor device, const auto& value_of) {
  std::string text;
  for (const ConfigKey& key : config_keys()) {
    if (!is_for(key, device) || key.full_name() == "device.type") continue;
    const std::string value = value_of(key);
    if (!value.empty()) text += key.full_name() + " = " + value + "\n";
  }
  return text + "device.type = " + (device == KeyFor::tpm ? "\"tpm\"" : "\"pkcs11\"") + "\n";
}

TEST(Keys, HaveUniqueNamesKnownTablesAndWords) {
  std::set<std::string> names;
  std::set<std::string_view> tables;
  for (const ConfigTable& table : config_tables()) {
    EXPECT_TRUE(tables.insert(table.name).second) << table.name;
    EXPECT_TRUE(table.doc.ends_with(".")) << table.name;
  }
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(names.insert(key.full_name()).second) << key.full_name();
    EXPECT_TRUE(tables.contains(key.table)) << key.full_name();
    EXPECT_TRUE(key.doc.ends_with(".")) << key.full_name();
    EXPECT_FALSE(key.type.empty()) << key.full_name();
  }
}

TEST(Keys, RequiredKeysHaveNoDefault) {
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(!key.required || key.show(Config{}).empty()) << key.full_name();
  }
}

TEST(Keys, WithoutADefaultHaveAnExampleThatLoads) {
  for (const ConfigKey& key : config_keys()) {
    EXPECT_EQ(key.example.empty(), !key.show(Config{}).empty()) << key.full_name();
  }
  const test::TempFolder folder;
  for (const KeyFor device : kDevices) {
    const Config config = Config::load(folder.write(
        "mayfly.toml",
        write_out(device, [](const ConfigKey& key) { return std::string(key.example); })));
    for (const ConfigKey& key : config_keys()) {
      if (!is_for(key, device)) continue;
      EXPECT_NE(key.show(config), "") << key.full_name();
    }
  }
}

TEST(Keys, EveryValueReadsBackAsWritten) {
  const test::TempFolder folder;
  for (const KeyFor device : kDevices) {
    const Config config =
        Config::load(folder.write("mayfly.toml", write_out(device, [](const ConfigKey& key) {
                                    return other_values().at(key.full_name());
                                  })));
    for (const ConfigKey& key : config_keys()) {
      if (!is_for(key, device) || (key.full_name() == "device.type" && device != KeyFor::tpm)) {
        continue;
      }
      EXPECT_EQ(key.show(config), other_values().at(key.full_name())) << key.full_name();
      EXPECT_NE(key.show(config), key.show(Config{})) << key.full_name();
    }
  }
}

TEST(Keys, WritingTheDefaultsChangesNothing) {
  const test::TempFolder folder;
  const Config config = Config::load(
      folder.write("mayfly.toml", write_out(KeyFor::pkcs11, [](const ConfigKey& key) {
                     return key.required ? other_values().at(key.full_name()) : key.show(Config{});
                   })));
  for (const ConfigKey& key : config_keys()) {
    if (key.required || !is_for(key, KeyFor::pkcs11)) continue;
    EXPECT_EQ(key.show(config), key.show(Config{})) << key.full_name();
  }
}

TEST(Keys, ARegistryIsADatabaseInsteadOfAFile) {
  const test::TempFolder folder;
  std::string text = write_out(KeyFor::pkcs11, [](const ConfigKey& key) {
    return key.full_name() == "registry.file" ? std::string() : other_values().at(key.full_name());
  });
  for (const char* name : {"registry.url", "registry.password-source"}) {
    text += std::string(name) + " = " + other_values().at(name) + "\n";
  }
  const Config config = Config::load(folder.write("mayfly.toml", text));
  for (const ConfigKey& key : config_keys()) {
    if (key.table != "registry" || key.name == "file") continue;
    EXPECT_EQ(key.show(config), other_values().at(key.full_name())) << key.full_name();
  }
  EXPECT_TRUE(config.registry.is_there());
  EXPECT_FALSE(Config{}.registry.is_there());
}

TEST(Keys, AClientOfABrokerSaysItsSocketAndItsLogAndNothingElse) {
  const test::TempFolder folder;
  const std::string start = "broker.socket = \"run/door\"\n";
  const Config config = Config::load(folder.write("mayfly.toml", start + "log.level = \"info\"\n"));
  EXPECT_EQ(config.broker.socket, folder.path() / "run/door");
  EXPECT_EQ(config.log.level, log::Level::info);
  for (const ConfigKey& key : config_keys()) {
    if (key.table == "log" || key.full_name() == "broker.socket") continue;
    const auto file = folder.write(
        "mayfly.toml", start + key.full_name() + " = " + other_values().at(key.full_name()) + "\n");
    EXPECT_EQ(test::message_of([&] { static_cast<void>(Config::load(file)); }),
              file.string() + ":2: " + key.full_name() +
                  " has no meaning beside broker.socket, where the broker's configuration holds; "
                  "take one of the two out");
  }
}

TEST(Keys, TextsAreQuotedForToml) {
  EXPECT_EQ(toml_text("a\"b\\c\n\x7f\xc3\xa4"), "\"a\\\"b\\\\c\\u000a\\u007f\xc3\xa4\"");
}

}  // namespace
}  // namespace mayfly
