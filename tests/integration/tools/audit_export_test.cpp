// `mayfly audit export`, as the receivers read it.
#include <fstream>
#include <map>
#include <regex>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "base/hash.h"
#include "integration/tools/audit_fixture.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;
using ledger::Event;
using testing::HasSubstr;
using testing::SizeIs;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

/// A message of RFC 5424, read by the ABNF of its section 6.
struct Message {
  int priority = 0;
  std::string time, host, app, process, id, data_id, text;
  std::map<std::string, std::string> data;
};

/// The value of a PARAM-VALUE, and what comes after its quote.
std::string param_value(std::string_view& rest) {
  std::string value;
  while (true) {
    if (rest.empty()) throw std::runtime_error("a value has no end");
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c == '"') return value;
    if (c == ']') throw std::runtime_error("a bracket is not escaped");
    if (c != '\\') {
      value += c;
      continue;
    }
    if (rest.empty() || std::string_view("\"\\]").find(rest.front()) == std::string_view::npos) {
      throw std::runtime_error("something is escaped that need not be");
    }
    value += rest.front();
    rest.remove_prefix(1);
  }
}

Message parse(const std::string& line) {
  static const std::regex kHeader(
      "<([1-9]?[0-9]|1[0-8][0-9]|19[01])>1 "
      "([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{1,6})?Z) "
      "([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) \\[([!#-<>-\\\\^-~]{1,32})");
  std::smatch match;
  if (!std::regex_search(line, match, kHeader, std::regex_constants::match_continuous)) {
    throw std::runtime_error("no header: " + line);
  }
  Message message{
      std::stoi(match[1]), match[2], match[3], match[4], match[5], match[6], match[7], {}, {}};
  std::string_view rest = std::string_view(line).substr(static_cast<std::size_t>(match.length()));
  while (rest.starts_with(' ')) {
    const std::size_t equals = rest.find("=\"");
    if (equals == rest.npos) throw std::runtime_error("no PARAM: " + line);
    const std::string name(rest.substr(1, equals - 1));
    static const std::regex kName("[!#-<>-\\\\^-~]{1,32}");
    if (!std::regex_match(name, kName)) throw std::runtime_error("no PARAM-NAME: " + name);
    rest.remove_prefix(equals + 2);
    if (!message.data.emplace(name, param_value(rest)).second) {
      throw std::runtime_error("a parameter is there twice: " + name);
    }
  }
  if (!rest.starts_with("] ")) throw std::runtime_error("no end of the data: " + line);
  message.text = rest.substr(2);
  return message;
}

/// A datagram of journald's protocol, read as journald does.
std::map<std::string, std::string> parse_fields(std::string_view datagram) {
  std::map<std::string, std::string> fields;
  static const std::regex kName("[A-Z][A-Z0-9_]{0,63}");
  while (!datagram.empty()) {
    const std::size_t end = datagram.find('\n');
    if (end == datagram.npos) throw std::runtime_error("a field has no end");
    const std::string_view line = datagram.substr(0, end);
    const std::size_t equals = line.find('=');
    if (equals == line.npos) throw std::runtime_error("a field of more lines was not expected");
    const std::string name(line.substr(0, equals));
    if (!std::regex_match(name, kName)) throw std::runtime_error("no field: " + name);
    if (!fields.emplace(name, line.substr(equals + 1)).second) {
      throw std::runtime_error("a field is there twice: " + name);
    }
    datagram.remove_prefix(end + 1);
  }
  return fields;
}

/// A receiver of datagrams. What was sent before it is asked waits in it.
class Receiver {
 public:
  explicit Receiver(const fs::path& path) : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(socket_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("no socket");
    }
  }

  /// While a command sends them: a socket holds few.
  std::vector<std::string> receive_all() {
    std::vector<std::string> messages;
    std::string buffer(256 * 1024, '\0');
    while (true) {
      const ssize_t size = recv(socket_.number(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0) return messages;
      messages.emplace_back(buffer, 0, static_cast<std::size_t>(size));
    }
  }

 private:
  const Descriptor socket_;
};

