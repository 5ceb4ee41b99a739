// Configurations that are right.
#include "config/config.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "support/temp_folder.h"

namespace mayfly {
namespace {

using namespace std::chrono_literals;

constexpr char kSmallest[] =
    "[device]\n"
    "module = \"/usr/lib/softhsm/libsofthsm2.so\"\n"
    "token = \"pkcs11:token=mayfly\"\n"
    "pin-source = \"file:/etc/mayfly/pin\"\n";

TEST(ConfigLoad, SmallestFileGivesDefaults) {
  const test::TempFolder folder;
  const Config config = Config::load(folder.write("mayfly.toml", kSmallest));
  const Config defaults;
  EXPECT_EQ(config.file, folder.path() / "mayfly.toml");
  EXPECT_EQ(config.device.module, "/usr/lib/softhsm/libsofthsm2.so");
  EXPECT_EQ(config.device.token, "pkcs11:token=mayfly");
  EXPECT_EQ(config.device.pin_source.describe(), "file:/etc/mayfly/pin");
  EXPECT_TRUE(config.device.environment.empty());
  EXPECT_EQ(config.device.max_sessions, 0u);
  EXPECT_EQ(config.task.ttl, 15min);
  EXPECT_EQ(config.task.max_ttl, 24h);
  EXPECT_FALSE(config.login.required);
  EXPECT_FALSE(config.login.pin_source);
  EXPECT_FALSE(config.policy.strict_usage);
  EXPECT_EQ(config.limits.max_tasks, defaults.limits.max_tasks);
  EXPECT_EQ(config.log.level, log::Level::warn);
  EXPECT_TRUE(config.log.file.empty());
  EXPECT_TRUE(config.broker.runtime_folder.empty());
}

TEST(ConfigLoad, EveryKeyArrives) {
  const test::TempFolder folder;
  const Config config = Config::load(folder.write("mayfly.toml", R"(
[device]
module = "lib/vendor.so"
token = "pkcs11:token=prod;serial=42"
pin-source = "command:/usr/bin/pass  show hsm"
max-sessions = 7
[device.env]
VENDOR_CONF = "/etc/vendor.conf"
EMPTY = ""
[task]
ttl = "90s"
max-ttl = "2h"
[login]
required = true
pin-source = "credential:login"
[policy]
usage = "strict"
[limits]
tasks = 1
sessions = 2
objects = 3
connections = 4
[log]
level = "debug"
file = "log/mayfly.log"
[broker]
runtime-folder = "/run/mayfly"
)"));
  EXPECT_EQ(config.device.module, folder.path() / "lib/vendor.so");
  EXPECT_EQ(config.device.token, "pkcs11:token=prod;serial=42");
  EXPECT_EQ(config.device.pin_source.kind, PinSource::Kind::command);
  EXPECT_EQ(config.device.pin_source.value, "/usr/bin/pass  show hsm");
  EXPECT_EQ(config.device.max_sessions, 7u);
  EXPECT_EQ(config.device.environment, (std::map<std::string, std::string>{
                                           {"VENDOR_CONF", "/etc/vendor.conf"}, {"EMPTY", ""}}));
  EXPECT_EQ(config.task.ttl, 90s);
  EXPECT_EQ(config.task.max_ttl, 2h);
  EXPECT_TRUE(config.login.required);
  EXPECT_EQ(config.login.pin_source->describe(), "credential:login");
  EXPECT_TRUE(config.policy.strict_usage);
  EXPECT_EQ(config.limits.max_tasks, 1u);
  EXPECT_EQ(config.limits.max_sessions, 2u);
  EXPECT_EQ(config.limits.max_objects, 3u);
  EXPECT_EQ(config.limits.max_connections, 4u);
  EXPECT_EQ(config.log.level, log::Level::debug);
  EXPECT_EQ(config.log.file, folder.path() / "log/mayfly.log");
  EXPECT_EQ(config.broker.runtime_folder, "/run/mayfly");
}

TEST(ConfigLoad, RelativePathsStartAtTheFile) {
  const test::TempFolder folder;
  const auto file = folder.write("a/mayfly.toml",
                                 "[device]\nmodule = \"../m.so\"\ntoken = \"pkcs11:token=t\"\n"
                                 "pin-source = \"file:pin\"\n");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const Config config = Config::load("a/mayfly.toml");
  std::filesystem::current_path(before);
  EXPECT_EQ(config.file, std::filesystem::canonical(folder.path()) / "a/mayfly.toml");
  EXPECT_EQ(config.device.module, std::filesystem::canonical(folder.path()) / "m.so");
  EXPECT_EQ(config.device.pin_source.value, std::filesystem::canonical(folder.path()) / "a/pin");
}

TEST(ConfigLoad, AModuleWithoutASlashStaysABareName) {
  const test::TempFolder folder;
  const auto module = [&](const std::string& text) {
    return Config::load(folder.write("mayfly.toml", "[device]\nmodule = \"" + text +
                                                        "\"\ntoken = \"pkcs11:token=t\"\n"
                                                        "pin-source = \"fd:3\"\n"))
        .device.module;
  };
  EXPECT_EQ(module("softhsm2.so"), "softhsm2.so");
  EXPECT_EQ(module("./softhsm2.so"), folder.path() / "softhsm2.so");
}

TEST(ConfigLoad, ATpmNeedsNoMoreThanItsType) {
  const test::TempFolder folder;
  const Config config = Config::load(folder.write("mayfly.toml", "[device]\ntype = \"tpm\"\n"));
  EXPECT_EQ(config.device.type, DeviceType::tpm);
  EXPECT_EQ(config.tpm.tcti, "device:/dev/tpmrm0");
  EXPECT_FALSE(config.tpm.software_deadline);
}

TEST(ConfigLoad, DottedKeysAndInlineTables) {
  const test::TempFolder folder;
  const Config config = Config::load(
      folder.write("mayfly.toml",
                   "task.ttl = \"1m\"\ndevice = { module = \"/m\", token = \"pkcs11:token=t\", "
                   "pin-source = \"fd:3\", env = { A = \"b\" } }\n"));
  EXPECT_EQ(config.task.ttl, 1min);
  EXPECT_EQ(config.device.environment.at("A"), "b");
}

TEST(ConfigLoad, LeavesNoDescriptorOpen) {
  const test::TempFolder folder;
  const auto file = folder.write("mayfly.toml", kSmallest);
  const auto count = [] {
    const std::filesystem::directory_iterator descriptors("/proc/self/fd");
    return std::distance(begin(descriptors), end(descriptors));
  };
  const auto before = count();
  static_cast<void>(Config::load(file));
  EXPECT_EQ(count(), before);
}

TEST(Config, NamedPoliciesStandBesideTheOneOfAll) {
  const test::TempFolder folder;
  const Config config = Config::load(folder.write("mayfly.toml", R"(
[device]
module = "/m.so"
token = "pkcs11:token=a"
pin-source = "file:pin"
[policy]
max-keys = 9
users = ["root", 1001]
[policy.ci]
keys = ["EC P-256", "RSA 2048"]
max-keys = 2
max-ttl = "3m"
[policy.empty]
)"));
  EXPECT_EQ(config.policy.max_keys, 9u);
  EXPECT_EQ(config.policy.users, (std::set<uid_t>{0, 1001}));
  EXPECT_FALSE(config.policy.keys.has_value());
  ASSERT_EQ(config.named_policies.size(), 2u);
  const PolicyConfig& ci = config.named_policies.at("ci");
  EXPECT_EQ(names_of(ci.keys.value()), "EC P-256, RSA 2048");
  EXPECT_EQ(ci.max_keys, 2u);
  EXPECT_EQ(ci.max_ttl, std::chrono::minutes(3));
  EXPECT_FALSE(ci.users.has_value()) << "nothing of the other is in it";
  EXPECT_FALSE(config.named_policies.at("empty").max_keys.has_value());
  EXPECT_FALSE(config.asks_for_login());
}

}  // namespace
}  // namespace mayfly
