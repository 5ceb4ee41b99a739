// The convention for functions that give bytes back (PKCS#11 3.0, 5.2), for each of them.
#include <algorithm>

#include <gtest/gtest.h>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

constexpr CK_BYTE kUntouched = 0xa5;

class OutputBufferTest : public ConformanceTest {
 protected:
  using Output = std::function<CK_RV(CK_BYTE* out, CK_ULONG* length)>;

  struct Row {
    const char* name;
    std::function<void()> begin;
    Output call;
    std::size_t size;  ///< bytes of the output
    CK_RV when_over;   ///< the answer once the output was given
  };

  void SetUp() override {
    ConformanceTest::SetUp();
    session_ = open_session();
    for (const KeyKind* kind : all_kinds()) pairs_.push_back(generate(session_, *kind));
  }

  [[nodiscard]] const KeyPair& pair_of(const KeyKind& kind) const {
    const auto place = std::ranges::find(all_kinds(), &kind);
    return pairs_.at(static_cast<std::size_t>(place - all_kinds().begin()));
  }

  /// Without a buffer the size is told, a small one changes nothing, and a good one ends the
  /// matter.
  void expect_convention(const Row& row) {
    SCOPED_TRACE(row.name);
    row.begin();
    Bytes buffer(row.size + 16, kUntouched);
    const Bytes untouched = buffer;
    const auto call = [&](CK_BYTE* out, CK_ULONG room, CK_RV answer) {
      CK_ULONG length = room;
      EXPECT_RV(answer, row.call(out, &length)) << "with room for " << room;
      EXPECT_EQ(length, row.size) << "with room for " << room;
    };
    for (int again = 0; again < 2; ++again) {
      call(nullptr, 0, CKR_OK);
      call(nullptr, ~0UL, CKR_OK);
      call(buffer.data(), 0, CKR_BUFFER_TOO_SMALL);
      call(buffer.data(), row.size - 1, CKR_BUFFER_TOO_SMALL);
    }
    EXPECT_EQ(buffer, untouched) << "written into a buffer that is too small";

    call(buffer.data(), row.size, CKR_OK);
    EXPECT_NE(buffer, untouched);
    EXPECT_EQ(Bytes(buffer.begin() + static_cast<std::ptrdiff_t>(row.size), buffer.end()),
              Bytes(16, kUntouched))
        << "written behind the end";
    CK_ULONG length = buffer.size();
    EXPECT_RV(row.when_over, row.call(buffer.data(), &length));

    row.begin();
    length = buffer.size();
    EXPECT_RV(CKR_OK, row.call(buffer.data(), &length)) << "with more room than needed";
    EXPECT_EQ(length, row.size);
  }

  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  std::vector<KeyPair> pairs_;  ///< by all_kinds()
  Bytes data_ = Bytes(100, 0x42);
};

TEST_F(OutputBufferTest, OfSigningKeepTheConvention) {
  for (std::size_t i = 0; i < all_kinds().size(); ++i) {
    const KeyKind& kind = *all_kinds()[i];
    SCOPED_TRACE(kind.name);
    CK_MECHANISM mechanism{kind.hashing_mechanism, nullptr, 0};
    const auto begin = [&] {
      EXPECT_RV(CKR_OK, p11_->C_SignInit(session_, &mechanism, pairs_[i].private_key));
    };
    expect_convention({"C_Sign", begin,
                       [&](CK_BYTE* out, CK_ULONG* length) {
                         return p11_->C_Sign(session_, data_.data(), data_.size(), out, length);
                       },
                       kind.signature_size, CKR_OPERATION_NOT_INITIALIZED});
    expect_convention(
        {"C_SignFinal",
         [&] {
           begin();
           EXPECT_RV(CKR_OK, p11_->C_SignUpdate(session_, data_.data(), data_.size()));
         },
         [&](CK_BYTE* out, CK_ULONG* length) { return p11_->C_SignFinal(session_, out, length); },
         kind.signature_size, CKR_OPERATION_NOT_INITIALIZED});
  }
}

