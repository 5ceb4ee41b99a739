#include "ledger/canonical_json.h"

#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "support/failure_of.h"

namespace mayfly::ledger {
namespace {

std::string canonical_of(std::string_view text) {
  return canonical_json(nlohmann::json::parse(text));
}

/// A text in quotes, by the rules of RFC 8785, 3.2.2.2. UTF-8 is taken as it is.
std::string in_quotes(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    static constexpr std::string_view kShort = "\b\t\n\f\r\"\\";
    static constexpr std::string_view kLetters = "btnfr\"\\";
    out += '\\';
    if (const std::size_t place = kShort.find(c); place != kShort.npos) {
      out += kLetters[place];
    } else {
      out += "u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 0x0f];
    }
  }
  return out + '"';
}

CK_RV answer_for(std::string_view text) {
  return test::answer_of([&] { static_cast<void>(canonical_of(text)); });
}

// RFC 8785, 3.2.2: the text of the example, and what becomes of it in 3.2.2.2.
TEST(CanonicalJson, EscapesTextsAsTheStandardsExample) {
  EXPECT_EQ(canonical_of(R"({"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"})"),
            R"({"string":"€$\u000f\nA'B\"\\\\\"/"})");
}

// RFC 8785, 3.2.4: the same in bytes.
TEST(CanonicalJson, IsUtf8AsTheStandardsExample) {
  const std::string bytes = canonical_of(R"({"string": "\u20ac$\u000F\u000aA'"})");
  EXPECT_EQ(to_hex(as_bytes(bytes)), "7b22737472696e67223a22e282ac245c75303030665c6e4127227d");
}

// RFC 8785, 3.2.3: members are sorted, at each level; arrays are not.
TEST(CanonicalJson, SortsMembersAndNotArrays) {
  EXPECT_EQ(canonical_of(R"({"1": {"f": {"f": "hi", "F": 5}, "E": 56}, "10": {}, "": "empty",
                             "a": {}, "111": [{"e": "yes", "E": "no"}], "A": {}})"),
            R"({"":"empty","1":{"E":56,"f":{"F":5,"f":"hi"}},"10":{},)"
            R"("111":[{"E":"no","e":"yes"}],"A":{},"a":{}})");
  EXPECT_EQ(canonical_of("[ 3, 1, true , false,\n2 ]"), "[3,1,true,false,2]");
}

// RFC 8785, 3.1: text is left as it is, whether Unicode has another form of it or not.
TEST(CanonicalJson, NormalisesNoUnicode) {
  EXPECT_EQ(canonical_of(R"({"Unnormalized Unicode": "A\u030a"})"),
            "{\"Unnormalized Unicode\":\"A\xcc\x8a\"}");
}

// RFC 8785, 3.2.2.2: two characters for some control characters, six for the rest, one for all that
// is no control character below U+0020.
TEST(CanonicalJson, EscapesNothingButWhatItMust) {
  EXPECT_EQ(canonical_json("\b\t\n\f\r\"\\/\x7f\x1f\x0b"), R"("\b\t\n\f\r\"\\/)"
                                                           "\x7f"
                                                           R"(\u001f\u000b")");
}

TEST(CanonicalJson, WritesEachCharacterByTheRules) {
  for (char32_t code = 0; code < 0x110000; code += code < 0x1000 ? 1 : 97) {
    if (code >= 0xd800 && code < 0xe000) continue;
    std::string text;
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else if (code < 0x800) {
      text += {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
    } else if (code < 0x10000) {
      text += {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
               static_cast<char>(0x80 | (code & 0x3f))};
    } else {
      text +=
          {static_cast<char>(0xf0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3f)),
           static_cast<char>(0x80 | (code >> 6 & 0x3f)), static_cast<char>(0x80 | (code & 0x3f))};
    }
    ASSERT_EQ(canonical_json(text), in_quotes(text)) << static_cast<unsigned>(code);
  }
}

TEST(CanonicalJson, NumbersAreWholeAndSmall) {
  EXPECT_EQ(canonical_of("[0, 9007199254740991]"), "[0,9007199254740991]");
  for (const char* text :
       {"[9007199254740992]", "[-1]", "[1.5]", "[1e3]", "[56.0]", "[18446744073709551615]"}) {
    EXPECT_EQ(answer_for(text), CKR_DATA_INVALID) << text;
  }
  EXPECT_EQ(canonical_json(nlohmann::json(7)), "7") << "a signed number that is not negative";
}

TEST(CanonicalJson, RefusesWhatNoLedgerHolds) {
  EXPECT_EQ(answer_for("[null]"), CKR_DATA_INVALID);
  EXPECT_EQ(answer_for("{\"p\\u00eache\": 1}"), CKR_DATA_INVALID);
  EXPECT_EQ(answer_for("{\"\\n\": 1}"), CKR_DATA_INVALID);
  EXPECT_EQ(test::answer_of([] { static_cast<void>(canonical_json("\xff")); }), CKR_DATA_INVALID);
  EXPECT_EQ(answer_for("[[[[[[[[[[[[[1]]]]]]]]]]]]]"), CKR_DATA_INVALID);
}

}  // namespace
}  // namespace mayfly::ledger