class AuditExport : public AuditFixture {
 protected:
  [[nodiscard]] Outcome do_export(Words arguments) const {
    arguments.insert(arguments.begin(), {"export", "--format"});
    return audit(std::move(arguments));
  }
  static Words lines_of(const std::string& text) {
    Words lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
  }
  static std::vector<Message> messages_in(const Outcome& outcome) {
    std::vector<Message> messages;
    for (const std::string& line : lines_of(outcome.out)) messages.push_back(parse(line));
    return messages;
  }
};

TEST_F(AuditExport, WritesMessagesOfRfc5424) {
  const std::string chain = sealed_chain(keys_);
  const Outcome outcome = do_export({"syslog", file("chain", chain)});
  ASSERT_EQ(outcome.status, kOk) << outcome.err;
  const std::vector<Message> messages = messages_in(outcome);
  const Words lines = lines_of(chain);
  ASSERT_EQ(messages.size(), lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Json entry = Json::parse(lines[i]);
    EXPECT_EQ(messages[i].id, entry.at("event").get<std::string>());
    EXPECT_EQ(messages[i].app, "mayfly");
    EXPECT_EQ(messages[i].data.at("task"), sample_task().id);
    EXPECT_EQ(messages[i].data.at("serial"), sample_task().serial);
    EXPECT_EQ(messages[i].data.at("n"), std::to_string(i + 1));
    EXPECT_EQ(messages[i].data.at("prev"), entry.at("prev").get<std::string>());
    EXPECT_EQ(messages[i].data.at("hash"), to_hex(digest(Hash::sha256, as_bytes(lines[i]))));
    EXPECT_EQ(messages[i].priority, messages[i].id == "refusal" ? 13 * 8 + 4 : 13 * 8 + 6);
  }
  EXPECT_EQ(messages[6].data.at("reason"), "the key may not <sign>");
  EXPECT_EQ(messages[0].time, "2027-01-15T08:00:00.000Z");
}

TEST_F(AuditExport, EscapesWhatWouldEndAValue) {
  const std::string hostile = "a\"] [x@1 y=\"\\ z]\u00e9";
  Json refusal = refusal_data();
  refusal["reason"] = hostile;
  ChainText chain;
  chain.add(Event::open, open_data()).add(Event::refusal, refusal);
  const auto messages = messages_in(do_export({"syslog", file("chain", chain.text())}));
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[1].data.at("reason"), hostile);
  EXPECT_TRUE(messages[1].text.starts_with("\xef\xbb\xbf")) << "UTF-8 is marked as such";
  EXPECT_TRUE(messages[0].text.starts_with("task ")) << "ASCII needs no mark";
}

TEST_F(AuditExport, KeepsMessagesWithinWhatReceiversTake) {
  Json open = open_data();
  open["scope"] = std::string(9'000, 's');
  ChainText chain;
  chain.add(Event::open, open);
  const Outcome outcome = do_export({"syslog", file("chain", chain.text())});
  ASSERT_THAT(lines_of(outcome.out), SizeIs(1));
  EXPECT_LE(lines_of(outcome.out)[0].size(), 8192U);
  const auto messages = messages_in(outcome);
  EXPECT_EQ(messages[0].data.at("left_out"), "scope");
  EXPECT_EQ(messages[0].data.count("scope"), 0U);
}

TEST_F(AuditExport, TellsOfAChainThatWasTamperedWith) {
  std::string chain = sealed_chain(keys_);
  chain.replace(chain.find("made"), 4, "fade");
  const Outcome outcome = do_export({"syslog", file("chain", chain)});
  EXPECT_EQ(outcome.status, kNotSealed);
  const auto messages = messages_in(outcome);
  ASSERT_EQ(messages.size(), 5U) << "what fits, and the alarm";
  EXPECT_EQ(messages[4].id, "tampered");
  EXPECT_EQ(messages[4].priority, 13 * 8 + 1);
  EXPECT_EQ(messages[4].data.at("line"), "5");
}

TEST_F(AuditExport, TellsOfWhatIsNoFileAndExportsTheRest) {
  const fs::path folder = sandbox_.root() / "ledger";
  fs::create_directory(folder);
  ASSERT_EQ(mkfifo((folder / "0000000000000000.jsonl").c_str(), 0600), 0);
  ChainText running;
  static_cast<void>(file("ledger/" + sample_task().serial + ".jsonl",
                         running.add(Event::open, open_data()).text()));
  const Outcome outcome = do_export({"syslog", "--folder", folder.string()});
  EXPECT_EQ(outcome.status, kNotSealed);
  const auto messages = messages_in(outcome);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].id, "tampered");
  EXPECT_THAT(messages[0].text, HasSubstr("it is no regular file"));
  EXPECT_EQ(messages[1].id, "open");
}

