// `mayfly audit`: verifying and reading ledgers, and the page for a browser in a real one.
#include <algorithm>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/process_identity.h"
#include "base/task_binding.h"
#include "integration/tools/audit_fixture.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using ledger::Event;
using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
  return count;
}

class Audit : public AuditFixture {
 protected:
  [[nodiscard]] std::string session_key() const {
    return to_hex(thumbprint(keys_.session.public_key()));
  }
};

TEST_F(Audit, VerifiesASealedChain) {
  const Outcome found = audit({"verify", file("chain", sealed_chain(keys_))});
  EXPECT_EQ(found.status, kOk) << found.err;
  EXPECT_THAT(found.out, HasSubstr("verdict      sealed\n"));
  EXPECT_THAT(found.out, HasSubstr("against nothing but itself"));
}

TEST_F(Audit, AFilesNameForgesNoLineAndSilencesNothing) {
  const std::string chain = sealed_chain(keys_);
  for (const std::string& name :
       {std::string("x\nverdict      sealed\n\x1b[8m"), std::string("b\xff")}) {
    const std::string path = file(name, chain);
    for (const Words& words : {Words{"verify", path}, {"show", path}}) {
      const Outcome found = audit(words);
      EXPECT_EQ(count_of(found.out, "verdict      sealed\n"), 1U) << found.out;
      EXPECT_THAT(found.out, Not(HasSubstr("\x1b")));
      Words as_json = words;
      as_json.emplace_back("--json");
      const Outcome json = audit(as_json);
      EXPECT_NE(json.out, "") << json.err;
    }
  }
}

TEST_F(Audit, SaysWhichLineIsWrong) {
  std::string chain = sealed_chain(keys_);
  chain.replace(chain.find("made"), 4, "fade");
  const Outcome found = audit({"verify", file("chain", chain)});
  EXPECT_EQ(found.status, kNotSealed);
  EXPECT_THAT(found.out, HasSubstr("verdict      tampered\n             line 5: "));
}

TEST_F(Audit, ChecksAgainstTheTasksKeyInEachOfItsForms) {
  const std::string chain = file("chain", sealed_chain(keys_));
  const std::string pem = file("key.pem", keys_.session.public_pem());
  const std::string others = file("other.pem", ChainKeys().session.public_pem());
  const std::string private_key = file("private.pem", keys_.session.pem());
  const std::string certificate = (sandbox_.root() / "certificate.pem").string();
  ASSERT_EQ(run({"/usr/bin/openssl", "req", "-x509", "-new", "-key", private_key, "-subj", "/CN=x",
                 "-days", "1", "-out", certificate})
                .status,
            0);
  const std::string jwk = keys_.session.jwk();
  const std::string token =
      keys_.session.jws("{}", "{\"cnf\":{\"jwk\":" + jwk + "},\"sub\":\"agent\"}");
  for (const std::string& key :
       {pem, certificate, session_key(), file("key.jwk", jwk), file("token.jwt", token)}) {
    const Outcome found = audit({"verify", chain, "--key", key});
    EXPECT_EQ(found.status, kOk) << key << found.out << found.err;
    EXPECT_THAT(found.out, Not(HasSubstr("against nothing but itself")));
  }
  EXPECT_EQ(audit({"verify", chain, "--key", others}).status, kNotSealed);
  EXPECT_EQ(audit({"verify", chain, "--key", pem, "--key", others}).status, kNotSealed);
  EXPECT_EQ(audit({"verify", chain, "--key", file("nothing", "nothing")}).status, kUsage);
  EXPECT_EQ(
      audit({"verify", chain, "--key", file("bare.jwt", keys_.session.jws("{}", "{}"))}).status,
      kUsage);
  EXPECT_EQ(audit({"verify", chain, "--key", "/nowhere"}).status, kNoInput);
}