TEST_F(OutputBufferTest, OfMessageSigningKeepTheConvention) {
  for (std::size_t i = 0; i < all_kinds().size(); ++i) {
    const KeyKind& kind = *all_kinds()[i];
    SCOPED_TRACE(kind.name);
    CK_MECHANISM mechanism{kind.hashing_mechanism, nullptr, 0};
    ASSERT_RV(CKR_OK, p11_->C_MessageSignInit(session_, &mechanism, pairs_[i].private_key));
    // A message does not end the process that it is signed in.
    expect_convention({"C_SignMessage", [] {},
                       [&](CK_BYTE* out, CK_ULONG* length) {
                         return p11_->C_SignMessage(session_, nullptr, 0, data_.data(),
                                                    data_.size(), out, length);
                       },
                       kind.signature_size, CKR_OK});
    expect_convention({"C_SignMessageNext",
                       [&] { EXPECT_RV(CKR_OK, p11_->C_SignMessageBegin(session_, nullptr, 0)); },
                       [&](CK_BYTE* out, CK_ULONG* length) {
                         return p11_->C_SignMessageNext(session_, nullptr, 0, data_.data(),
                                                        data_.size(), out, length);
                       },
                       kind.signature_size, CKR_OPERATION_NOT_INITIALIZED});
    ASSERT_RV(CKR_OK, p11_->C_MessageSignFinal(session_));
  }
}

TEST_F(OutputBufferTest, OfDigestsKeepTheConvention) {
  const struct {
    CK_MECHANISM_TYPE type;
    std::size_t size;
  } digests[] = {{CKM_SHA224, 28}, {CKM_SHA256, 32}, {CKM_SHA384, 48}, {CKM_SHA512, 64}};
  for (const auto& [type, size] : digests) {
    if (out_of_reach(type)) continue;
    SCOPED_TRACE(size);
    CK_MECHANISM mechanism{type, nullptr, 0};
    const auto begin = [&] { EXPECT_RV(CKR_OK, p11_->C_DigestInit(session_, &mechanism)); };
    expect_convention({"C_Digest", begin,
                       [&](CK_BYTE* out, CK_ULONG* length) {
                         return p11_->C_Digest(session_, data_.data(), data_.size(), out, length);
                       },
                       size, CKR_OPERATION_NOT_INITIALIZED});
    expect_convention(
        {"C_DigestFinal",
         [&] {
           begin();
           EXPECT_RV(CKR_OK, p11_->C_DigestUpdate(session_, data_.data(), data_.size()));
         },
         [&](CK_BYTE* out, CK_ULONG* length) { return p11_->C_DigestFinal(session_, out, length); },
         size, CKR_OPERATION_NOT_INITIALIZED});
  }
}

// A signature that was given with the exact size is over the data given with the size, and a query
// before it has not counted a part twice.
TEST_F(OutputBufferTest, AreNotFilledWithSomethingElseAfterAQuery) {
  CK_MECHANISM mechanism{CKM_EDDSA, nullptr, 0};  // deterministic: two signatures can be compared
  const CK_OBJECT_HANDLE key = pair_of(kEd25519).private_key;
  Bytes expected;
  ASSERT_RV(CKR_OK, sign(session_, key, CKM_EDDSA, data_, expected));

  Bytes signature(64);
  CK_ULONG length = 0;
  ASSERT_RV(CKR_OK, p11_->C_MessageSignInit(session_, &mechanism, key));
  ASSERT_RV(CKR_OK, p11_->C_SignMessageBegin(session_, nullptr, 0));
  ASSERT_RV(CKR_OK,
            p11_->C_SignMessageNext(session_, nullptr, 0, data_.data(), 40, nullptr, nullptr));
  const auto last = [&](CK_BYTE* out) {
    return p11_->C_SignMessageNext(session_, nullptr, 0, data_.data() + 40, 60, out, &length);
  };
  EXPECT_RV(CKR_OK, last(nullptr));
  length = 5;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, last(signature.data()));
  EXPECT_RV(CKR_OK, last(signature.data()));
  EXPECT_EQ(signature, expected);
  EXPECT_RV(CKR_OK, p11_->C_MessageSignFinal(session_));

  ASSERT_RV(CKR_OK, p11_->C_SignInit(session_, &mechanism, key));
  ASSERT_RV(CKR_OK, p11_->C_SignUpdate(session_, data_.data(), 40));
  length = 5;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11_->C_SignFinal(session_, signature.data(), &length));
  EXPECT_RV(CKR_OK, p11_->C_SignFinal(session_, nullptr, &length));
  ASSERT_RV(CKR_OK, p11_->C_SignUpdate(session_, data_.data() + 40, 60))
      << "the operation is not active after a size query";
  EXPECT_RV(CKR_OK, p11_->C_SignFinal(session_, signature.data(), &length));
  EXPECT_EQ(signature, expected);
}