TEST_F(AuditExport, SendsDatagrams) {
  Receiver receiver(sandbox_.root() / "log");
  const std::string to = (sandbox_.root() / "log").string();
  ChainText start;
  const std::string chain =
      file("chain", start.add(Event::open, open_data()).add(Event::login, Json::object()).text());
  ASSERT_EQ(do_export({"syslog", chain, "--to", to}).status, kOk);
  const Words syslog = receiver.receive_all();
  ASSERT_THAT(syslog, SizeIs(2));
  EXPECT_EQ(parse(syslog[0]).id, "open");

  ASSERT_EQ(do_export({"journald", chain, "--to", to}).status, kOk);
  const Words journal = receiver.receive_all();
  ASSERT_THAT(journal, SizeIs(2));
  const auto fields = parse_fields(journal[0]);
  EXPECT_EQ(fields.at("SYSLOG_IDENTIFIER"), "mayfly");
  EXPECT_EQ(fields.at("PRIORITY"), "6");
  EXPECT_EQ(fields.at("MAYFLY_EVENT"), "open");
  EXPECT_EQ(fields.at("MAYFLY_TASK"), sample_task().id);
  EXPECT_EQ(fields.at("MAYFLY_N"), "1");
  EXPECT_THAT(fields.at("MESSAGE"), HasSubstr("opened, until"));

  EXPECT_EQ(do_export({"syslog", chain, "--to", to + "-nowhere"}).status, kCannotWrite);
  EXPECT_EQ(do_export({"syslog", chain, "--to", std::string(200, 'a')}).status, kUsage);
}

TEST_F(AuditExport, WritesJsonLines) {
  const Outcome outcome = do_export({"json", file("chain", sealed_chain(keys_))});
  ASSERT_THAT(lines_of(outcome.out), SizeIs(10));
  const Json last = Json::parse(lines_of(outcome.out).back());
  EXPECT_EQ(last.at("event"), "seal");
  EXPECT_EQ(last.at("n"), 10);
  EXPECT_EQ(last.at("data").size(), 1U);
}

TEST_F(AuditExport, GoesOnWhereItStopped) {
  const fs::path folder = sandbox_.root() / "ledger";
  fs::create_directory(folder);
  ChainText running;
  running.add(Event::open, open_data());
  const std::string name = "ledger/" + sample_task().serial + ".jsonl";
  static_cast<void>(file(name, running.text()));
  const std::string state = (sandbox_.root() / "state").string();
  const auto count = [&] {
    const Outcome outcome = do_export({"json", "--folder", folder.string(), "--state", state});
    EXPECT_EQ(outcome.status, kOk) << outcome.err;
    return lines_of(outcome.out).size();
  };
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(count(), 0U);
  running.add(Event::login, Json::object());
  static_cast<void>(file(name, running.text() + "{\"half"));
  EXPECT_EQ(count(), 1U) << "of a running chain, what is whole";
  static_cast<void>(file("state", "nonsense"));
  EXPECT_NE(do_export({"json", "--folder", folder.string(), "--state", state}).status, kOk);
}

}  // namespace
}  // namespace mayfly::test
