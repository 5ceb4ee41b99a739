// `mayfly init` where all goes well, and where something is there already.
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "integration/tools/mayfly_sandbox.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

class Init : public testing::Test {
 protected:
  void expect_healthy(const fs::path& folder) const {
    const Diagnosis diagnosis = diagnose(sandbox_, folder / "mayfly.toml");
    EXPECT_EQ(diagnosis.status, 0);
    EXPECT_TRUE(diagnosis.ok);
    EXPECT_THAT(diagnosis.with("fail"), IsEmpty()) << testing::PrintToString(diagnosis.details);
    EXPECT_EQ(diagnosis.verdicts.at("test key"), "ok");
  }

  MayflySandbox sandbox_;
};

TEST_F(Init, MakesAConfigurationThatTheDoctorFindsHealthy) {
  const Outcome outcome = sandbox_.mayfly({"init"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr((sandbox_.user_folder() / "mayfly.toml").string()));
  EXPECT_THAT(outcome.out, testing::Not(HasSubstr("MAYFLY_CONF"))) << "it is found by itself";

  const Outcome doctor = sandbox_.mayfly({"doctor"});
  EXPECT_EQ(doctor.status, 0) << doctor.out << doctor.err;
  EXPECT_THAT(doctor.out, testing::Not(HasSubstr("fail ")));
  EXPECT_THAT(doctor.out, HasSubstr("test key"));
  expect_healthy(sandbox_.user_folder());
}

TEST_F(Init, MakesAnIssuerOnATokenOfItsOwn) {
  const fs::path folder = sandbox_.root() / "new";
  const Outcome outcome =
      sandbox_.mayfly({"init", "--folder", folder, "--issuer", "agents.example"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    EXPECT_EQ(mode_of(entry.path()), entry.is_directory() ? 0700u : 0600u) << entry.path();
  }
  const Config config = Config::load(folder / "mayfly.toml");
  EXPECT_EQ(config.issuer.trust_domain, "agents.example");
  EXPECT_NE(config.issuer.token, config.device.token);
  EXPECT_NE(config.issuer.pin_source->value, config.device.pin_source.value);
  const Outcome shown = sandbox_.mayfly({"issuer", "show", "--config", config.file});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("agents.example"));
  expect_healthy(folder);
}

TEST_F(Init, MakesNoIssuerOfANameThatIsNoneOrForADeviceThatIsThere) {
  const fs::path folder = sandbox_.root() / "new";
  const Outcome name = sandbox_.mayfly({"init", "--folder", folder, "--issuer", "Agents/1"});
  EXPECT_EQ(name.status, 2);
  EXPECT_THAT(name.err, HasSubstr("wants a trust domain"));
  const Outcome there =
      sandbox_.mayfly({"init", "--folder", folder, "--issuer", "a.example", "--module", "/m.so",
                       "--token", "pkcs11:token=t", "--pin-source", "file:p"});
  EXPECT_EQ(there.status, 2);
  EXPECT_THAT(there.err, HasSubstr("mayfly issuer init"));
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(Init, FilesAreForTheirOwnerOnly) {
  sandbox_.init(sandbox_.root() / "new");
  const fs::path folder = sandbox_.root() / "new";
  EXPECT_EQ(mode_of(folder), 0700u);
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    EXPECT_EQ(mode_of(entry.path()), entry.is_directory() ? 0700u : 0600u) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 8);
  EXPECT_THAT(tree(sandbox_.root()), testing::Not(testing::Contains(testing::StartsWith("."))))
      << "where it was built";
}

TEST_F(Init, PinIsRandomAndPrintable) {
  sandbox_.init(sandbox_.root() / "a");
  sandbox_.init(sandbox_.root() / "b");
  const std::string first = read_file(sandbox_.root() / "a/pin");
  const std::string second = read_file(sandbox_.root() / "b/pin");
  EXPECT_NE(first, second);
  for (const std::string& pin : {first, second}) {
    EXPECT_EQ(pin.size(), 26u) << "six bits each, so 156";
    EXPECT_EQ(
        pin.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        std::string::npos);
  }
}

TEST_F(Init, ConfigurationLoadsAndExplainsItself) {
  const fs::path folder = sandbox_.root() / "with space, \"quotes\" and gr\xc3\xbc\xc3\x9f";
  sandbox_.init(folder);
  const Config config = Config::load(folder / "mayfly.toml");
  EXPECT_EQ(config.device.token, "pkcs11:token=mayfly");
  EXPECT_EQ(config.device.pin_source.value, (folder / "pin").string());
  EXPECT_EQ(config.device.environment.at("SOFTHSM2_CONF"), (folder / "softhsm2.conf").string());
  EXPECT_EQ(config.task.ttl, Config{}.task.ttl);
  const std::string text = read_file(folder / "mayfly.toml");
  EXPECT_THAT(text, HasSubstr("\n# How long tasks may live.\n[task]\n"));
  EXPECT_THAT(text, HasSubstr("\n#ttl = \"15m\"\n"));
  expect_healthy(folder);
}

TEST_F(Init, TellsAsJsonWhatItMade) {
  const fs::path folder = sandbox_.root() / "new";
  const Outcome outcome = sandbox_.mayfly({"init", "--json", "--folder", folder});
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("configuration"), (folder / "mayfly.toml").string());
  EXPECT_EQ(json.at("token"), "pkcs11:token=mayfly");
  EXPECT_EQ(json.at("pin_source"), "file:" + (folder / "pin").string());
  EXPECT_TRUE(fs::exists(json.at("module").get<std::string>()));
}

