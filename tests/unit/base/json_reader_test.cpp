#include "base/json_reader.h"

#include <functional>
#include <optional>

#include <gtest/gtest.h>

namespace mayfly {
namespace {

/// The fault for which something was refused; nothing if it was not.
std::optional<JsonFault> fault_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const JsonError& error) {
    EXPECT_EQ(error.rv(), CKR_DATA_INVALID);
    EXPECT_STRNE(error.what(), "");
    return error.fault();
  }
  return std::nullopt;
}

std::optional<JsonFault> fault_of_text(const std::string& text) {
  return fault_of([&] { static_cast<void>(parse_json(text, 100)); });
}

TEST(JsonReader, WhatIsNoJsonIsMalformed) {
  for (const std::string text :
       {"", "{", "{}x", "{'a':1}", "{\"a\":01}", "{\"a\":1,}", "\xef\xbb\xbf{}", "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\\ud800\"}", "{\"a\":NaN}", "// c\n{}"}) {
    EXPECT_EQ(fault_of_text(text), JsonFault::malformed) << text;
  }
  EXPECT_EQ(fault_of_text("{}" + std::string(98, ' ')), std::nullopt);
  EXPECT_EQ(fault_of_text("{}" + std::string(99, ' ')), JsonFault::malformed) << "too large";
  EXPECT_EQ(fault_of_text(std::string(10, '[') + std::string(10, ']')), std::nullopt);
  EXPECT_EQ(fault_of_text(std::string(11, '[') + "1" + std::string(11, ']')), JsonFault::malformed)
      << "too deep";
}

TEST(JsonReader, AMemberThatIsThereTwiceIsSeenWhereverItIs) {
  EXPECT_EQ(fault_of_text("{\"a\":1,\"a\":1}"), JsonFault::duplicate);
  EXPECT_EQ(fault_of_text("{\"a\":1,\"\\u0061\":2}"), JsonFault::duplicate);
  EXPECT_EQ(fault_of_text("[{\"b\":{\"a\":1,\"b\":2,\"a\":3}}]"), JsonFault::duplicate);
  EXPECT_EQ(fault_of_text("{\"a\":{\"a\":1},\"b\":{\"a\":1}}"), std::nullopt);
}

TEST(JsonReader, MembersAreWhatIsAskedForOrRefused) {
  const nlohmann::json json = parse_json(
      R"({"text":"t","no":-1,"part":1.0,"big":18446744073709551616,"most":8,"yes":true,
          "control":"a\nb","long":"abcdef","none":""})",
      1000);
  JsonObject object(json, "it");
  const auto number = [&](const char* member) {
    return fault_of([&] { static_cast<void>(object.number(member, 8)); });
  };
  EXPECT_EQ(object.number("most", 8), 8U);
  EXPECT_EQ(fault_of([&] { static_cast<void>(object.number("most", 7)); }), JsonFault::invalid);
  for (const char* member : {"no", "part", "big", "text", "yes"}) {
    EXPECT_EQ(number(member), JsonFault::invalid) << member;
  }
  EXPECT_EQ(number("absent"), JsonFault::missing);
  EXPECT_EQ(object.printable_text("text", 1), "t");
  for (const char* member : {"control", "long", "none", "most"}) {
    EXPECT_EQ(fault_of([&] { static_cast<void>(object.printable_text(member, 5)); }),
              JsonFault::invalid)
        << member;
  }
  EXPECT_TRUE(object.boolean("yes"));
  EXPECT_EQ(fault_of([&] { static_cast<void>(object.boolean("most")); }), JsonFault::invalid);
}

TEST(JsonReader, AMemberThatNobodyReadIsUnknown) {
  const nlohmann::json json = parse_json(R"({"a":1,"b":2})", 100);
  JsonObject object(json, "it");
  static_cast<void>(object.number("a", 1));
  EXPECT_EQ(fault_of([&] { object.finish(); }), JsonFault::unknown);
  static_cast<void>(object.number("b", 2));
  EXPECT_EQ(fault_of([&] { object.finish(); }), std::nullopt);
}

TEST(JsonReader, MessagesAreShortAndPrintableWhateverTheNamesAre) {
  const std::string name = "x\n" + std::string(80, 'y');
  const nlohmann::json json = {{name, 1}};
  try {
    JsonObject(json, "it").finish();
    FAIL() << "nothing was refused";
  } catch (const JsonError& error) {
    EXPECT_EQ(std::string(error.what()), "it.x?" + std::string(62, 'y') + " is not known here");
  }
}

}  // namespace
}  // namespace mayfly
