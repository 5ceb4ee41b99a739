// C_FindObjects: by every attribute, in portions, and while objects come and go.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

class FindTest : public ConformanceTest {
 protected:
  using Handles = std::set<CK_OBJECT_HANDLE>;

  void SetUp() override {
    ConformanceTest::SetUp();
    session_ = open_session();
  }

  Handles found(const Template& wanted) {
    const auto list = find(session_, wanted);
    Handles handles(list.begin(), list.end());
    EXPECT_EQ(handles.size(), list.size()) << "an object was found twice";
    return handles;
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

TEST_F(FindTest, GoesByEveryAttributeThatCanBeRead) {
  std::vector<CK_OBJECT_HANDLE> all;
  int number = 0;
  for (const KeyKind* kind : all_kinds()) {
    const bool on_token = number % 2 == 0;
    const Template wanted({{CKA_TOKEN, on_token},
                           {CKA_LABEL, kind->name},
                           {CKA_ID, Bytes{static_cast<std::uint8_t>(number++)}},
                           {CKA_SUBJECT, Bytes{0x30, 0}}});
    const KeyPair pair = generate(session_, *kind, wanted, wanted);
    all.insert(all.end(), {pair.public_key, pair.private_key});
  }
  for (const CK_OBJECT_HANDLE object : all) {
    for (CK_ATTRIBUTE_TYPE type = 0; type < 0x800; ++type) {
      const auto value = get(session_, object, type);
      if (!value) continue;
      SCOPED_TRACE(type);
      EXPECT_TRUE(found({{type, *value}}).contains(object));
      Bytes other = *value;
      other.push_back(1);
      EXPECT_FALSE(found({{type, other}}).contains(object)) << "a longer value matched";
      if (value->empty()) continue;
      other = *value;
      other.back() ^= 1;
      EXPECT_FALSE(found({{type, other}}).contains(object)) << "another value matched";
      other.pop_back();
      EXPECT_FALSE(found({{type, other}}).contains(object)) << "a shorter value matched";
    }
    EXPECT_TRUE(found({{CKA_MAYFLY_TASK_ID, kTask}}).contains(object));
    EXPECT_TRUE(found({}).contains(object));
  }
}

TEST_F(FindTest, TakesEveryAttributeOfTheTemplate) {
  const KeyPair one = generate(session_, kP256, {{CKA_LABEL, "a"}, {CKA_ID, Bytes{1}}},
                               {{CKA_LABEL, "a"}, {CKA_ID, Bytes{1}}});
  const KeyPair two = generate(session_, kP256, {{CKA_LABEL, "a"}, {CKA_ID, Bytes{2}}},
                               {{CKA_LABEL, "a"}, {CKA_ID, Bytes{2}}, {CKA_TOKEN, true}});
  EXPECT_EQ(found({{CKA_LABEL, "a"}}),
            (Handles{one.public_key, one.private_key, two.public_key, two.private_key}));
  EXPECT_EQ(found({{CKA_LABEL, "a"}, {CKA_ID, Bytes{2}}}),
            (Handles{two.public_key, two.private_key}));
  EXPECT_EQ(found({{CKA_ID, Bytes{2}}, {CKA_CLASS, CKO_PRIVATE_KEY}}), Handles{two.private_key});
  EXPECT_EQ(found({{CKA_TOKEN, true}, {CKA_LABEL, "a"}}), Handles{two.private_key});
  EXPECT_TRUE(found({{CKA_LABEL, "a"}, {CKA_ID, Bytes{3}}}).empty());
  EXPECT_TRUE(found({{CKA_LABEL, "a"}, {CKA_ID, Bytes{1}}, {CKA_TOKEN, true}}).empty());
  EXPECT_TRUE(found({{CKA_LABEL, "b"}}).empty());
  EXPECT_TRUE(found({{CKA_LABEL, Bytes()}, {CKA_ID, Bytes{1}}}).empty());
  EXPECT_TRUE(found({{0x7ffffff0, true}}).empty()) << "an unknown attribute is one that nobody has";
  EXPECT_TRUE(found({{CKA_CLASS, Bytes(4)}}).empty());
}

TEST_F(FindTest, FollowsNamesThatChange) {
  const KeyPair pair = generate(session_, kP256, {}, {{CKA_LABEL, "before"}, {CKA_ID, Bytes{1}}});
  Template changes({{CKA_LABEL, "after"}, {CKA_ID, Bytes{2}}});
  ASSERT_RV(CKR_OK,
            p11_->C_SetAttributeValue(session_, pair.private_key, changes.data(), changes.size()));
  EXPECT_TRUE(found({{CKA_LABEL, "before"}}).empty());
  EXPECT_TRUE(found({{CKA_ID, Bytes{1}}}).empty());
  EXPECT_EQ(found({{CKA_LABEL, "after"}}), Handles{pair.private_key});
  EXPECT_EQ(found({{CKA_ID, Bytes{2}}}), Handles{pair.private_key});
  ASSERT_RV(CKR_OK, p11_->C_DestroyObject(session_, pair.private_key));
  EXPECT_TRUE(found({{CKA_LABEL, "after"}}).empty());
}

TEST_F(FindTest, GivesObjectsInPortions) {
  Handles expected;
  for (int i = 0; i < 10; ++i) {
    const KeyPair pair = generate(session_, kP256, {{CKA_LABEL, "x"}}, {{CKA_LABEL, "x"}});
    expected.insert({pair.public_key, pair.private_key});
  }
  for (const CK_ULONG portion : {1UL, 3UL, 7UL, 20UL, 21UL, 1000UL}) {
    SCOPED_TRACE(portion);
    Template wanted({{CKA_LABEL, "x"}});
    ASSERT_RV(CKR_OK, p11_->C_FindObjectsInit(session_, wanted.data(), wanted.size()));
    Handles handles;
    std::vector<CK_OBJECT_HANDLE> some(portion + 1, ~0UL);
    CK_ULONG count = 0;
    do {
      ASSERT_RV(CKR_OK, p11_->C_FindObjects(session_, some.data(), portion, &count));
      ASSERT_LE(count, portion);
      EXPECT_EQ(some[portion], ~0UL) << "written behind the end";
      for (CK_ULONG i = 0; i < count; ++i) EXPECT_TRUE(handles.insert(some[i]).second);
    } while (count != 0);
    EXPECT_EQ(handles, expected);
    EXPECT_RV(CKR_OK, p11_->C_FindObjects(session_, some.data(), portion, &count));
    EXPECT_EQ(count, 0U) << "after the end";
    EXPECT_RV(CKR_OK, p11_->C_FindObjectsFinal(session_));
  }
}

// A count from another world must not be believed.
TEST_F(FindTest, TakesAnyNumberAsTheMost) {
  const KeyPair pair = generate(session_, kP256, {}, {{CKA_LABEL, "x"}});
  Template wanted({{CKA_LABEL, "x"}});
  ASSERT_RV(CKR_OK, p11_->C_FindObjectsInit(session_, wanted.data(), wanted.size()));
  CK_OBJECT_HANDLE one = CK_INVALID_HANDLE;
  CK_ULONG count = 0;
  EXPECT_RV(CKR_OK, p11_->C_FindObjects(session_, &one, ~0UL, &count));
  EXPECT_EQ(count, 1U);
  EXPECT_EQ(one, pair.private_key);
}

// Objects that go between C_FindObjectsInit and C_FindObjects: their handles may still be given
// out, but name nothing.
TEST_F(FindTest, OutlivesObjectsThatGo) {
  const CK_SESSION_HANDLE other = open_session();
  const KeyPair gone = generate(other, kP256, {{CKA_LABEL, "x"}}, {{CKA_LABEL, "x"}});
  const KeyPair stays = generate(session_, kP256, {}, {{CKA_LABEL, "x"}});
  Template wanted({{CKA_LABEL, "x"}});
  ASSERT_RV(CKR_OK, p11_->C_FindObjectsInit(session_, wanted.data(), wanted.size()));
  CK_OBJECT_HANDLE first = CK_INVALID_HANDLE;
  CK_ULONG count = 0;
  ASSERT_RV(CKR_OK, p11_->C_FindObjects(session_, &first, 1, &count));
  ASSERT_EQ(count, 1U);
  ASSERT_RV(CKR_OK, p11_->C_CloseSession(other));
  std::vector<CK_OBJECT_HANDLE> rest(10);
  ASSERT_RV(CKR_OK, p11_->C_FindObjects(session_, rest.data(), rest.size(), &count));
  rest.resize(count);
  rest.push_back(first);
  EXPECT_NE(std::find(rest.begin(), rest.end(), stays.private_key), rest.end());
  for (const CK_OBJECT_HANDLE handle : rest) {
    EXPECT_RV(handle == stays.private_key ? CKR_OK : CKR_OBJECT_HANDLE_INVALID,
              get_answer(session_, handle, CKA_CLASS));
  }
  EXPECT_RV(CKR_OK, p11_->C_FindObjectsFinal(session_));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(session_, gone.private_key, kP256));
}

TEST_F(FindTest, SeesTheSessionObjectsOfTheWholeApplication) {
  const CK_SESSION_HANDLE other = open_session(0);
  const KeyPair pair = generate(other, kP256, {}, {{CKA_LABEL, "x"}});
  EXPECT_EQ(found({{CKA_LABEL, "x"}}), Handles{pair.private_key});
}

TEST_F(FindTest, GivesTheSameHandleForTheSameObject) {
  const KeyPair pair = generate(session_, kP256, {}, {{CKA_LABEL, "x"}, {CKA_TOKEN, true}});
  for (int i = 0; i < 3; ++i) {
    session_ = open_session(0);
    EXPECT_EQ(found({{CKA_LABEL, "x"}}), Handles{pair.private_key});
  }
}

}  // namespace
}  // namespace mayfly::test
