#include "grant/algorithm.h"

#include <gtest/gtest.h>

namespace mayfly::test {
namespace {

using grant::Algorithm;

TEST(Algorithm, EachKindOfKeyHasOneOrNone) {
  EXPECT_EQ(grant::algorithm_of({CKK_EC, 256}), Algorithm::es256);
  EXPECT_EQ(grant::algorithm_of({CKK_EC, 384}), Algorithm::es384);
  EXPECT_EQ(grant::algorithm_of({CKK_EC_EDWARDS, 255}), Algorithm::eddsa);
  EXPECT_EQ(grant::algorithm_of({CKK_RSA, 2048}), Algorithm::ps256);
  EXPECT_EQ(grant::algorithm_of({CKK_RSA, 4096}), Algorithm::ps256);
  EXPECT_EQ(grant::algorithm_of({CKK_EC, 521}), std::nullopt);
  EXPECT_EQ(grant::algorithm_of({CKK_RSA, 2047}), std::nullopt);
  EXPECT_EQ(grant::algorithm_of({CKK_RSA, 4097}), std::nullopt);
}

}  // namespace
}  // namespace mayfly::test
