// Every attack of `mayfly drill` fails, and succeeds as soon as its safeguard is switched off.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/safeguard.h"
#include "integration/tools/mayfly_sandbox.h"
#include "support/rounds.h"
#include "support/softhsm_token.h"
#include "support/swtpm.h"

namespace mayfly::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

namespace fs = std::filesystem;

constexpr char kVariable[] = "MAYFLY_SAFEGUARDS_OFF";

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What a drill found: each attack's result, and what was seen of it.
struct Findings {
  int status = -1;
  std::map<std::string, std::string> results;
  std::map<std::string, std::string> details;
  std::string errors;

  [[nodiscard]] std::set<std::string> with(const std::string& result) const {
    std::set<std::string> names;
    for (const auto& [name, found] : results) {
      if (found == result) names.insert(name);
    }
    return names;
  }
  [[nodiscard]] std::string story() const {
    std::string text = errors;
    for (const auto& [name, found] : results) {
      if (found != "held") text += "\n" + name + " " + found + ": " + details.at(name);
    }
    return text;
  }
};

/// A machine with a configuration to be drilled.
class Drilled {
 public:
  Drilled() {
    fs::create_directory(places());
    // Nothing of the test's own shall keep another user out.
    for (const fs::path& folder : {sandbox_.root(), places()}) {
      fs::permissions(folder,
                      fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    }
  }

  [[nodiscard]] const MayflySandbox& sandbox() const noexcept { return sandbox_; }
  [[nodiscard]] fs::path config() const { return sandbox_.user_folder() / "mayfly.toml"; }
  /// Where the drill puts what it throws away.
  [[nodiscard]] fs::path places() const { return sandbox_.root() / "t"; }

  [[nodiscard]] Outcome run(const std::string& program, std::vector<std::string> arguments,
                            const std::string& off = "", const Environment& more = {}) const {
    arguments.insert(arguments.begin(), "drill");
    arguments.insert(arguments.begin(), program);
    Environment environment = {{"XDG_CONFIG_HOME", (sandbox_.root() / "config").string()},
                               {"HOME", (sandbox_.root() / "home").string()},
                               {"XDG_RUNTIME_DIR", (sandbox_.root() / "run").string()},
                               {"TMPDIR", places().string()},
                               {"MAYFLY_CONF", std::nullopt},
                               {"MAYFLY_SOCKET", std::nullopt},
                               {"SOFTHSM2_CONF", std::nullopt},
                               {kVariable, off}};
    environment.insert(more.begin(), more.end());
    return test::run(arguments, environment);
  }

  [[nodiscard]] Findings drill(const std::string& program, const std::set<std::string>& only = {},
                               const std::string& off = "") const {
    std::vector<std::string> arguments = {"--json"};
    for (const std::string& name : only) arguments.insert(arguments.end(), {"--only", name});
    const Outcome outcome = run(program, arguments, off);
    Findings findings{outcome.status, {}, {}, outcome.err};
    const json report = json::parse(outcome.out, nullptr, false);
    EXPECT_FALSE(report.is_discarded()) << outcome.out << outcome.err;
    if (report.is_discarded()) return findings;
    for (const json& attack : report.at("attacks")) {
      findings.results[attack.at("name")] = attack.at("result");
      findings.details[attack.at("name")] = attack.at("detail");
    }
    return findings;
  }

 private:
  MayflySandbox sandbox_;
};

struct OnSoftHsm : Drilled {
  OnSoftHsm() { sandbox().init(sandbox().user_folder()); }

