// mayfly/verify.h, as a relying party that links it meets it.
#include <atomic>
#include <cstddef>
#include <cstring>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mayfly/proof.h"
#include "mayfly/verify.h"
#include "support/temp_folder.h"
#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;
using testing::HasSubstr;

constexpr char kSubjects[] = "spiffe://example.org/task/*";

std::string status_list(Status status, std::uint64_t issued_at = kNow) {
  StatusToken token;
  token.issuer = kIssuer;
  token.uri = kList;
  token.issued_at = issued_at;
  token.list = make_status_list({{7, status}});
  return issue_status_token(token, "now", issuer().signer());
}

std::string dpop(const TestSigner& key = agent()) {
  return make_dpop({"GET", kTarget, "", ""}, {kNow, kNow + 600}, key.signer());
}

class VerifyLibrary : public testing::Test {
 protected:
  VerifyLibrary() {
    settings_.size = sizeof settings_;
    settings_.issuer_keys = keys_.c_str();
    settings_.issuer = kIssuer;
    settings_.subject = kSubjects;
    settings_.status_file = status_path_.c_str();
    request_.size = sizeof request_;
    request_.credential = wit_.c_str();
    request_.dpop = dpop_.c_str();
    request_.method = "GET";
    request_.url = kTarget;
    request_.now_seconds = kNow;
    result_.size = sizeof result_;
    write_status(Status::valid);
  }
  ~VerifyLibrary() override { mayfly_verifier_free(verifier_); }

  void write_status(Status status, std::uint64_t issued_at = kNow) {
    folder_.write("status.jwt", status_list(status, issued_at) + "\n");
  }

  /// "verified", "PART REASON", or what else came of making a verifier.
  std::string make() {
    mayfly_verifier_free(verifier_);
    return told(mayfly_verifier_new(&settings_, &verifier_, &result_));
  }

  /// The same of verifying the request, with a verifier that is made if there is none.
  std::string verify() {
    if (verifier_ == nullptr && make() != "verified") return "no verifier: " + message();
    return told(mayfly_verify(verifier_, &request_, &result_));
  }

  std::string verify_with(const std::string& credential, const std::string& proof) {
    request_.credential = credential.c_str();
    request_.dpop = proof.c_str();
    std::string said = verify();
    request_.credential = wit_.c_str();
    request_.dpop = dpop_.c_str();
    return said;
  }

  [[nodiscard]] std::string message() const { return result_.message; }

  std::string told(int status) const {
    EXPECT_EQ(result_.status, status);
    if (status != MAYFLY_VERIFIED) {
      EXPECT_STREQ(result_.subject, "");
    }
    switch (status) {
      case MAYFLY_VERIFIED:
        return "verified";
      case MAYFLY_REFUSED:
        return std::string(result_.part) + " " + result_.reason;
      case MAYFLY_VERIFY_FAILED:
        return "failed";
      default:
        return "bad call";
    }
  }

  const TempFolder folder_;
  const std::string status_path_ = (folder_.path() / "status.jwt").string();
  const std::string keys_ = key_set_json(issuer_keys());
  const std::string wit_ = sample_wit_text();
  const std::string dpop_ = dpop();
  mayfly_verify_settings settings_{};
  mayfly_verify_request request_{};
  mayfly_verify_result result_{};
  mayfly_verifier* verifier_ = nullptr;
};

TEST_F(VerifyLibrary, SaysWhomItVerified) {
  ASSERT_EQ(verify(), "verified") << message();
  EXPECT_STREQ(result_.subject, "spiffe://example.org/task/invoice");
  EXPECT_STREQ(result_.issuer, kIssuer);
  EXPECT_STREQ(result_.task, "invoice");
  EXPECT_STREQ(result_.serial, "0123456789abcdef");
  EXPECT_EQ(result_.thumbprint, jwk_thumbprint(agent().public_key()));
  EXPECT_EQ(result_.expires, kNow + 600);
}

