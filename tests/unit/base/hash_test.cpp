#include "base/hash.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/crypto_context.h"
#include "unit/base/vectors.h"

namespace mayfly {
namespace {

constexpr Hash kAll[] = {Hash::sha224, Hash::sha256, Hash::sha384, Hash::sha512};

TEST(Hash, GivesTheKnownDigests) {
  const auto vectors = test::read_vectors("sha2.txt");
  ASSERT_EQ(vectors.size(), 28u);
  for (const test::Vector& vector : vectors) {
    Hasher hasher(vector.hash("hash"));
    const Bytes message = vector.bytes("message");
    for (std::size_t i = 0; i < vector.number("repeat"); ++i) hasher.update(message);
    EXPECT_EQ(to_hex(hasher.finish()), vector.text("digest")) << vector.text("hash");
  }
}

TEST(Hash, InOneStepIsTheSameAsInPieces) {
  Bytes message(300);
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::uint8_t>(i);
  for (const Hash hash : kAll) {
    const Bytes whole = digest(hash, message);
    EXPECT_EQ(whole.size(), digest_size(hash));
    for (const std::size_t cut : {0u, 1u, 63u, 64u, 127u, 128u, 300u}) {
      Hasher hasher(hash);
      hasher.update(ByteView(message).first(cut));
      hasher.update(ByteView(message).subspan(cut));
      EXPECT_EQ(hasher.finish(), whole) << cut;
    }
  }
}

TEST(Hash, SizesAndNames) {
  EXPECT_EQ(digest_size(Hash::none), 0u);
  EXPECT_EQ(digest_size(Hash::sha224), 28u);
  EXPECT_EQ(digest_size(Hash::sha256), 32u);
  EXPECT_EQ(digest_size(Hash::sha384), 48u);
  EXPECT_EQ(digest_size(Hash::sha512), 64u);
  EXPECT_STREQ(libcrypto_name(Hash::none), "");
}

/// RFC 8017, 9.2, note 1.
TEST(Hash, DigestInfoPrefixes) {
  EXPECT_EQ(to_hex(digest_info_prefix(Hash::none)), "");
  EXPECT_EQ(to_hex(digest_info_prefix(Hash::sha224)), "302d300d06096086480165030402040500041c");
  EXPECT_EQ(to_hex(digest_info_prefix(Hash::sha256)), "3031300d060960864801650304020105000420");
  EXPECT_EQ(to_hex(digest_info_prefix(Hash::sha384)), "3041300d060960864801650304020205000430");
  EXPECT_EQ(to_hex(digest_info_prefix(Hash::sha512)), "3051300d060960864801650304020305000440");
}

TEST(Hash, OfNoneIsRefused) { EXPECT_THROW(Hasher(Hash::none), Error); }

TEST(Hash, WorksFromManyThreadsAndAfterRelease) {
  const std::string expected = to_hex(digest(Hash::sha256, as_bytes("abc")));
  crypto::release();
  std::vector<std::string> results(8);
  {
    std::vector<std::jthread> threads;
    for (std::string& result : results) {
      threads.emplace_back([&result] { result = to_hex(digest(Hash::sha256, as_bytes("abc"))); });
    }
  }
  for (const std::string& result : results) EXPECT_EQ(result, expected);
}

}  // namespace
}  // namespace mayfly
