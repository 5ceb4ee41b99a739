// Who is asked each time that a task is opened: only a yes in time opens it.
#include <fstream>
#include <iterator>

#include "integration/opening/grant_tasks.h"

namespace mayfly::test {
namespace {

/// A program is asked that the test writes.
class ApprovalTest : public GrantTasksTest {
 protected:
  ApprovalTest()
      : GrantTasksTest("[approval]\ncommand = \"/bin/sh ask one two\"\ntimeout = \"1s\"\n") {
    // The program's arguments are words of the configuration: its path is written here.
    std::ifstream stream(config_file_);
    std::string text{std::istreambuf_iterator<char>(stream), {}};
    const std::string script = (folder_.path() / "ask").string();
    text.replace(text.find("ask one"), 3, script);
    write_secret("mayfly.toml", text);
    EXPECT_EQ(initialize(), CKR_OK);
  }

  void answer_with(const std::string& script) const { write_secret("ask", script + "\n"); }
  [[nodiscard]] std::string asked() const {
    std::ifstream stream(folder_.path() / "asked");
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  [[nodiscard]] std::string asked_file() const { return (folder_.path() / "asked").string(); }
};

TEST_F(ApprovalTest, AYesOpensTheTask) {
  answer_with("cat > " + asked_file() + "; echo \"$1 $2\"");
  ASSERT_EQ(open(grant(good_claims())), CKR_OK);
  const auto question = nlohmann::json::parse(asked());
  EXPECT_EQ(question.at("task"), kGrantedTask);
  EXPECT_EQ(question.at("agent"), "billing-agent");
  EXPECT_EQ(question.at("grant"), "grant-1");
  EXPECT_EQ(question.at("max_ttl"), 600);
  EXPECT_EQ(question.at("max_signatures"), 3);
  EXPECT_EQ(question.at("mechanisms"), "CKM_ECDSA");
  EXPECT_EQ(question.at("scope"), (nlohmann::json{"pay", "read"}));
  EXPECT_NE(log().find("is approved: one two"), std::string::npos) << "what it says is logged";
}

TEST_F(ApprovalTest, NothingElseOpensIt) {
  for (const char* script : {"exit 1", "kill -9 $$", "sleep 600", "yes"}) {
    SCOPED_TRACE(script);
    answer_with(script);
    EXPECT_EQ(open(grant(good_claims())), CKR_FUNCTION_REJECTED);
    EXPECT_NE(log().find("is not approved"), std::string::npos);
  }
  std::filesystem::remove(folder_.path() / "ask");
  EXPECT_EQ(open(grant(good_claims())), CKR_FUNCTION_REJECTED);
  EXPECT_EQ(slots(), 0U);
  EXPECT_TRUE(recorded().empty());
  answer_with("exit 0");
  EXPECT_EQ(open(grant(good_claims())), CKR_OK) << "a no leaves the grant unused";
}

TEST_F(ApprovalTest, NobodyIsAskedForAGrantThatDoesNotHold) {
  answer_with("cat > " + asked_file());
  EXPECT_EQ(open("no grant"), CKR_PIN_INCORRECT);
  EXPECT_EQ(asked(), "");
}

TEST_F(ApprovalTest, IsAskedOfTasksBelowAsWell) {
  answer_with("cat > " + asked_file());
  ASSERT_EQ(open(grant(good_claims())), CKR_OK);
  const CK_SLOT_ID above = slot_;
  ASSERT_EQ(open("", "tool call", &above), CKR_OK);
  EXPECT_EQ(nlohmann::json::parse(asked()).at("parent"), kGrantedTask);
}

}  // namespace
}  // namespace mayfly::test
