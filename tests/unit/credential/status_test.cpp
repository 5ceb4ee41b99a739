#include <zlib.h>

#include <gtest/gtest.h>

#include "base/base64url.h"
#include "credential/status/status_token.h"
#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;

TEST(StatusList, TheExamplesOfItsDraftAreRead) {
  // draft-ietf-oauth-status-list, 4: 16 places of one bit, 12 of two.
  const unsigned one[] = {1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1};
  const StatusList first = StatusList::unpacked(1, "eNrbuRgAAhcBXQ");
  EXPECT_EQ(first.places(), 16U);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(first.at(i), one[i]) << i;
  EXPECT_EQ(first.at(16), std::nullopt);
  const unsigned two[] = {1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3};
  const StatusList second = StatusList::unpacked(2, "eNo76fITAAPfAgc");
  EXPECT_EQ(second.places(), 12U);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(second.at(i), two[i]) << i;
}

TEST(StatusList, IsPackedAsInItsDraft) {
  StatusList list(16);
  const unsigned one[] = {1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1};
  for (std::size_t i = 0; i < 16; ++i) {
    list.set(i, one[i] == 0 ? Status::valid : Status::invalid);
  }
  EXPECT_EQ(list.packed(), "eNrbuRgAAhcBXQ");
}

TEST(StatusList, SaysYesOfNothingThatItWasNotTold) {
  const StatusList list = make_status_list({{3, Status::valid}, {9, Status::invalid}});
  for (std::uint64_t i = 0; i < 16; ++i) EXPECT_EQ(list.at(i), i == 3 ? 0U : 1U) << i;
  EXPECT_EQ(list.at(16), std::nullopt);
  EXPECT_EQ(list.at(~0ULL), std::nullopt);
  EXPECT_EQ(make_status_list({}).at(0), std::nullopt);
}

TEST(StatusList, AMillionPlacesAreSmallAndAreReadAsWritten) {
  std::vector<StatusEntry> entries;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) {
    entries.push_back({i, i % 1000 == 1 ? Status::valid : Status::invalid});
  }
  const std::string packed = make_status_list(entries).packed();
  EXPECT_LT(packed.size(), 10'000U);
  const StatusList read = StatusList::unpacked(1, packed);
  EXPECT_EQ(read.at(1001), 0U);
  EXPECT_EQ(read.at(1002), 1U);
}

TEST(StatusList, NoMoreIsUnpackedThanAListCanHave) {
  const Bytes zeros(kMaxStatusBytes + 1, 0);
  uLongf size = compressBound(zeros.size());
  Bytes packed(size);
  ASSERT_EQ(compress2(packed.data(), &size, zeros.data(), zeros.size(), Z_BEST_COMPRESSION), Z_OK);
  packed.resize(size);
  EXPECT_THROW(static_cast<void>(StatusList::unpacked(1, to_base64url(packed))), Error);
}

TEST(StatusList, NothingElseIsRead) {
  const StatusList large(kMaxStatusBytes * 8);
  EXPECT_EQ(StatusList::unpacked(1, large.packed()).places(), kMaxStatusBytes * 8);
  EXPECT_THROW(StatusList(kMaxStatusBytes * 8 + 1), Error);
  EXPECT_THROW(make_status_list({{~0ULL - 1, Status::valid}}), Error);
  const std::string good = "eNrbuRgAAhcBXQ";
  for (const std::uint64_t bits : {0, 3, 5, 16}) {
    EXPECT_THROW(static_cast<void>(StatusList::unpacked(bits, good)), Error);
  }
  for (const std::string& text :
       {std::string(), good.substr(0, 8), good + "AA", std::string("!"), std::string("AAAA")}) {
    EXPECT_THROW(static_cast<void>(StatusList::unpacked(1, text)), Error) << text;
  }
}

StatusToken sample_token() {
  StatusToken token;
  token.issuer = kIssuer;
  token.uri = kList;
  token.issued_at = kNow - 5;
  token.expires = kNow + 60;
  token.ttl = std::chrono::seconds(20);
  token.list = make_status_list({{7, Status::valid}, {8, Status::invalid}});
  return token;
}

std::string verdict_at(const StatusToken& token, std::uint64_t now = kNow,
                       const TestSigner& signer = issuer(), const Wit& wit = sample_wit()) {
  const std::string text = issue_status_token(token, "", signer.signer());
  return outcome([&] {
    verify_status(wit, text, issuer_keys(), {now, std::chrono::seconds(30)},
                  std::chrono::seconds(30));
  });
}

std::string verdict_with(const std::function<void(StatusToken&)>& change) {
  StatusToken token = sample_token();
  change(token);
  return verdict_at(token);
}

