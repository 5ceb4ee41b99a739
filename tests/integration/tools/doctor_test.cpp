// `mayfly doctor`: each thing that can be wrong is found, named, and does not hide the rest.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"
#include "config/keys.h"
#include "integration/tools/mayfly_sandbox.h"
#include "support/sanitizer_reports.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Doctor : public testing::Test {
 protected:
  Doctor() { sandbox_.init(folder()); }

  fs::path folder() const { return sandbox_.root() / "set-up"; }
  fs::path config() const { return folder() / "mayfly.toml"; }

  /// Replaces the first `from` in the configuration.
  void edit(const std::string& from, const std::string& to) const {
    std::string text = read_file(config());
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    std::ofstream(config()) << text.replace(at, from.size(), to);
  }

  /// The diagnosis, which must have failed with exactly these parts failing.
  Diagnosis expect_failing(const std::vector<std::string>& names,
                           const Environment& changes = {}) const {
    const Diagnosis diagnosis = diagnose(sandbox_, config(), changes);
    EXPECT_EQ(diagnosis.status, 1);
    EXPECT_FALSE(diagnosis.ok);
    EXPECT_THAT(diagnosis.with("fail"), testing::UnorderedElementsAreArray(names));
    EXPECT_EQ(diagnosis.verdicts.at("p11-kit client"), "ok") << "it went on to the end";
    EXPECT_EQ(diagnosis.verdicts.at("libmayfly.so"), "ok") << "it went on to the end";
    return diagnosis;
  }

  MayflySandbox sandbox_;
};

TEST_F(Doctor, FindsAFreshSetUpHealthy) {
  const Diagnosis diagnosis = diagnose(sandbox_, config());
  EXPECT_EQ(diagnosis.status, 0);
  for (const char* name :
       {"configuration", "its folder", "log", "PIN source", "device module", "device token",
        "device login", "mechanisms", "test key", "p11-kit client", "libmayfly.so"}) {
    EXPECT_EQ(diagnosis.verdicts.at(name), "ok") << name << ": " << diagnosis.details.at(name);
  }
  EXPECT_THAT(diagnosis.details.at("mechanisms"), HasSubstr("EC P-256, EC P-384, EC P-521"));
}

TEST_F(Doctor, SaysTheSameInTextAndInJson) {
  fs::permissions(folder() / "pin", fs::perms(0644));
  const Diagnosis diagnosis = diagnose(sandbox_, config());
  const Outcome text = sandbox_.mayfly({"doctor", "--config", config()});
  EXPECT_EQ(text.status, diagnosis.status);
  for (const auto& [name, verdict] : diagnosis.verdicts) {
    const std::string padded = verdict + std::string(9 - verdict.size(), ' ') + name;
    EXPECT_THAT(text.out, HasSubstr(padded));
    EXPECT_THAT(text.out, HasSubstr(diagnosis.details.at(name)));
  }
}

TEST_F(Doctor, CanBeRunAgainAndAgainWithoutATrace) {
  const auto before = tree(folder());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(diagnose(sandbox_, config()).status, 0);
  EXPECT_EQ(tree(folder()), before) << "no object was stored";
}

