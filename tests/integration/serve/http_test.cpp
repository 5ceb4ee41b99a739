// What the broker serves over HTTP, met with curl, and what hostile clients get of it.
#include <arpa/inet.h>
#include <fstream>
#include <netinet/in.h>
#include <regex>
#include <set>
#include <signal.h>
#include <sys/socket.h>

#include <gmock/gmock.h>

#include "base/descriptor.h"
#include "integration/serve/listed_broker.h"

namespace mayfly::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

class ServeHttp : public testing::Test {
 protected:
  /// Where the broker serves, as its log says. Waits for it.
  std::string address() const {
    std::smatch found;
    EXPECT_TRUE(eventually([&] {
      const std::string log = home_.log();
      if (!std::regex_search(log, found, std::regex("serving HTTP at (\\S+)"))) return false;
      address_ = found[1];
      return true;
    }));
    return address_;
  }

  /// What curl prints: the answer's head and its body.
  std::string fetch(const std::string& path, std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"/usr/bin/curl", "--silent", "--show-error", "--include",
                                     "--path-as-is", "--max-time", "20"});
    options.push_back("http://" + address() + path);
    const Outcome outcome = run(options);
    return outcome.out + outcome.err;
  }

  static std::string body_of(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }

  /// A connection of somebody who is no HTTP client.
  Descriptor connect() const {
    const std::string text = address();
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(std::stoi(text.substr(text.find(':') + 1))));
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{20, 0};
    setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(socket.number(), reinterpret_cast<const sockaddr*>(&where), sizeof where),
              0);
    return socket;
  }

  /// All that is answered to some bytes, until the other side closes.
  std::string answer_to(const std::string& bytes) const {
    const Descriptor socket = connect();
    EXPECT_GE(send(socket.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL), 0);
    ::shutdown(socket.number(), SHUT_WR);
    std::string answer;
    char buffer[4096];
    for (ssize_t size = 0; (size = recv(socket.number(), buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(size));
    }
    return answer;
  }

  /// The value of a sample of /metrics; nothing if it is not there.
  std::optional<double> metric(const std::string& sample) const {
    std::istringstream lines(body_of(fetch("/metrics")));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(sample + " ")) return std::stod(line.substr(sample.size() + 1));
    }
    return std::nullopt;
  }

  /// A signature by the key that the task has.
  Outcome sign_once(const OpenedTask& task) const {
    return run({MAYFLY_PROGRAM, "proof", "dpop", "--method", "GET", "--url", "https://api.example/",
                "--config", home_.config_file().string()},
               {{"MAYFLY_SOCKET", task.door}});
  }

  mutable std::string address_;
  ListedHome home_{"listen = \"127.0.0.1:0\"\n"};
};

TEST_F(ServeHttp, TheFilesAreServedAndKeptNoLongerThanTheyHold) {
  const ServedBroker broker(home_);
  static_cast<void>(broker.open("t"));
  const std::string list = fetch("/status.jwt");
  EXPECT_THAT(list, HasSubstr("200 OK"));
  EXPECT_THAT(list, HasSubstr("Content-Type: application/statuslist+jwt\r\n"));
  EXPECT_THAT(list, ContainsRegex("Cache-Control: (max-age=[0-9]|max-age=1[0-5]|no-cache)\r"));
  EXPECT_EQ(body_of(list), read_file(home_.list_file()));
  const std::string keys = fetch("/keys.json");
  EXPECT_THAT(keys, HasSubstr("Content-Type: application/jwk-set+json\r\n"));
  EXPECT_EQ(body_of(keys), read_file(home_.list_folder() / "keys.json"));
  const std::string head = fetch("/status.jwt", {"--head"});
  EXPECT_THAT(head, HasSubstr("200 OK"));
  EXPECT_EQ(body_of(head), "");
}

TEST_F(ServeHttp, WhatIsKnownAlreadyIsNotSentAgain) {
  const ServedBroker broker(home_);
  const std::string first = fetch("/keys.json");
  std::smatch tag;
  ASSERT_TRUE(std::regex_search(first, tag, std::regex("ETag: (\"[^\"]+\")")));
  const std::string again = fetch("/keys.json", {"--header", "If-None-Match: " + tag[1].str()});
  EXPECT_THAT(again, HasSubstr("304 Not Modified"));
  EXPECT_EQ(body_of(again), "");
  const OpenedTask task = broker.open("t");
  const HoldingClient holding(task);
  EXPECT_TRUE(eventually([&] {
    return fetch("/keys.json", {"--header", "If-None-Match: " + tag[1].str()}).find("200 OK") !=
           std::string::npos;
  }));
}

TEST_F(ServeHttp, NothingIsServedOfAListThatMayNotBeTrue) {
  const ServedBroker broker(home_);
  static_cast<void>(broker.open("t"));
  std::filesystem::remove_all(home_.list_folder());
  EXPECT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
  const std::string answer = fetch("/status.jwt");
  EXPECT_THAT(answer, HasSubstr("503 Service Unavailable"));
  EXPECT_THAT(answer, HasSubstr("Cache-Control: no-store\r\n"));
}