TEST_F(Audit, ChecksAgainstTheLedgersKeyTheTaskAndAnEarlierHead) {
  const std::string chain = file("chain", sealed_chain(keys_));
  const std::string head = "3:" + to_hex(digest(Hash::sha256, as_bytes("another")));
  const Json found = Json::parse(audit({"verify", "--json", chain}).out).at("chains").at(0);
  const std::string whole = "10:" + found.at("head").get<std::string>();
  const std::string key = to_hex(thumbprint(keys_.ledger.public_key()));
  EXPECT_EQ(found.at("ledger_key"), key);
  EXPECT_EQ(found.at("anchored"), false);
  EXPECT_EQ(audit({"verify", chain, "--ledger-key", key, "--head", whole, "--task",
                   sample_task().id, "--serial", sample_task().serial})
                .status,
            kOk);
  EXPECT_EQ(audit({"verify", chain, "--ledger-key", session_key()}).status, kNotSealed);
  EXPECT_EQ(audit({"verify", chain, "--head", head}).status, kNotSealed);
  EXPECT_EQ(audit({"verify", chain, "--head", "3"}).status, kUsage);
  EXPECT_EQ(audit({"verify", chain, "--head", "0:" + std::string(64, '0')}).status, kUsage);
  EXPECT_EQ(audit({"verify", chain, "--task", "another"}).status, kNotSealed);
  EXPECT_EQ(audit({"verify", chain, "--serial", "ffffffffffffffff"}).status, kNotSealed);
  EXPECT_EQ(audit({"verify", chain, chain, "--task", sample_task().id}).status, kUsage);
}

TEST_F(Audit, SaysHowFarAHeadReaches) {
  const std::string text = sealed_chain(keys_);
  const std::string chain = file("chain", text);
  const auto head = [&text](int lines) {
    std::size_t begin = 0;
    for (int i = 1; i < lines; ++i) begin = text.find('\n', begin) + 1;
    const std::string line = text.substr(begin, text.find('\n', begin) - begin);
    return std::to_string(lines) + ":" + to_hex(digest(Hash::sha256, as_bytes(line)));
  };
  const Outcome early = audit({"verify", chain, "--head", head(2)});
  EXPECT_EQ(early.status, kOk);
  EXPECT_THAT(early.out, HasSubstr("anchored up to entry 2 only"));
  const Outcome late = audit({"verify", chain, "--head", head(3)});
  EXPECT_EQ(late.status, kOk);
  EXPECT_THAT(late.out, Not(HasSubstr("checked")));
  const auto anchored = [&](int lines) {
    return Json::parse(audit({"verify", "--json", chain, "--head", head(lines)}).out)
        .at("chains")
        .at(0)
        .at("anchored");
  };
  EXPECT_EQ(anchored(2), false);
  EXPECT_EQ(anchored(3), true);
  const std::string open = file("open", unsealed_chain(keys_).text());
  EXPECT_THAT(audit({"verify", open, "--key", session_key()}).out,
              HasSubstr("without a seal it vouches for no entry"));
}

TEST_F(Audit, TellsChainsWithoutASealApart) {
  const std::string chain = sealed_chain(keys_);
  const std::string cut = file("cut", chain.substr(0, chain.size() - 10));
  const std::string open = file("open", unsealed_chain(keys_).text());
  ChainText keyless;
  keyless.add(Event::open, open_data()).add(Event::end, end_data());
  const std::string never = file("keyless", keyless.text());
  const std::vector<std::pair<std::string, std::string>> verdicts = {
      {cut, "truncated"}, {open, "unsealed"}, {never, "keyless"}};
  for (const auto& [path, verdict] : verdicts) {
    const Outcome found = audit({"verify", path});
    EXPECT_EQ(found.status, kNotSealed);
    EXPECT_THAT(found.out, HasSubstr("verdict      " + verdict));
    EXPECT_EQ(audit({"verify", "--accept-unsealed", path}).status, kOk);
  }
  const std::string good = file("good", chain);
  EXPECT_EQ(audit({"verify", good, good}).status, kOk);
  EXPECT_EQ(audit({"verify", good, open}).status, kNotSealed) << "one of several is enough";
  EXPECT_EQ(audit({"verify", "--accept-unsealed", file("empty", "")}).status, kNotSealed);
  EXPECT_EQ(audit({"verify", "/nowhere"}).status, kNoInput);
  EXPECT_EQ(audit({"verify", "/"}).status, kNoInput);
}

TEST_F(Audit, TellsTheStory) {
  const Outcome shown = audit({"show", file("chain", sealed_chain(keys_))});
  EXPECT_EQ(shown.status, kOk) << shown.err;
  const std::string key = session_key().substr(0, 16);
  for (const char* part :
       {"agent        agent://billing\n", "allowed by   the key ops-key\n", "grant        g-1\n",
        "scope        pay read\n", "ended        closed after 2.250 s\n",
        "EC P-256, 2 signatures, destroyed after 1.000 s\n",
        "     2  2027-01-15 08:00:00.250  a client logged in\n",
        "refused: signing: the key may not <sign>\n",
        "    10  2027-01-15 08:00:02.250  sealed\n"}) {
    EXPECT_THAT(shown.out, HasSubstr(part));
  }
  EXPECT_THAT(shown.out,
              HasSubstr("signed with " + key + ", CKM_ECDSA_SHA256, message with digest " +
                        to_hex(digest(Hash::sha256, as_bytes("an invoice")))));
}