TEST_F(Doctor, MissingConfiguration) {
  const Outcome outcome = sandbox_.mayfly({"doctor"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("fail     configuration"));
  EXPECT_THAT(outcome.out, HasSubstr("run: mayfly init"));
  EXPECT_THAT(outcome.out, HasSubstr("skipped  device"));
  EXPECT_THAT(outcome.out, HasSubstr("ok       libmayfly.so"));
  const Diagnosis diagnosis = diagnose(sandbox_, sandbox_.root() / "nowhere.toml");
  EXPECT_THAT(diagnosis.with("fail"), ElementsAre("configuration"));
}

TEST_F(Doctor, ConfigurationThatTheGroupCanWrite) {
  fs::permissions(config(), fs::perms(0660));
  const Diagnosis diagnosis = expect_failing({"configuration"});
  EXPECT_EQ(diagnosis.details.at("configuration"), config().string() +
                                                       ": can be written by its group; run: chmod "
                                                       "go-w " +
                                                       config().string());
  EXPECT_EQ(diagnosis.verdicts.at("device"), "skipped");
}

TEST_F(Doctor, FolderThatOthersCanWrite) {
  fs::permissions(folder(), fs::perms(0777));
  const Diagnosis diagnosis = diagnose(sandbox_, config());
  EXPECT_EQ(diagnosis.status, 0) << "a warning is no failure";
  EXPECT_EQ(diagnosis.verdicts.at("its folder"), "warn");
  EXPECT_THAT(diagnosis.details.at("its folder"), HasSubstr("chmod go-w " + folder().string()));
}

TEST_F(Doctor, MisspeltKey) {
  edit("#ttl = \"15m\"", "tll = \"15m\"");
  const Diagnosis diagnosis = expect_failing({"configuration"});
  EXPECT_THAT(diagnosis.details.at("configuration"),
              HasSubstr("unknown key task.tll; did you mean task.ttl?"));
}

TEST_F(Doctor, PinFileMissingOrUnsafe) {
  fs::permissions(folder() / "pin", fs::perms(0640));
  Diagnosis diagnosis = expect_failing({"PIN source"});
  EXPECT_THAT(diagnosis.details.at("PIN source"), HasSubstr("run: chmod 600"));
  EXPECT_EQ(diagnosis.details.at("device login"), "needs PIN source");
  EXPECT_EQ(diagnosis.verdicts.at("device token"), "ok") << "that needs no PIN";
  EXPECT_THAT(diagnosis.with("skipped"),
              testing::IsSupersetOf({"device login", "mechanisms", "test key"}));

  fs::remove(folder() / "pin");
  diagnosis = expect_failing({"PIN source"});
  EXPECT_THAT(diagnosis.details.at("PIN source"), HasSubstr("No such file"));
}

TEST_F(Doctor, ModuleMissingOrNone) {
  const std::string library = Config::load(config()).device.module.string();
  edit(library, "/nowhere/libsofthsm2.so");
  Diagnosis diagnosis = expect_failing({"device module"});
  EXPECT_THAT(diagnosis.details.at("device module"), HasSubstr("/nowhere/libsofthsm2.so"));
  EXPECT_EQ(diagnosis.details.at("device token"), "needs device module");
  EXPECT_EQ(diagnosis.verdicts.at("PIN source"), "ok");
  edit("/nowhere/libsofthsm2.so", "/etc/passwd");
  expect_failing({"device module"});
}

TEST_F(Doctor, ModuleWithoutItsEnvironment) {
  edit((folder() / "softhsm2.conf").string(), "/nowhere.conf");
  expect_failing({"device module"});
}

TEST_F(Doctor, TokenMissing) {
  edit("token = \"pkcs11:token=mayfly\"", "token = \"pkcs11:token=other\"");
  const Diagnosis diagnosis = expect_failing({"device token"});
  EXPECT_THAT(diagnosis.details.at("device token"), HasSubstr("pkcs11:token=other"));
  EXPECT_THAT(diagnosis.details.at("device token"), HasSubstr("mayfly")) << "what there is";
}

TEST_F(Doctor, LogThatCannotBeWritten) {
  edit("#file = \"/var/log/mayfly.log\"", "file = \"/nowhere/mayfly.log\" #");
  const Diagnosis diagnosis = expect_failing({"log"});
  EXPECT_THAT(diagnosis.details.at("log"), HasSubstr("/nowhere/mayfly.log"));
  EXPECT_EQ(diagnosis.verdicts.at("test key"), "ok");
}

TEST_F(Doctor, RuntimeFolderThatIsTooLongOrCannotBeMade) {
  const std::string deep = (sandbox_.root() / std::string(80, 'x')).string();
  edit("#runtime-folder = ", "runtime-folder = " + toml_text(deep) + " #");
  Diagnosis diagnosis = expect_failing({"runtime folder"});
  EXPECT_THAT(diagnosis.details.at("runtime folder"), HasSubstr("too long"));
  EXPECT_EQ(diagnosis.verdicts.at("test key"), "ok");
  edit(deep, "/proc/mayfly");
  diagnosis = expect_failing({"runtime folder"});
  EXPECT_THAT(diagnosis.details.at("runtime folder"), HasSubstr("/proc/mayfly"));
}

/// SoftHSM2 behind opensc's spy, which writes down each call.
class DoctorSpied : public Doctor {
 protected:
  DoctorSpied() {
    const std::string library = Config::load(config()).device.module.string();
    edit("module = \"" + library + "\"", "module = \"pkcs11-spy.so\"");
    edit("env = { ", "env = { PKCS11SPY = " + toml_text(library) +
                         ", PKCS11SPY_OUTPUT = " + toml_text(calls_file().string()) + ", ");
  }

  fs::path calls_file() const { return sandbox_.root() / "calls"; }

  /// The spy itself leaks 16 bytes, which is nobody's fault here.
  Environment without_leak_check() const {
    return {{"ASAN_OPTIONS", options_without_leak_check()}};
  }

  int calls(const std::string& function) const {
    const std::string text = read_file(calls_file());
    int count = 0;
    for (std::size_t at = text.find(": " + function + "\n"); at != std::string::npos;
         at = text.find(": " + function + "\n", at + 1)) {
      ++count;
    }
    return count;
  }
};

TEST_F(DoctorSpied, LogsInOnce) {
  const Diagnosis diagnosis = diagnose(sandbox_, config(), without_leak_check());
  EXPECT_EQ(diagnosis.status, 0) << testing::PrintToString(diagnosis.details);
  EXPECT_EQ(calls("C_Login"), 1) << read_file(calls_file());
  EXPECT_EQ(calls("C_GenerateKeyPair"), 1);
  EXPECT_GE(calls("C_DestroyObject"), 1);
}

TEST_F(DoctorSpied, TriesAWrongPinOnce) {
  std::ofstream(folder() / "pin") << "0123456789";
  const Diagnosis diagnosis = expect_failing({"device login"}, without_leak_check());
  EXPECT_EQ(calls("C_Login"), 1) << read_file(calls_file());
  EXPECT_THAT(diagnosis.details.at("device login"), HasSubstr("PIN"));
  EXPECT_THAT(diagnosis.with("skipped"), testing::IsSupersetOf({"mechanisms", "test key"}));
  for (const auto& [name, detail] : diagnosis.details) {
    EXPECT_THAT(detail, Not(HasSubstr("0123456789"))) << name;
  }
}

TEST_F(Doctor, PinFromACommandAndFromACredential) {
  const std::string source = "file:" + (folder() / "pin").string();
  edit(source, "command:/bin/cat " + (folder() / "pin").string());
  EXPECT_EQ(diagnose(sandbox_, config()).status, 0);
  edit("command:/bin/cat " + (folder() / "pin").string(), "credential:pin");
  const Diagnosis without = diagnose(sandbox_, config());
  EXPECT_EQ(without.verdicts.at("PIN source"), "fail");
  const Diagnosis with =
      diagnose(sandbox_, config(), {{"CREDENTIALS_DIRECTORY", folder().string()}});
  EXPECT_EQ(with.status, 0) << testing::PrintToString(with.details);
}

TEST_F(Doctor, PinFromAPipeThatCanBeReadOnce) {
  edit("file:" + (folder() / "pin").string(), "fd:0");
  const Outcome outcome = run({"/bin/sh", "-c",
                               "cat " + (folder() / "pin").string() +
                                   " | " MAYFLY_COMMAND " doctor --config " + config().string()},
                              {{"XDG_RUNTIME_DIR", (sandbox_.root() / "run").string()}});
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("fd:0 can be read once only"));
  EXPECT_THAT(outcome.out, HasSubstr("ok       test key"));
}