TEST_F(OutputBufferTest, OfMechanismListsKeepTheConvention) {
  CK_ULONG count = 0;
  ASSERT_RV(CKR_OK, p11_->C_GetMechanismList(slot_, nullptr, &count));
  ASSERT_GT(count, 10U);
  std::vector<CK_MECHANISM_TYPE> list(count + 1, ~0UL);
  for (const CK_ULONG small : {CK_ULONG{0}, count - 1}) {
    CK_ULONG room = small;
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11_->C_GetMechanismList(slot_, list.data(), &room));
    EXPECT_EQ(room, count);
    EXPECT_EQ(list[0], ~0UL);
  }
  CK_ULONG room = list.size();
  EXPECT_RV(CKR_OK, p11_->C_GetMechanismList(slot_, list.data(), &room));
  EXPECT_EQ(room, count);
  EXPECT_EQ(list[count], ~0UL) << "written behind the last mechanism";
}

TEST_F(OutputBufferTest, OfSlotListsKeepTheConvention) {
  static_cast<void>(open_task("second"));
  CK_ULONG count = 0;
  ASSERT_RV(CKR_OK, p11_->C_GetSlotList(CK_TRUE, nullptr, &count));
  ASSERT_EQ(count, 2U);
  std::vector<CK_SLOT_ID> list(3, ~0UL);
  for (const CK_ULONG small : {CK_ULONG{0}, count - 1}) {
    CK_ULONG room = small;
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11_->C_GetSlotList(CK_TRUE, list.data(), &room));
    EXPECT_EQ(room, count);
    EXPECT_EQ(list[0], ~0UL);
  }
  CK_ULONG room = list.size();
  EXPECT_RV(CKR_OK, p11_->C_GetSlotList(CK_FALSE, list.data(), &room));
  EXPECT_EQ(room, count);
  EXPECT_EQ(list[2], ~0UL) << "written behind the last slot";
}

// C_GetAttributeValue answers each attribute of a template for itself (5.7.5), whatever befell the
// others.
TEST_F(OutputBufferTest, OfAttributesAreEachAnsweredForThemselves) {
  const KeyPair& pair = pair_of(kP256);
  CK_ULONG number = 77;
  CK_BYTE small[4] = {kUntouched, kUntouched, kUntouched, kUntouched};
  CK_BYTE large[200];
  std::fill(std::begin(large), std::end(large), kUntouched);
  CK_ATTRIBUTE wanted[] = {
      {CKA_EC_PARAMS, small, sizeof small},    // too small
      {CKA_VALUE, large, 100},                 // sensitive
      {CKA_MODULUS, nullptr, 0},               // not one of an EC key
      {CKA_KEY_TYPE, &number, sizeof number},  // good
      {CKA_PUBLIC_KEY_INFO, nullptr, 0},       // the size only
      {CKA_EC_PARAMS, large + 100, 100},       // good, with room to spare
      {0x7fffffff, nullptr, 0},                // no attribute at all
  };
  EXPECT_RV_OF(p11_->C_GetAttributeValue(session_, pair.private_key, wanted, std::size(wanted)),
               CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL);
  EXPECT_EQ(wanted[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
  EXPECT_EQ(small[0], kUntouched);
  EXPECT_EQ(wanted[1].ulValueLen, CK_UNAVAILABLE_INFORMATION);
  EXPECT_EQ(large[0], kUntouched);
  EXPECT_EQ(wanted[2].ulValueLen, CK_UNAVAILABLE_INFORMATION);
  EXPECT_EQ(wanted[3].ulValueLen, sizeof number);
  EXPECT_EQ(number, CKK_EC);
  EXPECT_EQ(wanted[4].ulValueLen, 91U);
  EXPECT_EQ(wanted[5].ulValueLen, kP256.curve().size());
  EXPECT_EQ(Bytes(large + 100, large + 100 + wanted[5].ulValueLen), kP256.curve());
  EXPECT_EQ(large[100 + wanted[5].ulValueLen], kUntouched);
  EXPECT_EQ(wanted[6].ulValueLen, CK_UNAVAILABLE_INFORMATION);

  const struct {
    CK_ATTRIBUTE attribute;
    CK_RV answer;
  } alone[] = {
      {{CKA_EC_PARAMS, small, sizeof small}, CKR_BUFFER_TOO_SMALL},
      {{CKA_VALUE, nullptr, 0}, CKR_ATTRIBUTE_SENSITIVE},
      {{CKA_MODULUS, nullptr, 0}, CKR_ATTRIBUTE_TYPE_INVALID},
      {{0x7fffffff, nullptr, 0}, CKR_ATTRIBUTE_TYPE_INVALID},
      {{CKA_LABEL, nullptr, 0}, CKR_OK},
  };
  for (auto [attribute, answer] : alone) {
    EXPECT_RV(answer, p11_->C_GetAttributeValue(session_, pair.private_key, &attribute, 1));
  }
}

}  // namespace
}  // namespace mayfly::test