  /// Asks the device itself, past mayfly.
  [[nodiscard]] std::string pkcs11_tool(std::vector<std::string> arguments) const {
    const fs::path folder = sandbox().user_folder();
    std::vector<std::string> all = {"/usr/bin/pkcs11-tool",
                                    "--module",
                                    SoftHsmToken::module_path().string(),
                                    "--token-label",
                                    "mayfly",
                                    "--login",
                                    "--pin",
                                    content_of(folder / "pin")};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome outcome =
        test::run(all, {{"SOFTHSM2_CONF", (folder / "softhsm2.conf").string()}});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  }
};

struct OnStoredKeys : OnSoftHsm {
  OnStoredKeys() {
    std::ifstream file(config());
    std::string text(std::istreambuf_iterator<char>(file), {});
    for (const auto& [table, key] :
         {std::pair<std::string, std::string>{"\n[device]\n", "keys = \"stored\"\n"},
          {"\n[registry]\n", "file = \"registry.db\"\n"}}) {
      text.replace(text.find(table), table.size(), table + key);
    }
    std::ofstream(config()) << text;
  }
};

struct OnTpm : Drilled {
  OnTpm() {
    const Outcome outcome = sandbox().mayfly({"init", "--device", "tpm", "--tcti", tpm.tcti()});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
  }
  Swtpm tpm;
};

std::set<std::string> as_root(std::set<std::string> names) {
  if (geteuid() != 0) names.insert("connect-as-another-user");
  return names;
}

void expect_all_held(const Drilled& drilled, const std::set<std::string>& not_tried) {
  const Findings findings = drilled.drill(MAYFLY_COMMAND);
  EXPECT_EQ(findings.status, 0) << findings.story();
  EXPECT_GE(findings.results.size(), 30U);
  EXPECT_EQ(findings.with("not tried"), not_tried) << findings.story();
  EXPECT_EQ(findings.with("held").size() + not_tried.size(), findings.results.size())
      << findings.story();
  EXPECT_TRUE(fs::is_empty(drilled.places())) << "the drill leaves nothing behind";
}

/// The same on a token that somebody else uses, too.
void expect_all_held_beside_others(const OnSoftHsm& drilled) {
  static_cast<void>(drilled.pkcs11_tool(
      {"--keypairgen", "--key-type", "EC:prime256v1", "--label", "another's", "--id", "01"}));
  const std::string before = drilled.pkcs11_tool({"--list-objects"});
  EXPECT_THAT(before, HasSubstr("another's"));
  expect_all_held(drilled, as_root({"use-a-stolen-context"}));
  EXPECT_EQ(drilled.pkcs11_tool({"--list-objects"}), before)
      << "nothing of others is touched, and nothing of the drill is left";
}

TEST(Drill, EveryAttackFailsOnSoftHsm) { expect_all_held_beside_others(OnSoftHsm()); }

TEST(Drill, EveryAttackFailsOnADeviceThatStoresKeys) {
  expect_all_held_beside_others(OnStoredKeys());
}

TEST(Drill, EveryAttackFailsOnATpm) { expect_all_held(OnTpm(), as_root({"reap-a-bystander"})); }

using Names = std::set<std::string>;

/// The safeguards of each attack.
std::map<std::string, Names> safeguards_of_attacks(const Drilled& drilled) {
  const Outcome outcome = drilled.run(MAYFLY_COMMAND, {"--list", "--json"});
  std::map<std::string, Names> safeguards;
  for (const json& scenario : json::parse(outcome.out)) {
    safeguards[scenario.at("name")] = scenario.at("safeguards").get<Names>();
  }
  return safeguards;
}

std::string joined(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

/// The attacks whose safeguards are all off.
Names open_to(const std::map<std::string, Names>& safeguards, const Names& off) {
  Names attacks;
  for (const auto& [attack, needed] : safeguards) {
    if (std::ranges::includes(off, needed)) attacks.insert(attack);
  }
  return attacks;
}

/// Whether all attacks are made for each safeguard, not only those that it keeps out: that takes
/// some minutes.
bool thorough() { return rounds() > 200; }

/// Attacks that need more than one safeguard, of which each alone is enough to let them through:
/// the first is the one that they are listed with.
const std::map<std::string, Names> kAlsoOpenTo = {
    // What a killed process leaves to the others to end, is left on the device without this.
    {"device-cleanup", {"kill-the-command", "kill-the-guardian", "kill-the-supervisor"}},
    // A command that has the guardian's channel keeps the supervisor from noticing its death.
    {"inherited-descriptors", {"kill-the-guardian"}},
    // Who is given all handles is given those of private keys.
    {"one-tasks-handles", {"use-after-logout"}},
    // The end of a connection is the end of its sessions.
    {"session-end", {"kill-a-client"}},
};

/// Makes all attacks that the safeguards that are left keep out, a few at a time: some of those
/// that are off make every task slow to end.
void expect_others_held(const Drilled& drilled, const std::map<std::string, Names>& safeguards,
                        const Names& off) {
  static constexpr std::size_t kAtATime = 12;
  const auto also = kAlsoOpenTo.find(joined(off));
  const Names open = also == kAlsoOpenTo.end() ? Names() : also->second;
  Names others;
  for (const auto& [attack, needed] : safeguards) {
    const bool kept_out = !std::ranges::includes(off, needed) && !open.contains(attack);
    if (kept_out) others.insert(attack);
    if (others.size() < kAtATime && attack != safeguards.rbegin()->first) continue;
    const Findings findings = drilled.drill(MAYFLY_SWITCHABLE_COMMAND, others, joined(off));
    EXPECT_THAT(findings.with("broken"), IsEmpty()) << findings.story();
    others.clear();
  }
}

/// Switches off one set of safeguards after the other, those that `wanted` chooses.
void walk_safeguards(const Drilled& drilled, const std::function<bool(const Names&)>& wanted) {
  const auto safeguards = safeguards_of_attacks(drilled);
  std::set<Names> sets;
  for (const auto& [attack, needed] : safeguards) {
    ASSERT_FALSE(needed.empty()) << attack;
    if (wanted(needed)) sets.insert(needed);
  }
  ASSERT_FALSE(sets.empty());
  for (const Names& off : sets) {
    SCOPED_TRACE(joined(off) + " off");
    const Names attacks = open_to(safeguards, off);
    const Findings findings = drilled.drill(MAYFLY_SWITCHABLE_COMMAND, attacks, joined(off));
    EXPECT_EQ(findings.status, 1);
    EXPECT_EQ(findings.with("broken"), attacks) << findings.story();
    if (thorough()) expect_others_held(drilled, safeguards, off);
  }
}

bool is_for_stored_keys(const Names& safeguards) { return safeguards.contains("ownership-proof"); }

bool is_for_the_chip(const Names& safeguards) { return safeguards.contains("chip-deadline"); }

TEST(Drill, WithoutItsSafeguardEachAttackSucceeds) {
  walk_safeguards(OnSoftHsm(), [](const Names& names) {
    return !is_for_stored_keys(names) && !names.contains("chip-secret") &&
           (geteuid() == 0 || !names.contains("peer-user"));
  });
}

TEST(Drill, WithoutItsSafeguardEachAttackOnADeviceThatStoresKeysSucceeds) {
  walk_safeguards(OnStoredKeys(), [](const Names& names) {
    return is_for_stored_keys(names) || names.contains("device-cleanup");
  });
}

TEST(Drill, WithoutItsSafeguardEachAttackOnATpmSucceeds) {
  walk_safeguards(OnTpm(), is_for_the_chip);
}

TEST(Drill, WithAllSafeguardsTheSwitchableBuildHoldsAsTheProductDoes) {
  const Findings findings = OnSoftHsm().drill(MAYFLY_SWITCHABLE_COMMAND);
  EXPECT_EQ(findings.status, 0) << findings.story();
}

TEST(Drill, WhatIsShippedHasNoSwitch) {
  EXPECT_THAT(content_of(MAYFLY_SWITCHABLE_COMMAND), HasSubstr(kVariable));
  for (const char* product : {MAYFLY_COMMAND, MAYFLY_LIBRARY}) {
    const std::string content = content_of(product);
    EXPECT_FALSE(content.empty());
    EXPECT_EQ(content.find(kVariable), std::string::npos) << product;
  }
}

TEST(Drill, ThePageListsEveryAttack) {
  const Outcome outcome = Drilled().run(MAYFLY_COMMAND, {"--list", "--json"});
  std::string table;
  for (const json& scenario : json::parse(outcome.out)) {
    std::string safeguards;
    for (const std::string name : scenario.at("safeguards")) {
      safeguards += (safeguards.empty() ? "`" : ", `") + name + "`";
    }
    table += "| `" + scenario.at("name").get<std::string>() + "` | " +
             scenario.at("attacker").get<std::string>() + " | " +
             scenario.at("attack").get<std::string>() + " | " +
             scenario.at("must").get<std::string>() + " | " + safeguards + " |\n";
  }
  const fs::path page = fs::path(MAYFLY_SOURCE_FOLDER) / "docs" / "drill.md";
  const std::string begin = "| attack |";
  if (std::getenv("MAYFLY_WRITE_REFERENCE") != nullptr) {
    std::string text = content_of(page);
    const std::size_t rows = text.find("\n| `", text.find(begin)) + 1;
    std::size_t end = rows;
    while (text.compare(end, 2, "| ") == 0) end = text.find('\n', end) + 1;
    text.replace(rows, end - rows, table);
    std::ofstream(page, std::ios::binary) << text;
  }
  EXPECT_THAT(content_of(page), HasSubstr(table));
}

// Each program that the task's command becomes has files open for a moment, which a look at its
// descriptors would take for inherited ones. This one keeps its script open.
TEST(Drill, TheTasksCommandBecomesNoOtherProgram) {
  const OnSoftHsm drilled;
  const fs::path folder = drilled.sandbox().root() / "bin";
  fs::create_directory(folder);
  std::ofstream(folder / "cat") << "#!/bin/sh\nwhile read -r line; do :; done\n";
  fs::permissions(folder / "cat", fs::perms::owner_all);
  const Outcome outcome = drilled.run(MAYFLY_COMMAND, {"--only", "inherit-descriptors"}, "",
                                      {{"PATH", folder.string() + ":/usr/bin:/bin"}});
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
}

TEST(Drill, TellsPeopleAndTestServersOfAnAttackThatSucceeds) {
  const OnSoftHsm drilled;
  const std::string file = (drilled.sandbox().root() / "report.xml").string();
  const Outcome outcome = drilled.run(
      MAYFLY_SWITCHABLE_COMMAND,
      {"--only", "import-known-key", "--only", "live-longer", "--junit", file}, "ttl-limit");
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("held       import-known-key"));
  EXPECT_THAT(outcome.out, HasSubstr("BROKEN     live-longer"));
  EXPECT_THAT(outcome.out, HasSubstr("what must happen: the task is not opened"));
  EXPECT_THAT(outcome.out, HasSubstr("2 attacks: 1 failed, 1 succeeded, 0 not tried, 0 unclear\n"));
  const std::string report = content_of(file);
  EXPECT_THAT(report, HasSubstr("<testsuite name=\"mayfly drill\" tests=\"2\" failures=\"1\""));
  EXPECT_THAT(report, HasSubstr("name=\"live-longer\""));
  EXPECT_THAT(report, HasSubstr("<failure type=\"attack succeeded\""));
}

TEST(Drill, AnAttackThatCantBeTriedIsToldAndCounted) {
  const OnTpm drilled;
  const std::vector<std::string> only = {"--only", "reap-a-bystander"};
  const Outcome outcome = drilled.run(MAYFLY_COMMAND, only);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("not tried  reap-a-bystander"));
  EXPECT_THAT(outcome.out, HasSubstr("1 attacks: 0 failed, 0 succeeded, 1 not tried"));
  std::vector<std::string> all = only;
  all.emplace_back("--require-all");
  EXPECT_EQ(drilled.run(MAYFLY_COMMAND, all).status, 1);
}

TEST(Drill, AnAttackThatThereIsNotIsAMistake) {
  const Outcome outcome = OnSoftHsm().run(MAYFLY_COMMAND, {"--only", "no-such-attack"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no-such-attack"));
}

}  // namespace
}  // namespace mayfly::test