TEST_F(Init, RelativeFolderStartsHere) {
  const auto before = fs::current_path();
  fs::current_path(sandbox_.root());
  const Outcome outcome = sandbox_.mayfly({"init", "--folder", "./here/"});
  fs::current_path(before);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("export MAYFLY_CONF="));
  expect_healthy(sandbox_.root() / "here");
}

TEST_F(Init, GoesIntoAFolderThatIsThereAndLeavesTheRestAlone) {
  const fs::path folder = sandbox_.root() / "there";
  fs::create_directory(folder);
  fs::permissions(folder, fs::perms(0755));
  std::ofstream(folder / "notes.txt") << "mine";
  sandbox_.init(folder);
  EXPECT_EQ(read_file(folder / "notes.txt"), "mine");
  expect_healthy(folder);
  for (const auto& entry : fs::directory_iterator(folder)) {
    EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();
  }
}

TEST_F(Init, ASecondTimeIsRefusedAndChangesNothing) {
  const fs::path folder = sandbox_.root() / "new";
  sandbox_.init(folder);
  const auto before = tree(sandbox_.root());
  const std::string config = read_file(folder / "mayfly.toml");
  const std::string pin = read_file(folder / "pin");
  const Outcome outcome = sandbox_.mayfly({"init", "--folder", folder});
  EXPECT_EQ(outcome.status, 67);
  EXPECT_EQ(outcome.err, "mayfly: " + (folder / "mayfly.toml").string() +
                             " exists already, and nothing is ever overwritten; choose another "
                             "folder, or remove what is there if no task needs it\n");
  EXPECT_EQ(tree(sandbox_.root()), before);
  EXPECT_EQ(read_file(folder / "mayfly.toml"), config);
  EXPECT_EQ(read_file(folder / "pin"), pin);
  expect_healthy(folder);
}

TEST_F(Init, NoFileOfOthersIsOverwritten) {
  for (const char* name : {"mayfly.toml", "pin", "softhsm2.conf", "tokens"}) {
    const fs::path folder = sandbox_.root() / (std::string("with-") + name);
    fs::create_directory(folder);
    fs::create_symlink("/nowhere", folder / name);
    const Outcome outcome = sandbox_.mayfly({"init", "--folder", folder});
    EXPECT_EQ(outcome.status, 67) << name;
    EXPECT_THAT(outcome.err, HasSubstr((folder / name).string())) << name;
    EXPECT_THAT(tree(folder), testing::ElementsAre(name));
  }
}

TEST_F(Init, OfTwoAtOnceOneWins) {
  for (const bool there : {false, true}) {
    const fs::path folder = sandbox_.root() / (there ? "there" : "new");
    if (there) fs::create_directory(folder);
    std::vector<Outcome> outcomes(4);
    {
      std::vector<std::jthread> threads;
      for (Outcome& outcome : outcomes) {
        threads.emplace_back([&] {
          outcome = sandbox_.mayfly({"init", "--folder", folder.string()});
        });
      }
    }
    int won = 0;
    for (const Outcome& outcome : outcomes) {
      EXPECT_TRUE(outcome.status == 0 || outcome.status == 67) << outcome.status << outcome.err;
      if (outcome.status == 0) ++won;
    }
    EXPECT_EQ(won, 1);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 4) << "nobody left anything";
    expect_healthy(folder);
  }
}

