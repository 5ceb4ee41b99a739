#include "base/base64url.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace mayfly {
namespace {

TEST(Base64Url, IsThatOfTheRfc) {
  // RFC 4648, 10, without the padding; and RFC 7515, appendix C.
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(to_base64url(as_bytes(plain)), encoded);
    EXPECT_EQ(parse_base64url(encoded), to_bytes(as_bytes(plain)));
  }
  EXPECT_EQ(to_base64url(Bytes{3, 236, 255, 224, 193}), "A-z_4ME");
  EXPECT_EQ(parse_base64url("A-z_4ME"), (Bytes{3, 236, 255, 224, 193}));
}

TEST(Base64, IsThatOfTheRfcWithItsPaddingAndNothingElse) {
  // RFC 4648, 10.
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
    EXPECT_EQ(parse_base64(encoded), to_bytes(as_bytes(plain)));
  }
  EXPECT_EQ(to_base64(Bytes{3, 236, 255, 224, 193, 0}), "A+z/4MEA");
  for (const char* other :
       {"Zg", "Zg=", "Zh==", "Z===", "====", "Zg==Zg==", "Zm9v\n", "A-z_4MEA"}) {
    EXPECT_EQ(parse_base64(other), std::nullopt) << other;
  }
}

TEST(Base64Url, EveryTextMeansItsBytesAndNoOtherTextMeansThem) {
  // All texts of one to three characters over some of the alphabet and beyond it.
  const std::string_view letters = "AQgwBf-_+/= \n.9";
  std::size_t taken = 0;
  const auto check = [&taken](const std::string& text) {
    const auto bytes = parse_base64url(text);
    if (!bytes) return;
    ++taken;
    EXPECT_EQ(to_base64url(*bytes), text);
  };
  for (const char a : letters) {
    check({a});
    for (const char b : letters) {
      check({a, b});
      for (const char c : letters) check({a, b, c});
    }
  }
  EXPECT_GT(taken, 50U);
}

TEST(Base64Url, NothingElseIsTaken) {
  for (const std::string text : {"Zg==", "Zg=", "Z", "Zm9vY", "Zh", "Zm9", "Zm+v", "Zm/v", "Zm9v\n",
                                 " Zm9v", "Zm.v", "Zm9v\xc3"}) {
    EXPECT_FALSE(parse_base64url(text)) << text;
  }
  EXPECT_FALSE(parse_base64url(std::string_view("Zm9\0", 4)));
}

}  // namespace
}  // namespace mayfly
