// `mayfly token verify` fetches status lists, from servers that do what they should not.
#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "credential/status/status_token.h"
#include "credential/wit/wit.h"
#include "integration/tools/canned_http.h"
#include "integration/tools/mayfly_sandbox.h"
#include "support/server_process.h"
#include "support/test_signer.h"

namespace mayfly::test {
namespace {

using namespace credential;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

class StatusFetching : public testing::Test {
 protected:
  StatusFetching() { write("keys", key_set_json({published(issuer_.public_key())})); }

  std::string write(const std::string& name, const std::string& content) const {
    const std::string path = (sandbox_.root() / name).string();
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  /// A list in which the credential's place is as said.
  [[nodiscard]] std::string list(const std::string& uri, Status status,
                                 const std::string& issuer = "") const {
    StatusToken token;
    token.issuer = issuer;
    token.uri = uri;
    token.issued_at = now_;
    token.list = make_status_list({{7, status}});
    return issue_status_token(token, "", issuer_.signer());
  }

  /// What is said of a credential that names this list: "verified", or the part, the reason and
  /// the message.
  [[nodiscard]] std::string verdict(const std::string& uri, const Words& more = {}) const {
    const Wit wit{"https://issuer.example.org",
                  "spiffe://example.org/task/invoice",
                  "1",
                  now_ - 1,
                  now_ + 600,
                  agent_.public_key(),
                  JwsAlgorithm::es256,
                  "invoice",
                  "0123456789abcdef",
                  now_ + 600,
                  StatusReference{uri, 7}};
    const std::string file = write("wit", issue_wit(wit, "", issuer_.signer(), now_));
    Words words = {"token",      "verify", file, "--keys", (sandbox_.root() / "keys").string(),
                   "--no-proof", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = sandbox_.mayfly(words);
    const Json answer = Json::parse(outcome.out, nullptr, false);
    if (answer.is_discarded()) return "no JSON: " + outcome.out + outcome.err;
    EXPECT_EQ(outcome.status, answer["verified"] == true ? 0 : 1);
    if (answer["verified"] == true) return "verified";
    return answer["part"].get<std::string>() + " " + answer["reason"].get<std::string>() + ": " +
           answer["message"].get<std::string>();
  }

  const MayflySandbox sandbox_;
  const std::uint64_t now_ = unix_now_s();
  const TestSigner agent_{JwsAlgorithm::es256};
  const TestSigner issuer_{JwsAlgorithm::es256};
  CannedHttp server_;
};

TEST_F(StatusFetching, TheListSaysWhetherATaskGoesOn) {
  const std::string uri = server_.uri("/list");
  server_.serve("/list", list(uri, Status::valid) + "\n");
  EXPECT_EQ(verdict(uri), "verified");
  EXPECT_THAT(server_.requests(), Contains(HasSubstr("Accept: application/statuslist+jwt\r\n")));
  server_.serve("/list", list(uri, Status::invalid));
  EXPECT_THAT(verdict(uri), HasSubstr("credential revoked"));
}

TEST_F(StatusFetching, AnotherListThanTheCredentialsIsRefused) {
  const std::string uri = server_.uri("/list");
  server_.serve("/list", list(server_.uri("/other"), Status::valid));
  EXPECT_THAT(verdict(uri), HasSubstr("status-list other-list"));
  server_.serve("/list", list(uri, Status::valid, "https://other.example"));
  EXPECT_THAT(verdict(uri), HasSubstr("status-list wrong-issuer"));
  StatusToken token;
  token.uri = uri;
  token.issued_at = now_;
  token.list = make_status_list({{7, Status::valid}});
  server_.serve("/list", issue_status_token(token, "", agent_.signer()));
  EXPECT_THAT(verdict(uri), HasSubstr("status-list unknown-key"));
  server_.serve("/list", "<html>");
  EXPECT_THAT(verdict(uri), HasSubstr("status-list malformed"));
}

TEST_F(StatusFetching, AStaleListIsRefused) {
  const std::string uri = server_.uri("/list");
  server_.serve("/list", list(uri, Status::valid));
  const std::string later = std::to_string(now_ + 90);
  EXPECT_THAT(verdict(uri, {"--at", later}), HasSubstr("status-list stale-status"));
  EXPECT_EQ(verdict(uri, {"--at", later, "--max-stale", "2m"}), "verified");
}

TEST_F(StatusFetching, RedirectsStayWhereTheyBegan) {
  const std::string uri = server_.uri("/list");
  const auto redirect = [&](const std::string& path, const std::string& target) {
    server_.answer(path, "HTTP/1.1 302 Found\r\nLocation: " + target +
                             "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  };
  redirect("/list", "/moved");
  server_.serve("/moved", list(uri, Status::valid));
  EXPECT_EQ(verdict(uri), "verified");

  CannedHttp other;
  other.serve("/list", list(uri, Status::valid));
  redirect("/list", other.uri("/list"));
  EXPECT_THAT(verdict(uri), HasSubstr("elsewhere"));
  for (const char* target :
       {"https://127.0.0.1/list", "http://example.org/list", "file:///etc/passwd",
        "http://localhost/list", "http://user@127.0.0.1/list", "gopher://127.0.0.1/"}) {
    redirect("/list", target);
    EXPECT_THAT(verdict(uri), HasSubstr("status-list unreachable")) << target;
  }
  EXPECT_THAT(other.requests(), IsEmpty());
  redirect("/list", "/list");
  EXPECT_THAT(verdict(uri), HasSubstr("leads on and on"));
}

TEST_F(StatusFetching, WhatIsTooLongIsNotTakenIn) {
  const std::string uri = server_.uri("/list");
  server_.answer("/list", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "");
  EXPECT_THAT(verdict(uri), HasSubstr("status-list too-long"));
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'a') + "\r\n";
  server_.answer("/list", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk);
  EXPECT_THAT(verdict(uri), HasSubstr("status-list too-long"));
  server_.answer("/list", "HTTP/1.1 200 OK\r\n", "X-Field: and so on\r\n");
  EXPECT_THAT(verdict(uri), HasSubstr("status-list unreachable"));
}

TEST_F(StatusFetching, NoAnswerIsNo) {
  const std::string uri = server_.uri("/silent");
  EXPECT_THAT(verdict(uri, {"--status-timeout", "1s"}), HasSubstr("status-list unreachable"));
  server_.answer("/list", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(verdict(server_.uri("/list")), HasSubstr("HTTP status 404"));
  server_.answer("/cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all of it");
  EXPECT_THAT(verdict(server_.uri("/cut")), HasSubstr("status-list unreachable"));
  EXPECT_THAT(verdict("http://127.0.0.1:1/list"), HasSubstr("status-list unreachable"));
}

TEST_F(StatusFetching, OnlyHttpsIsFetchedAndThisMachine) {
  for (const char* uri : {"http://example.org/list", "http://127.0.0.1.example.org/list",
                          "http://localhost.example.org/", "http://10.0.0.1/", "ftp://127.0.0.1/",
                          "http://[::2]/list", "http://127.1.example/"}) {
    EXPECT_THAT(verdict(uri), testing::AnyOf(HasSubstr("only https"), HasSubstr("no https URI")))
        << uri;
  }
}

TEST_F(StatusFetching, HttpsOfAStrangerIsRefused) {
  const std::string pem = (sandbox_.root() / "server.pem").string();
  const std::string key = (sandbox_.root() / "server.key").string();
  ASSERT_EQ(run({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-addext",
                 "subjectAltName=DNS:localhost", "-keyout", key, "-out", pem})
                .status,
            0);
  // s_server tells the port that it got, and takes the whole answer from a file.
  const ServerProcess server({"/bin/sh", "-c",
                              "cd '" + sandbox_.root().string() +
                                  "' && exec openssl s_server -accept 127.0.0.1:0 -cert '" + pem +
                                  "' -key '" + key + "' -HTTP < /dev/null"},
                             "ACCEPT 127.0.0.1:");
  const std::string uri = "https://localhost:" + server.address() + "/list";
  write("list", "HTTP/1.0 200 OK\r\n\r\n" + list(uri, Status::valid));
  EXPECT_THAT(verdict(uri), HasSubstr("status-list unreachable"));
  EXPECT_EQ(verdict(uri, {"--status-ca", pem}), "verified");
  EXPECT_THAT(verdict("https://127.0.0.1:" + server.address() + "/list", {"--status-ca", pem}),
              HasSubstr("status-list unreachable"))
      << "the certificate has another name";
}

}  // namespace
}  // namespace mayfly::test