TEST_F(Audit, ShowsWhatIsAskedFor) {
  const std::string chain = file("chain", sealed_chain(keys_));
  const auto shown = [&](Words arguments) {
    arguments.insert(arguments.begin(), {"show", "--json", chain});
    const Outcome outcome = audit(arguments);
    EXPECT_EQ(outcome.status, kOk) << outcome.err;
    std::vector<int> numbers;
    const Json all = Json::parse(outcome.out);
    for (const Json& one : all.at("chains")) {
      for (const Json& entry : one.at("shown")) numbers.push_back(entry.at("n"));
    }
    return numbers;
  };
  EXPECT_EQ(shown({}).size(), 10U);
  EXPECT_EQ(shown({"--task", sample_task().id}).size(), 10U);
  EXPECT_EQ(shown({"--task", "other"}).size(), 0U);
  EXPECT_EQ(shown({"--agent", "agent://billing"}).size(), 10U);
  EXPECT_EQ(shown({"--agent", "agent://other"}).size(), 0U);
  EXPECT_EQ(shown({"--key", session_key().substr(0, 8)}), (std::vector{4, 5, 6, 8}));
  EXPECT_EQ(shown({"--since", "2027-01-15T08:00:02Z"}), (std::vector{9, 10}));
  EXPECT_EQ(shown({"--until", "1800000000"}), (std::vector{1}));
  EXPECT_EQ(audit({"show", "--since", "tomorrow", chain}).status, kUsage);
  EXPECT_EQ(audit({"show", "--json", "--html", chain}).status, kUsage);
}

TEST_F(Audit, ShowsWhatLiesBeforeATamperedLine) {
  std::string chain = sealed_chain(keys_);
  chain.replace(chain.find("made"), 4, "fade");
  const Outcome shown = audit({"show", file("chain", chain)});
  EXPECT_EQ(shown.status, kNotSealed);
  EXPECT_THAT(shown.out, HasSubstr("     4  "));
  EXPECT_THAT(shown.out, Not(HasSubstr("     5  ")));
}

