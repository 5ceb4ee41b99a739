// Return values in tests: their names, and assertions that print them.
#pragma once

#include <initializer_list>
#include <string>

#include <gtest/gtest.h>

#include "base/pkcs11.h"

namespace mayfly::test {

/// "CKR_OK"; the number in hexadecimal for values that the standard does not name.
[[nodiscard]] std::string answer_name(CK_RV rv);

/// For EXPECT_PRED_FORMAT2: equality that prints names.
[[nodiscard]] testing::AssertionResult is_answer(const char* expected_text, const char* call,
                                                 CK_RV expected, CK_RV actual);
/// For EXPECT_PRED_FORMAT2: whether the answer is one of those that the standard leaves open.
[[nodiscard]] testing::AssertionResult is_one_of(const char* expected_text, const char* call,
                                                 std::initializer_list<CK_RV> expected,
                                                 CK_RV actual);

}  // namespace mayfly::test

#define EXPECT_RV(expected, call) EXPECT_PRED_FORMAT2(mayfly::test::is_answer, expected, call)
#define ASSERT_RV(expected, call) ASSERT_PRED_FORMAT2(mayfly::test::is_answer, expected, call)
#define EXPECT_RV_OF(call, ...) \
  EXPECT_TRUE(mayfly::test::is_one_of(#__VA_ARGS__, #call, {__VA_ARGS__}, call))