TEST_F(Init, WithItsOutputClosedWritesNothingElsewhere) {
  for (const int stream : {1, 2}) {
    const fs::path folder = sandbox_.root() / std::to_string(stream);
    const Outcome outcome = sandbox_.mayfly({"init", "--folder", folder}, {}, stream);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(read_file(folder / "pin").size(), 26u);
    expect_healthy(folder);
  }
}

/// A SoftHSM2 token of an earlier `mayfly init`, as a device that is there already.
class InitModule : public Init {
 protected:
  InitModule() { sandbox_.init(sandbox_.root() / "hsm"); }

  std::vector<std::string> line(const std::string& token, const std::string& pin_source) const {
    const Config config = Config::load(sandbox_.root() / "hsm/mayfly.toml");
    return {"init",
            "--folder",
            (sandbox_.root() / "new").string(),
            "--module",
            config.device.module.string(),
            "--token",
            token,
            "--pin-source",
            pin_source,
            "--env",
            "SOFTHSM2_CONF=" + config.device.environment.at("SOFTHSM2_CONF")};
  }
  std::string pin_file() const { return "file:" + (sandbox_.root() / "hsm/pin").string(); }

  void expect_nothing_made() const { EXPECT_FALSE(fs::exists(sandbox_.root() / "new")); }
};

TEST_F(InitModule, WritesAConfigurationForATokenThatIsThere) {
  const Outcome outcome = sandbox_.mayfly(line("pkcs11:token=mayfly", pin_file()));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(tree(sandbox_.root() / "new"), testing::ElementsAre("mayfly.toml"));
  expect_healthy(sandbox_.root() / "new");
}

TEST_F(InitModule, PinSourceIsRelativeToWhereItIsTyped) {
  const auto before = fs::current_path();
  fs::current_path(sandbox_.root() / "hsm");
  const Outcome outcome = sandbox_.mayfly(line("pkcs11:token=mayfly", "file:pin"));
  fs::current_path(before);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  expect_healthy(sandbox_.root() / "new");
}

TEST_F(InitModule, TokenThatIsNotThereIsRefused) {
  const Outcome outcome = sandbox_.mayfly(line("pkcs11:token=other", pin_file()));
  EXPECT_EQ(outcome.status, 69);
  EXPECT_THAT(outcome.err, HasSubstr("pkcs11:token=other"));
  expect_nothing_made();
}

TEST_F(InitModule, WrongPinIsRefused) {
  const auto wrong = sandbox_.root() / "wrong";
  std::ofstream(wrong) << "0123456789";
  fs::permissions(wrong, fs::perms(0600));
  const Outcome outcome = sandbox_.mayfly(line("pkcs11:token=mayfly", "file:" + wrong.string()));
  EXPECT_EQ(outcome.status, 77) << outcome.err;
  EXPECT_THAT(outcome.err, testing::Not(HasSubstr("0123456789")));
  expect_nothing_made();
}

TEST_F(InitModule, UnsafePinFileIsRefused) {
  fs::permissions(sandbox_.root() / "hsm/pin", fs::perms(0644));
  const Outcome outcome = sandbox_.mayfly(line("pkcs11:token=mayfly", pin_file()));
  EXPECT_EQ(outcome.status, 77);
  EXPECT_THAT(outcome.err, HasSubstr("chmod 600"));
  expect_nothing_made();
}

TEST_F(InitModule, UriThatHoldsThePinIsRefused) {
  const Outcome outcome = sandbox_.mayfly(line("pkcs11:token=mayfly?pin-value=s3cret", pin_file()));
  EXPECT_EQ(outcome.status, 78);
  EXPECT_THAT(outcome.err, testing::Not(HasSubstr("s3cret")));
  expect_nothing_made();
}

TEST_F(InitModule, LibraryThatIsNoneIsRefused) {
  for (const char* library : {"/nowhere/lib.so", "/etc/passwd", "libnowhere.so"}) {
    auto arguments = line("pkcs11:token=mayfly", pin_file());
    arguments[4] = library;
    const Outcome outcome = sandbox_.mayfly(arguments);
    EXPECT_EQ(outcome.status, 69) << library << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(library));
    expect_nothing_made();
  }
}

}  // namespace
}  // namespace mayfly::test