TEST_F(VerifyLibrary, TakesAProofOnce) {
  ASSERT_EQ(verify(), "verified");
  EXPECT_EQ(verify(), "proof replayed");
  ASSERT_EQ(make(), "verified");
  EXPECT_EQ(verify(), "verified") << "another verifier remembers for itself";
  const std::string seen = (folder_.path() / "seen").string();
  settings_.seen_file = seen.c_str();
  ASSERT_EQ(make(), "verified");
  ASSERT_EQ(verify(), "verified");
  ASSERT_EQ(make(), "verified");
  EXPECT_EQ(verify(), "proof replayed") << "the file remembers for all";
  settings_.seen_file = nullptr;
  settings_.flags = MAYFLY_NO_REPLAY_CHECK;
  ASSERT_EQ(make(), "verified");
  EXPECT_EQ(verify(), "verified");
  EXPECT_EQ(verify(), "verified") << "without the safeguard";
}

TEST_F(VerifyLibrary, SaysWhichCheckFailed) {
  EXPECT_EQ(verify_with(wit_, dpop(stranger())), "proof other-key");
  EXPECT_THAT(message(), HasSubstr("key"));
  EXPECT_EQ(verify_with(stranger().jws(header_of("ES256", "wit+jwt"), "{}"), dpop_),
            "credential bad-signature");
  EXPECT_EQ(verify_with("", dpop_), "credential malformed");
  EXPECT_EQ(verify_with(wit_, ""), "proof malformed");
  EXPECT_EQ(verify_with(std::string(100'000, 'a'), dpop_), "credential too-long");
  request_.now_seconds = kNow + 600;
  EXPECT_EQ(verify(), "credential expired");
  request_.now_seconds = kNow + 61;
  EXPECT_EQ(verify(), "status-list stale-status");
  request_.now_seconds = kNow;
  request_.method = "POST";
  EXPECT_EQ(verify(), "proof wrong-method");
  request_.method = "GET";
  request_.url = "https://api.example.org/others";
  EXPECT_EQ(verify(), "proof wrong-target");
  request_.url = kTarget;
  request_.task = "another";
  EXPECT_EQ(verify(), "credential wrong-task");
  request_.task = "invoice";
  request_.nonce = "given out";
  EXPECT_EQ(verify(), "proof wrong-nonce");
  request_.nonce = nullptr;
  request_.access_token = "token";
  EXPECT_EQ(verify(), "proof wrong-token");
  request_.access_token = nullptr;
  EXPECT_EQ(verify(), "verified") << "none of these has used the proof up";
}

TEST_F(VerifyLibrary, LooksAtTheStatusEachTime) {
  settings_.flags = MAYFLY_NO_REPLAY_CHECK;
  ASSERT_EQ(verify(), "verified");
  write_status(Status::invalid);
  EXPECT_EQ(verify(), "credential revoked");
  write_status(Status::valid, kNow - 61);
  EXPECT_EQ(verify(), "status-list stale-status");
  std::filesystem::remove(status_path_);
  EXPECT_EQ(verify(), "failed");
  EXPECT_THAT(message(), HasSubstr("can't be read"));
  settings_.status_file = nullptr;
  settings_.flags |= MAYFLY_NO_STATUS;
  ASSERT_EQ(make(), "verified");
  EXPECT_EQ(verify(), "verified") << "without the safeguard";
}

struct Fetcher {
  std::string list;
  std::string asked;
  int answer = 0;
  std::size_t times = 1;
};

extern "C" int fetch(void* context, const char* uri, mayfly_take_text take, void* sink) {
  Fetcher& fetcher = *static_cast<Fetcher*>(context);
  fetcher.asked = uri;
  for (std::size_t i = 0; i < fetcher.times; ++i) {
    take(sink, fetcher.list.data(), fetcher.list.size());
  }
  return fetcher.answer;
}

TEST_F(VerifyLibrary, AsksForTheStatusList) {
  Fetcher fetcher{status_list(Status::valid), "", 0, 1};
  settings_.status_file = nullptr;
  settings_.fetch_status = fetch;
  settings_.context = &fetcher;
  settings_.flags = MAYFLY_NO_REPLAY_CHECK;
  ASSERT_EQ(verify(), "verified") << message();
  EXPECT_EQ(fetcher.asked, kList);
  fetcher.answer = 1;
  EXPECT_EQ(verify(), "failed");
  fetcher.answer = 0;
  fetcher.times = 0;
  EXPECT_EQ(verify(), "failed") << "nothing was handed over";
  fetcher.times = 1;
  fetcher.list.assign(17 * 1024 * 1024, 'a');
  EXPECT_EQ(verify(), "failed") << "longer than any list";
  fetcher.list = status_list(Status::invalid);
  EXPECT_EQ(verify(), "credential revoked");
}

TEST_F(VerifyLibrary, TakesWorkloadProofsAndMessageSignatures) {
  const std::string wpt = make_wpt({kTarget, wit_, ""}, {kNow, kNow + 600}, agent().signer());
  request_.dpop = nullptr;
  request_.wpt = wpt.c_str();
  EXPECT_EQ(verify(), "verified") << message();
  EXPECT_EQ(verify(), "proof replayed");
  request_.audience = "other";
  EXPECT_EQ(verify(), "bad call") << "url and audience";
  request_.url = nullptr;
  EXPECT_EQ(verify(), "proof wrong-audience");
  request_.nonce = "given out";
  EXPECT_EQ(verify(), "proof wrong-nonce") << "who sends the proof chooses its kind";
  request_.nonce = nullptr;

  request_.wpt = nullptr;
  request_.audience = nullptr;
  request_.url = kTarget;
  request_.method = "POST";
  const std::string body = "a body";
  const std::string digest = content_digest(as_bytes(body));
  const HttpMessage message_sent{"POST", kTarget, {{"Content-Digest", digest}}};
  const HttpSignature signed_by = sign_http(message_sent, {kNow, kNow + 600}, agent().signer());
  const mayfly_http_field fields[] = {{"Content-Digest", digest.c_str()}};
  request_.signature_input = signed_by.input.c_str();
  request_.signature = signed_by.signature.c_str();
  request_.fields = fields;
  request_.field_count = 1;
  request_.body = "another";
  request_.body_size = 7;
  EXPECT_EQ(verify(), "proof wrong-content");
  request_.body = body.data();
  request_.body_size = body.size();
  EXPECT_EQ(verify(), "verified") << message();
  EXPECT_EQ(verify(), "proof replayed");
  request_.signature = nullptr;
  EXPECT_EQ(verify(), "proof malformed");
}

TEST_F(VerifyLibrary, LeavesNothingOutThatWasNotNamed) {
  const mayfly_verify_settings whole = settings_;
  const auto refuses = [&](auto change) {
    settings_ = whole;
    change();
    EXPECT_EQ(make(), "bad call") << message();
    EXPECT_EQ(verifier_, nullptr);
  };
  refuses([&] { settings_.status_file = nullptr; });
  refuses([&] { settings_.fetch_status = fetch; });
  refuses([&] { settings_.flags = MAYFLY_NO_STATUS; });
  refuses([&] { settings_.flags = 8; });
  refuses([&] { settings_.issuer_keys = nullptr; });
  refuses([&] { settings_.issuer = ""; });
  refuses([&] { settings_.size = 0; });
  refuses([&] { settings_.size = 1'000'000; });
  refuses([&] {
    settings_.flags = MAYFLY_NO_REPLAY_CHECK;
    settings_.seen_file = "seen";
  });
  settings_ = whole;
  settings_.issuer_keys = "{}";
  EXPECT_EQ(make(), "key-set no-keys");
  settings_ = whole;
  request_.dpop = nullptr;
  EXPECT_EQ(verify(), "proof malformed") << "there is none";
  settings_.flags = MAYFLY_NO_PROOF;
  ASSERT_EQ(make(), "verified");
  EXPECT_EQ(verify(), "verified") << "without the safeguard";
  request_.nonce = "given out";
  EXPECT_EQ(verify(), "proof malformed") << "there is none that could have it";
  request_.nonce = nullptr;
  request_.dpop = dpop_.c_str();
  request_.audience = "another";
  EXPECT_EQ(verify(), "bad call") << "nothing in such a proof names it";
  request_.audience = nullptr;
  const std::string forged = dpop(stranger());
  request_.dpop = forged.c_str();
  EXPECT_EQ(verify(), "proof other-key") << "one that is there must hold all the same";
  request_.url = nullptr;
  EXPECT_EQ(verify(), "bad call");
}

TEST_F(VerifyLibrary, KnowsHowMuchTheCallerKnows) {
  mayfly_verify_result small{};
  small.size = offsetof(mayfly_verify_result, message);
  std::strcpy(small.message, "not for the library");
  ASSERT_EQ(make(), "verified");
  EXPECT_EQ(mayfly_verify(verifier_, &request_, &small), MAYFLY_VERIFIED);
  EXPECT_STREQ(small.message, "not for the library");
  for (const std::size_t size : {0, 1}) {  // forgotten, as where all is zero
    small.size = size;
    small.status = MAYFLY_VERIFIED;
    EXPECT_EQ(mayfly_verify(verifier_, &request_, &small), MAYFLY_VERIFY_BAD_CALL);
    EXPECT_EQ(small.status, MAYFLY_VERIFY_BAD_CALL);
  }
  auto* none = reinterpret_cast<mayfly_verifier*>(&small);
  EXPECT_EQ(mayfly_verifier_new(&settings_, &none, &small), MAYFLY_VERIFY_BAD_CALL);
  EXPECT_EQ(none, nullptr);
  EXPECT_EQ(mayfly_verify(verifier_, &request_, nullptr), MAYFLY_REFUSED);
  EXPECT_EQ(mayfly_verify(nullptr, &request_, nullptr), MAYFLY_VERIFY_BAD_CALL);
  EXPECT_EQ(mayfly_verify(verifier_, nullptr, nullptr), MAYFLY_VERIFY_BAD_CALL);
  mayfly_verifier_free(verifier_);
  EXPECT_EQ(mayfly_verifier_new(nullptr, &verifier_, nullptr), MAYFLY_VERIFY_BAD_CALL);
  EXPECT_EQ(verifier_, nullptr);
  EXPECT_EQ(mayfly_verifier_new(&settings_, nullptr, nullptr), MAYFLY_VERIFY_BAD_CALL);
}

TEST_F(VerifyLibrary, PassesNothingOverThatALaterHeaderHas) {
  struct {
    mayfly_verify_settings settings;
    std::uint64_t more;
  } later{settings_, 0};
  later.settings.size = sizeof later;
  EXPECT_EQ(mayfly_verifier_new(&later.settings, &verifier_, &result_), MAYFLY_VERIFIED);
  mayfly_verifier_free(verifier_);
  later.more = 1;
  EXPECT_EQ(mayfly_verifier_new(&later.settings, &verifier_, &result_), MAYFLY_VERIFY_BAD_CALL);
  EXPECT_THAT(result_.message, HasSubstr("does not know"));
}

/// What an agent has: a key, and how it signs with it.
struct Agent {
  explicit Agent(const TestSigner& signer = agent())
      : signer_(signer), info(signer.public_key().subject_public_key_info()) {
    key.size = sizeof key;
    key.public_key = info.data();
    key.public_key_size = info.size();
    key.deadline_seconds = kNow + 600;
    key.sign = sign;
    key.context = this;
    request.size = sizeof request;
    request.method = "GET";
    request.url = kTarget;
    request.now_seconds = kNow;
    proof.size = sizeof proof;
  }
  Agent(const Agent&) = delete;

  static int sign(void* context, unsigned long mechanism, const void* message,
                  std::size_t message_size, unsigned char* signature, std::size_t* size) {
    Agent& self = *static_cast<Agent*>(context);
    self.mechanism = mechanism;
    if (self.answer != 0) return self.answer;
    const Bytes made = self.signer_.sign({static_cast<const char*>(message), message_size});
    EXPECT_LE(made.size(), *size);
    *size = made.size();
    std::memcpy(signature, made.data(), made.size());
    if (self.spoils) signature[0] ^= 1;
    return 0;
  }

  const TestSigner& signer_;
  const Bytes info;
  mayfly_proof_key key{};
  mayfly_proof_request request{};
  mayfly_proof proof{};
  unsigned long mechanism = 0;
  int answer = 0;
  bool spoils = false;
};

TEST_F(VerifyLibrary, MakesProofsThatHold) {
  Agent maker;
  ASSERT_EQ(mayfly_prove_dpop(&maker.key, &maker.request, &maker.proof), MAYFLY_VERIFIED)
      << maker.proof.message;
  EXPECT_EQ(maker.mechanism, CKM_ECDSA_SHA256);
  request_.dpop = maker.proof.token;
  EXPECT_EQ(verify(), "verified") << message();

  Agent workload;
  workload.request.wit = wit_.c_str();
  ASSERT_EQ(mayfly_prove_wpt(&workload.key, &workload.request, &workload.proof), MAYFLY_VERIFIED)
      << workload.proof.message;
  request_.dpop = nullptr;
  request_.wpt = workload.proof.token;
  EXPECT_EQ(verify(), "verified") << message();

  Agent http;
  http.request.method = "POST";
  http.request.body = "a body";
  http.request.body_size = 6;
  ASSERT_EQ(mayfly_prove_http(&http.key, &http.request, &http.proof), MAYFLY_VERIFIED)
      << http.proof.message;
  const mayfly_http_field fields[] = {{"Content-Digest", http.proof.content_digest}};
  request_.wpt = nullptr;
  request_.method = "POST";
  request_.signature_input = http.proof.signature_input;
  request_.signature = http.proof.signature;
  request_.fields = fields;
  request_.field_count = 1;
  request_.body = "a body";
  request_.body_size = 6;
  EXPECT_EQ(verify(), "verified") << message();
}

TEST_F(VerifyLibrary, MakesNoProofThatWouldNotHold) {
  const auto answer = [](auto change) {
    Agent maker;
    change(maker);
    const int status = mayfly_prove_dpop(&maker.key, &maker.request, &maker.proof);
    EXPECT_EQ(maker.proof.status, status);
    EXPECT_STREQ(maker.proof.token, "");
    return status;
  };
  EXPECT_EQ(answer([](Agent& a) { a.answer = 5; }), MAYFLY_VERIFY_FAILED);
  EXPECT_EQ(answer([](Agent& a) { a.spoils = true; }), MAYFLY_VERIFY_FAILED);
  EXPECT_EQ(answer([](Agent& a) { a.key.deadline_seconds = kNow; }), MAYFLY_VERIFY_FAILED);
  EXPECT_EQ(answer([](Agent& a) { a.key.sign = nullptr; }), MAYFLY_VERIFY_BAD_CALL);
  EXPECT_EQ(answer([](Agent& a) { a.key.public_key_size = 5; }), MAYFLY_VERIFY_BAD_CALL);
  EXPECT_EQ(answer([](Agent& a) { a.key.size = 0; }), MAYFLY_VERIFY_BAD_CALL);
  EXPECT_EQ(answer([](Agent& a) { a.request.url = nullptr; }), MAYFLY_VERIFY_BAD_CALL);
  EXPECT_EQ(answer([](Agent& a) { a.request.method = ""; }), MAYFLY_VERIFY_BAD_CALL);
  Agent without_wit;
  EXPECT_EQ(mayfly_prove_wpt(&without_wit.key, &without_wit.request, &without_wit.proof),
            MAYFLY_VERIFY_BAD_CALL);
  EXPECT_EQ(mayfly_prove_dpop(&without_wit.key, &without_wit.request, nullptr),
            MAYFLY_VERIFY_BAD_CALL);
}

TEST_F(VerifyLibrary, SaysByWhichMechanismToSign) {
  const std::pair<JwsAlgorithm, CK_MECHANISM_TYPE> all[] = {
      {JwsAlgorithm::es256, CKM_ECDSA_SHA256},
      {JwsAlgorithm::es384, CKM_ECDSA_SHA384},
      {JwsAlgorithm::eddsa, CKM_EDDSA},
      {JwsAlgorithm::ps256, CKM_SHA256_RSA_PKCS_PSS}};
  for (const auto& [algorithm, mechanism] : all) {
    const TestSigner signer(algorithm);
    Agent maker(signer);
    EXPECT_EQ(mayfly_prove_dpop(&maker.key, &maker.request, &maker.proof), MAYFLY_VERIFIED)
        << maker.proof.message;
    EXPECT_EQ(maker.mechanism, mechanism);
  }
}

TEST_F(VerifyLibrary, TakesAProofOnceOfManyThreads) {
  ASSERT_EQ(make(), "verified");
  std::atomic<int> verified{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      if (mayfly_verify(verifier_, &request_, nullptr) == MAYFLY_VERIFIED) ++verified;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(verified, 1);
}

}  // namespace
}  // namespace mayfly::test
