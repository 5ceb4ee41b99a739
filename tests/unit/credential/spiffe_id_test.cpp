#include "credential/spiffe_id.h"

#include <set>

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly::credential {
namespace {

constexpr char kSerial[] = "0123456789abcdef";

TEST(SpiffeId, NamesTheTaskAndItsOpening) {
  EXPECT_EQ(spiffe_id("agents.example"), "spiffe://agents.example");
  EXPECT_EQ(spiffe_id("agents.example", "invoice-4711", kSerial),
            "spiffe://agents.example/task/invoice-4711/0123456789abcdef");
  EXPECT_EQ(spiffe_id("a", "A.b-9", kSerial), "spiffe://a/task/A.b-9/0123456789abcdef");
}

TEST(SpiffeId, WritesWhatAPathCannotHaveSoThatNoTwoTasksLookAlike) {
  EXPECT_EQ(spiffe_id("a", "x/../y", kSerial), "spiffe://a/task/x_2f.._2fy/0123456789abcdef");
  EXPECT_EQ(spiffe_id("a", "..", kSerial), "spiffe://a/task/_2e_2e/0123456789abcdef");
  EXPECT_EQ(spiffe_id("a", ".", kSerial), "spiffe://a/task/_2e/0123456789abcdef");
  EXPECT_EQ(spiffe_id("a", "\xc3\xa4 %", kSerial), "spiffe://a/task/_c3_a4_20_25/0123456789abcdef");
  std::set<std::string> names;
  for (const char* id : {"_", "_5f", "5f", "/", "_2f", "2f", "..", "_2e_2e", ".", "...", "a b",
                         "a_20b", "a%20b", "a?b", "a#b", "A", "a"}) {
    EXPECT_TRUE(names.insert(spiffe_id("a", id, kSerial)).second) << id;
  }
}

TEST(SpiffeId, StaysWithinTheStandardsLength) {
  EXPECT_LE(spiffe_id(std::string(255, 'a'), std::string(255, ' '), kSerial).size(), 2048U);
}

TEST(SpiffeId, RefusesWhatIsNoTrustDomainAndNoTask) {
  for (const std::string& domain :
       {std::string(), std::string("A.example"), std::string("a/b"), std::string("a:1"),
        std::string("a b"), std::string("a\0b", 3), std::string("%61"), std::string(256, 'a')}) {
    EXPECT_FALSE(is_trust_domain(domain)) << domain;
    EXPECT_THROW(static_cast<void>(spiffe_id(domain)), Error) << domain;
    EXPECT_THROW(static_cast<void>(spiffe_id(domain, "t", kSerial)), Error) << domain;
  }
  EXPECT_THROW(static_cast<void>(spiffe_id("a", "", kSerial)), Error);
  EXPECT_THROW(static_cast<void>(spiffe_id("a", "t", "")), Error);
  EXPECT_THROW(static_cast<void>(spiffe_id("a", "t", "0123456789ABCDEF")), Error);
}

}  // namespace
}  // namespace mayfly::credential
