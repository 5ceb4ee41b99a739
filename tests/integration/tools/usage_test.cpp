// The command line itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/tools/mayfly_sandbox.h"

namespace mayfly::test {
namespace {

using testing::HasSubstr;

TEST(Usage, VersionIsPrinted) {
  const Outcome outcome = MayflySandbox().mayfly({"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "mayfly " MAYFLY_VERSION "\n");
}

TEST(Usage, HelpNamesTheSubcommands) {
  const MayflySandbox sandbox;
  const Outcome outcome = sandbox.mayfly({"--help"});
  EXPECT_EQ(outcome.status, 0);
  for (const char* name : {"init", "doctor"}) {
    EXPECT_THAT(outcome.out, HasSubstr(name));
    const Outcome help = sandbox.mayfly({name, "--help"});
    EXPECT_EQ(help.status, 0) << name;
    EXPECT_THAT(help.out, HasSubstr("--json")) << name;
  }
}

TEST(Usage, NonsenseIsAUsageErrorAndDoesNothing) {
  const MayflySandbox sandbox;
  const std::vector<std::vector<std::string>> lines = {
      {},
      {"frobnicate"},
      {"init", "--frobnicate"},
      {"init", "extra"},
      {"init", "--folder"},
      {"init", "--module", "/m.so"},
      {"init", "--module", "/m.so", "--token", "pkcs11:token=t"},
      {"init", "--token", "pkcs11:token=t", "--pin-source", "fd:3"},
      {"init", "--env", "A=b"},
      {"init", "--module", "/m.so", "--token", "pkcs11:token=t", "--pin-source", "s3cret"},
      {"init", "--module", "/m.so", "--token", "pkcs11:token=t", "--pin-source", "fd:3", "--env",
       "A"},
      {"doctor", "--config"},
      {"init", "doctor"},
      {"revoke", "--all", "--reason", std::string(513, 'r')},
  };
  for (const auto& line : lines) {
    const Outcome outcome = sandbox.mayfly(line);
    EXPECT_EQ(outcome.status, 2) << testing::PrintToString(line) << outcome.err;
    EXPECT_EQ(outcome.out, "") << testing::PrintToString(line);
    EXPECT_NE(outcome.err, "") << testing::PrintToString(line);
    EXPECT_THAT(outcome.err, testing::Not(HasSubstr("s3cret")));
  }
  EXPECT_THAT(tree(sandbox.root() / "config"), testing::IsEmpty());
}

}  // namespace
}  // namespace mayfly::test