TEST(StatusToken, SaysWhetherATaskGoesOn) {
  EXPECT_EQ(verdict_at(sample_token()), "accepted");
  Wit wit = sample_wit();
  wit.status->index = 8;
  EXPECT_EQ(verdict_at(sample_token(), kNow, issuer(), wit), "credential revoked");
  wit.status->index = 9;
  EXPECT_EQ(verdict_at(sample_token(), kNow, issuer(), wit), "credential revoked");
  wit.status->index = 16;
  EXPECT_EQ(verdict_at(sample_token(), kNow, issuer(), wit), "status-list not-listed");
  wit.status.reset();
  EXPECT_EQ(verdict_at(sample_token(), kNow, issuer(), wit), "credential no-status");
}

TEST(StatusToken, IsFreshAndTheIssuersOwn) {
  // Its own ttl, then what the verifier allows, then its end.
  EXPECT_EQ(verdict_at(sample_token(), kNow + 15), "accepted");
  EXPECT_EQ(verdict_at(sample_token(), kNow + 16), "status-list stale-status");
  StatusToken token = sample_token();
  token.ttl = std::chrono::seconds(0);
  EXPECT_EQ(verdict_at(token, kNow + 25), "accepted");
  EXPECT_EQ(verdict_at(token, kNow + 26), "status-list stale-status");
  EXPECT_EQ(verdict_with([](auto& t) { t.expires = kNow; }), "status-list expired");
  EXPECT_EQ(verdict_with([](auto& t) { t.issued_at = kNow + 31; }), "status-list issued-in-future");
  EXPECT_EQ(verdict_with([](auto& t) { t.issuer = "https://other.example"; }),
            "status-list wrong-issuer");
  EXPECT_EQ(verdict_with([](auto& t) { t.issuer = ""; }), "accepted");
  EXPECT_EQ(verdict_with([](auto& t) { t.uri = "https://issuer.example.org/status/2"; }),
            "status-list other-list");
  EXPECT_EQ(verdict_at(sample_token(), kNow, stranger()), "status-list unknown-key");
}

TEST(StatusToken, IsNoOtherToken) {
  const auto verdict = [](const std::string& text) {
    return outcome([&] {
      verify_status(sample_wit(), text, issuer_keys(), sample_clock(), std::chrono::seconds(30));
    });
  };
  EXPECT_EQ(verdict(sample_wit_text()), "status-list type");
  nlohmann::json claims = {{"sub", kList},
                           {"iat", kNow},
                           {"status_list", {{"bits", 1}, {"lst", StatusList(8).packed()}}}};
  const auto with = [&](const nlohmann::json& patch) {
    nlohmann::json other = claims;
    other.merge_patch(patch);
    return verdict(issuer().jws(header_of("ES256", "statuslist+jwt"), other.dump()));
  };
  EXPECT_EQ(with(nlohmann::json::object()), "credential revoked");
  EXPECT_EQ(with({{"status_list", {{"lst", "AAAA"}}}}), "status-list bad-claim");
  EXPECT_EQ(with({{"status_list", {{"bits", 3}}}}), "status-list bad-claim");
  EXPECT_EQ(with({{"status_list", nullptr}}), "status-list missing-claim");
  EXPECT_EQ(with({{"iat", nullptr}}), "status-list missing-claim");
  EXPECT_EQ(with({{"ttl", 0}}), "status-list bad-claim");
  EXPECT_EQ(with({{"exp", kNow}}), "status-list bad-claim");
  EXPECT_EQ(verdict(std::string(kMaxStatusTokenSize + 1, 'A')), "status-list too-long");
}

TEST(Attested, TheKeyTheTaskAndItsEndAreTheEvidences) {
  const attestation::Verified good{
      agent().public_key(), "invoice", "0123456789abcdef", kNow + 600, {}, false, 0, {}};
  const auto verdict = [](const attestation::Verified& evidence) {
    return outcome([&] { verify_attested(sample_verified(), evidence); });
  };
  EXPECT_EQ(verdict(good), "accepted");
  auto other = good;
  other.key = stranger().public_key();
  EXPECT_EQ(verdict(other), "attestation other-key");
  other = good;
  other.task_id = "other";
  EXPECT_EQ(verdict(other), "attestation wrong-task");
  other = good;
  other.serial = "0123456789abcdee";
  EXPECT_EQ(verdict(other), "attestation wrong-task");
  other = good;
  other.deadline_unix_s = kNow + 599;
  EXPECT_EQ(verdict(other), "credential valid-too-long");
}

}  // namespace
}  // namespace mayfly::test
