#include "credential/proof/target_uri.h"

#include <gtest/gtest.h>

namespace mayfly::test {
namespace {

using namespace credential;

TEST(TargetUri, HasOneForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://example.com", "https://example.com/"},
      {"https://example.com?a=b", "https://example.com/"},
      {"HTTPS://Example.COM:443/", "https://example.com/"},
      {"http://example.com:80", "http://example.com/"},
      {"https://example.com:80/", "https://example.com:80/"},
      {"https://example.com:/x", "https://example.com/x"},
      // RFC 3986, 6.2.2
      {"https://example.com/a/./b/../b/%63/%7bfoo%7d", "https://example.com/a/b/c/%7Bfoo%7D"},
      {"https://example.com/a/..", "https://example.com/"},
      {"https://example.com/a/b/.", "https://example.com/a/b/"},
      {"https://example.com/../../x", "https://example.com/x"},
      {"https://example.com/a//b/", "https://example.com/a//b/"},
      {"https://example.com/a%2Fb", "https://example.com/a%2Fb"},
      {"https://example.com/%2e%2e/x", "https://example.com/x"},
      {"https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443/x"},
      {"https://example.com/x?y#z", "https://example.com/x"},
  };
  for (const auto& [text, form] : cases) {
    const auto uri = parse_target_uri(text);
    ASSERT_TRUE(uri) << text;
    EXPECT_EQ(uri->without_query(), form);
    EXPECT_TRUE(is_same_target(text, form));
    EXPECT_TRUE(is_same_target(uri->without_query(), form)) << "the form is its own";
  }
}

TEST(TargetUri, NothingElseIsOne) {
  for (const std::string& text : {std::string(),
                                  std::string("/x"),
                                  std::string("example.com"),
                                  std::string("ftp://x/"),
                                  std::string("https:///x"),
                                  std::string("https://user@example.com/"),
                                  std::string("https://example.com:99999999/"),
                                  std::string("https://example.com:8x/"),
                                  std::string("https://exa mple.com/"),
                                  std::string("https://example.com/ "),
                                  std::string("https://example.com/%"),
                                  std::string("https://example.com/%4"),
                                  std::string("https://example.com/%zz"),
                                  std::string("https://example.com/\n"),
                                  std::string("https://example.com/\0", 21),
                                  std::string("https://example.com/\xc3\xa4"),
                                  std::string("https://example.com\\@evil.example/"),
                                  std::string("https://[::1/"),
                                  std::string("https://[x]/"),
                                  std::string("https://example.com/?\"")}) {
    EXPECT_FALSE(parse_target_uri(text)) << text;
    EXPECT_FALSE(is_same_target(text, text)) << text;
  }
}

TEST(TargetUri, MethodsAreTokens) {
  EXPECT_TRUE(is_http_method("GET"));
  EXPECT_TRUE(is_http_method("M-SEARCH"));
  for (const std::string& text : {std::string(), std::string("GET "), std::string("G\nET"),
                                  std::string("GET\0", 4), std::string(33, 'A')}) {
    EXPECT_FALSE(is_http_method(text));
  }
}

}  // namespace
}  // namespace mayfly::test