/// A chain that began so many days ago.
ChainText aged(std::uint64_t days, const ChainKeys& keys, const Json& open) {
  ChainText chain((unix_now_s() - days * 86'400) * 1000);
  chain.add(Event::open, open)
      .add(Event::active, active_data(keys))
      .add(Event::generation, generation_data(keys));
  return chain;
}

TEST_F(Audit, PurgesWhatIsOldAndOverAndNothingElse) {
  const fs::path folder = sandbox_.root() / "ledger";
  fs::create_directory(folder);
  const auto add = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder / (name + ".jsonl"), std::ios::binary) << text;
  };
  const auto closed = [&](std::uint64_t days) {
    ChainText chain = aged(days, keys_, open_data());
    chain.add(Event::destruction, destruction_data(keys_)).add(Event::end, end_data());
    return chain.seal(keys_.ledger).text();
  };
  Json living = open_data();
  living["owner"] = ProcessIdentity::self().text();
  Json over = open_data();
  over["deadline"] = unix_now_s() - 99 * 86'400;
  std::string tampered = closed(100);
  tampered.replace(tampered.find("closed"), 6, "revoke");
  add("closed", closed(100));
  add("young", closed(80));
  add("open", aged(100, keys_, living).text());
  add("elsewhere", aged(100, keys_, open_data()).text());  // its deadline is not over yet
  add("abandoned", aged(100, keys_, over).text());
  add("tampered", tampered);
  std::ofstream(folder / "notes.txt") << "not a chain";

  const auto purge = [&](Words more) {
    Words arguments = {"purge", "--folder", folder.string(), "--older", "90d"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return audit(arguments);
  };
  const Outcome dry = purge({"--dry-run"});
  EXPECT_EQ(dry.status, kNotSealed) << "one was tampered with";
  EXPECT_THAT(dry.out, HasSubstr("2 would be removed, 4 kept\n"));
  EXPECT_EQ(tree(folder).size(), 7U);
  const Outcome done = purge({});
  EXPECT_THAT(done.out, HasSubstr("2 removed, 4 kept\n"));
  EXPECT_THAT(done.out, HasSubstr("tampered.jsonl: it was tampered with"));
  EXPECT_EQ(tree(folder), (Words{"closed-chains", "elsewhere.jsonl", "notes.txt", "open.jsonl",
                                 "tampered.jsonl", "young.jsonl"}));
  EXPECT_EQ(audit({"purge", "--folder", folder.string()}).status, kUsage);
}

/// A page as Chromium has it after loading it, scripts and all.
std::string loaded(const fs::path& folder, const std::string& page) {
  const Outcome outcome = run(
      {"/usr/bin/chromium", "--headless", "--no-sandbox", "--disable-gpu",
       "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + (folder / "b").string(),
       "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", "file://" + page},
      {{"HOME", folder.string()}});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return outcome.out;
}

/// A chain in which each text that a client or an approver has a say in tries to be more than text.
std::string hostile_chain(const ChainKeys& keys) {
  const std::string attack =
      "</title></svg><script>document.title='owned'</script><img src=x "
      "onerror=\"document.title='owned'\">'\"&amp;";
  Json open = open_data();
  for (const char* member : {"agent", "approver", "grant", "parent", "scope"})
    open[member] = attack;
  Json refusal = refusal_data();
  for (const char* member : {"reason", "what", "mechanism", "key"}) refusal[member] = attack;
  ChainText chain;
  chain.add(Event::open, open)
      .add(Event::active, active_data(keys))
      .add(Event::generation, generation_data(keys))
      .add(Event::signature, signature_data(keys))
      .add(Event::refusal, refusal)
      .add(Event::destruction, destruction_data(keys))
      .add(Event::end, end_data())
      .seal(keys.ledger);
  return chain.text();
}

TEST_F(Audit, MakesAPageThatABrowserShows) {
  const Outcome page = audit({"show", "--html", file("chain", sealed_chain(keys_))});
  ASSERT_EQ(page.status, kOk) << page.err;
  const std::string dom = loaded(sandbox_.root(), file("page.html", page.out));
  EXPECT_EQ(count_of(dom, "<svg "), 1U);
  EXPECT_EQ(count_of(dom, "class=\"life\""), 1U) << "the life of the one key";
  EXPECT_THAT(dom, HasSubstr("<span class=\"verdict sealed\">sealed</span>"));
  EXPECT_THAT(dom, HasSubstr("<h2>invoices 17 &amp; &lt;18&gt;</h2>"));
  EXPECT_EQ(count_of(dom, "<tr class=\""), 10U) << "a row for each entry";
  EXPECT_EQ(count_of(dom, " signatures</title></rect>"), 2U) << "a column for each moment";
  EXPECT_EQ(count_of(dom, " refusals</title></rect>"), 1U);
}

TEST_F(Audit, MakesAPageOnWhichNothingRunsAndNothingIsFetched) {
  const Outcome page = audit({"show", "--html", file("chain", hostile_chain(keys_))});
  ASSERT_EQ(page.status, kOk) << page.err;
  EXPECT_FALSE(
      std::regex_search(page.out, std::regex("<script|<img|<link|@import|url\\(|src=[^x]")));
  std::string unguarded = page.out;
  const std::size_t policy = unguarded.find("<meta http-equiv=\"Content-Security-Policy\"");
  ASSERT_NE(policy, unguarded.npos);
  unguarded.erase(policy, unguarded.find(">\n", policy) + 1 - policy);
  for (const std::string& text : {page.out, unguarded}) {
    const std::string dom = loaded(sandbox_.root(), file("page.html", text));
    EXPECT_THAT(dom, HasSubstr("<title>mayfly audit</title>"));
    EXPECT_THAT(dom, HasSubstr("&lt;script&gt;document.title='owned'&lt;/script&gt;"));
    EXPECT_EQ(count_of(dom, "<script"), 0U);
    EXPECT_EQ(count_of(dom, "<img"), 0U);
  }
  // The same attack succeeds where it is not text, so that the checks above can fail.
  std::string open = unguarded;
  open.replace(open.find("<h1>"), 4, "<script>document.title='owned'</script><h1>");
  EXPECT_THAT(loaded(sandbox_.root(), file("page.html", open)), HasSubstr("<title>owned</title>"));
}

TEST_F(Audit, HoldsScriptsOffByThePagesOwnPolicyToo) {
  const Outcome page = audit({"show", "--html", file("chain", sealed_chain(keys_))});
  std::string changed = page.out;
  changed.replace(changed.find("<h1>"), 4, "<script>document.title='owned'</script><h1>");
  EXPECT_THAT(loaded(sandbox_.root(), file("page.html", changed)),
              HasSubstr("<title>mayfly audit</title>"));
}

}  // namespace
}  // namespace mayfly::test