// Sanitizers lock no memory, and switch core dumps off.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(Doctor, MemoryThatCannotBeLockedAndCoreDumpsAreWarnedOf) {
  if (geteuid() == 0) {
    // Root may lock whatever the limit is, so somebody else has to look.
    ASSERT_EQ(run({"/bin/chown", "-R", "65534", sandbox_.root()}).status, 0);
  }
  const std::string command = "ulimit -c unlimited; ulimit -l 0; exec " MAYFLY_COMMAND
                              " doctor --config " +
                              config().string();
  std::vector<std::string> line = {"/bin/sh", "-c", command};
  if (geteuid() == 0) {
    line = {"/usr/bin/setpriv", "--reuid=65534", "--clear-groups", "/bin/sh", "-c", command};
  }
  const Outcome outcome =
      run(line, {{"XDG_RUNTIME_DIR", (sandbox_.root() / "run").string()}, {"SOFTHSM2_CONF", {}}});
  EXPECT_THAT(outcome.out, HasSubstr("warn     locked memory")) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("LimitMEMLOCK="));
  EXPECT_THAT(outcome.out, HasSubstr("warn     core dumps"));
  EXPECT_EQ(outcome.status, 0) << outcome.out;
}
#endif

}  // namespace
}  // namespace mayfly::test