TEST_F(ServeHttp, MetricsTellWhatBecomesOfTasksAndTheirKeys) {
  const ServedBroker broker(home_);
  EXPECT_EQ(metric("mayfly_tasks{state=\"open\"}"), 0);
  const OpenedTask task = broker.open("t");
  static_cast<void>(broker.open("idle"));
  EXPECT_EQ(metric("mayfly_tasks{state=\"open\"}"), 2);
  EXPECT_NE(broker.mayfly({"open", "--task", "t"}).status, 0);
  EXPECT_EQ(metric("mayfly_openings_refused_total"), 1);
  ASSERT_EQ(ServedBroker::client(task, "generate").status, 0);
  EXPECT_TRUE(eventually([&] { return metric("mayfly_live_keys") == 1; }));
  EXPECT_EQ(metric("mayfly_tasks{state=\"active\"}"), 1);
  ASSERT_EQ(sign_once(task).status, 0);
  ASSERT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
  EXPECT_EQ(metric("mayfly_live_keys"), 0);
  EXPECT_EQ(metric("mayfly_tasks{state=\"active\"}"), 0);
  EXPECT_EQ(metric("mayfly_tasks_opened_total"), 2);
  EXPECT_EQ(metric("mayfly_tasks_ended_total{state=\"closed\"}"), 1);
  EXPECT_EQ(metric("mayfly_signatures_total"), 1);
  EXPECT_EQ(metric("mayfly_device_sign_seconds_count"), 1) << "the first is timed";
  EXPECT_EQ(metric("mayfly_refusals_total{reason=\"key\"}"), 0);
  EXPECT_EQ(metric("mayfly_surviving_keys"), 0);
}

TEST_F(ServeHttp, EveryMetricOfTheDashboardIsThere) {
  const ServedBroker broker(home_);
  const std::string metrics = fetch("/metrics");
  std::set<std::string> named;
  const std::string dashboard = read_file(MAYFLY_DASHBOARD);
  const std::regex name("mayfly_[a-z_]+");
  for (auto entry = std::sregex_iterator(dashboard.begin(), dashboard.end(), name);
       entry != std::sregex_iterator(); ++entry) {
    named.insert(entry->str());
  }
  EXPECT_GE(named.size(), 10);
  for (const std::string& metric : named) {
    EXPECT_THAT(metrics, ContainsRegex("\n" + metric + "[{ ]")) << metric;
  }
}

TEST_F(ServeHttp, AllElseIsRefused) {
  const ServedBroker broker(home_);
  EXPECT_THAT(fetch("/"), HasSubstr("404 Not Found"));
  EXPECT_THAT(fetch("/../mayfly.toml"), HasSubstr("404 Not Found"));
  EXPECT_THAT(fetch("/status.jwt/../../pin"), HasSubstr("404 Not Found"));
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"}) {
    const std::string answer = fetch("/metrics", {"--request", method});
    EXPECT_THAT(answer, HasSubstr("405 Method Not Allowed")) << method;
    EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n")) << method;
  }
  EXPECT_THAT(fetch("/metrics", {"--request", "POST", "--data", std::string(100'000, 'x')}),
              testing::Not(HasSubstr("200 OK")));
}

TEST_F(ServeHttp, WhatIsNoHttpGetsNothingAndHarmsNobody) {
  const ServedBroker broker(home_);
  const std::string long_field =
      "GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + std::string(64 * 1024, 'a') + "\r\n\r\n";
  const std::string long_target = "GET /" + std::string(64 * 1024, 'a') + " HTTP/1.1\r\n\r\n";
  std::string many_fields = "GET /metrics HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 10'000; ++i) many_fields += "a: b\r\n";
  const std::vector<std::string> inputs = {
      std::string(100'000, '\0'),
      std::string(100'000, '\xff'),
      "GET /metrics HTTP/9.9\r\n\r\n",
      "GET http://[ HTTP/1.1\r\n\r\n",
      "GET /metrics HTTP/1.1\r\n\r\n",  // without the Host that HTTP/1.1 asks for
      "GET /%00%ff%zz HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
      "GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
      long_field,
      long_target,
      many_fields,
  };
  for (const std::string& input : inputs) {
    const std::string answer = answer_to(input);
    EXPECT_EQ(answer.find("mayfly_tasks "), std::string::npos) << input.substr(0, 60);
  }
  for (const std::string begun :
       {"\r\n\r\n", "G", "GET", "GET /metrics", "GET /metrics HTTP/1.1\r\nHost"}) {
    const Descriptor socket = connect();
    EXPECT_GE(send(socket.number(), begun.data(), begun.size(), MSG_NOSIGNAL), 0);
  }
  EXPECT_THAT(fetch("/metrics"), HasSubstr("200 OK"));
  EXPECT_EQ(broker.open("t").id, "t");
}

TEST_F(ServeHttp, ManyConnectionsKeepNoTaskWaiting) {
  const ServedBroker broker(home_);
  std::vector<Descriptor> idle;
  for (int i = 0; i < 200; ++i) idle.push_back(connect());
  EXPECT_EQ(ServedBroker::client(broker.open("t"), "generate").status, 0);
  EXPECT_EQ(broker.mayfly({"close", "--task", "t"}).status, 0);
  // Nor others who ask, while they are open.
  EXPECT_THAT(fetch("/metrics", {"--max-time", "8"}), HasSubstr("200 OK"));
}

}  // namespace
}  // namespace mayfly::test
