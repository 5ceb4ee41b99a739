#include "credential/proof/dpop.h"

#include <gtest/gtest.h>

#include "unit/credential/sample.h"

namespace mayfly::test {
namespace {

using namespace credential;

// RFC 9449, figures 2, 6 and 12: the thumbprint is that of figure 9.
constexpr char kThumbprint[] = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
constexpr char kAccessToken[] = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
constexpr char kFigure2[] =
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo"
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW"
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
    "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUu"
    "Y29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ."
    "2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
constexpr char kFigure6[] =
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo"
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW"
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
    "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUu"
    "Y29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ."
    "pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA";
constexpr char kFigure12[] =
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo"
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW"
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
    "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxl"
    "Lm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0Ji"
    "MHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9."
    "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";

TEST(Dpop, TheExamplesOfRfc9449Hold) {
  struct Example {
    const char* text;
    const char* method;
    const char* target;
    const char* access_token;
    std::uint64_t at;
  };
  const Example examples[] = {
      {kFigure2, "POST", "https://server.example.com/token", "", 1562262616},
      {kFigure6, "POST", "https://server.example.com/token", "", 1562265296},
      {kFigure12, "GET", "https://resource.example.org/protectedresource", kAccessToken,
       1562262618}};
  for (const Example& example : examples) {
    const Dpop proof = read_dpop(example.text);
    VerifiedCredential credential{proof.key, jwk_thumbprint(proof.key), "", 0, {}};
    EXPECT_EQ(credential.thumbprint, kThumbprint);
    ProofExpectations expected;
    expected.clock.now_unix_s = example.at + 59;
    expected.method = example.method;
    expected.target = example.target;
    expected.access_token = example.access_token;
    MemoryReplayCache seen;
    const auto verdict = [&] {
      return outcome([&] { verify_dpop(example.text, credential, expected, seen); });
    };
    EXPECT_EQ(verdict(), "accepted");
    EXPECT_EQ(verdict(), "proof replayed");
    expected.clock.now_unix_s = example.at + 60;
    EXPECT_EQ(verdict(), "proof too-old");
  }
}

TEST(Dpop, OfEachAlgorithmHolds) {
  for (const JwsAlgorithm algorithm : kJwsAlgorithms) {
    const TestSigner holder(algorithm);
    const std::string text =
        make_dpop({"POST", std::string(kTarget) + "?page=2#top", "token", "nonce"},
                  {kNow, kNow + 600}, holder.signer());
    const VerifiedCredential credential{
        holder.public_key(), jwk_thumbprint(holder.public_key()), "", 0, {}};
    ProofExpectations expected = sample_request();
    expected.method = "POST";
    expected.access_token = "token";
    expected.nonce = "nonce";
    MemoryReplayCache seen;
    EXPECT_EQ(outcome([&] { verify_dpop(text, credential, expected, seen); }), "accepted");
  }
}

TEST(Dpop, EndsWithTheTaskAndAfterAMinute) {
  const auto end_of = [](const ProofTime& time) {
    return read_dpop(make_dpop({"GET", kTarget, "", ""}, time, agent().signer())).expires;
  };
  EXPECT_EQ(end_of({kNow, kNow + 600}), kNow + 60);
  EXPECT_EQ(end_of({kNow, kNow + 600, std::chrono::hours(1)}), kNow + 60);
  EXPECT_EQ(end_of({kNow, kNow + 600, std::chrono::seconds(5)}), kNow + 5);
  EXPECT_EQ(end_of({kNow, kNow + 9}), kNow + 9);
  EXPECT_THROW(end_of({kNow, kNow}), Error);
  EXPECT_THROW(end_of({kNow, kNow + 600, std::chrono::seconds(0)}), Error);
}

TEST(Dpop, IsMadeForRequestsOnly) {
  const auto making = [](const std::string& method, const std::string& target) {
    return outcome([&] {
      static_cast<void>(make_dpop({method, target, "", ""}, {kNow, kNow + 600}, agent().signer()));
    });
  };
  EXPECT_EQ(making("GET", kTarget), "accepted");
  EXPECT_NE(making("", kTarget), "accepted");
  EXPECT_NE(making("GET /", kTarget), "accepted");
  EXPECT_NE(making("GET", "/orders"), "accepted");
  EXPECT_NE(making("GET", "ftp://api.example.org/orders"), "accepted");
}

}  // namespace
}  // namespace mayfly::test
