// Verification against signatures that others made, and against what is no signature.
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/public_key.h"
#include "unit/base/vectors.h"

namespace mayfly {
namespace {

/// A signature that is good, in all its parts.
struct Good {
  PublicKey key;
  SignatureScheme scheme;
  Bytes input;
  Bytes signature;
};

std::vector<Good> ecdsa_signatures() {
  std::vector<Good> all;
  for (const test::Vector& vector : test::read_vectors("rfc6979.txt")) {
    const Hash hash = vector.hash("hash");
    const PublicKey key =
        PublicKey::from_point(test::curve(vector.text("key")), vector.bytes("point"));
    const Bytes input = digest(hash, as_bytes(vector.text("message")));
    all.push_back({key, {Scheme::ecdsa, hash, Hash::none, 0}, input, vector.bytes("signature")});
  }
  return all;
}

std::vector<Good> eddsa_signatures() {
  std::vector<Good> all;
  for (const test::Vector& vector : test::read_vectors("rfc8032.txt")) {
    const PublicKey key = PublicKey::from_point({CKK_EC_EDWARDS, 255}, vector.bytes("point"));
    all.push_back({key,
                   {Scheme::eddsa, Hash::none, Hash::none, 0},
                   vector.bytes("message"),
                   vector.bytes("signature")});
  }
  return all;
}

std::vector<Good> rsa_signatures() {
  std::vector<Good> all;
  for (const test::Vector& vector : test::read_vectors("rsa.txt")) {
    const PublicKey key = PublicKey::from_rsa(vector.bytes("modulus"), vector.bytes("exponent"));
    const Hash hash = vector.hash("hash");
    const Bytes message = to_bytes(as_bytes(vector.text("message")));
    SignatureScheme scheme{Scheme::rsa_pkcs1, hash, Hash::none, 0};
    if (vector.text("scheme") == "pss") {
      scheme = {Scheme::rsa_pss, hash, vector.hash("mgf"), vector.number("salt")};
    }
    all.push_back({key, scheme, hash == Hash::none ? message : digest(hash, message),
                   vector.bytes("signature")});
  }
  return all;
}

std::vector<Good> all_signatures() {
  std::vector<Good> all = ecdsa_signatures();
  for (Good& good : eddsa_signatures()) all.push_back(std::move(good));
  for (Good& good : rsa_signatures()) all.push_back(std::move(good));
  return all;
}

bool verifies(const Good& good) { return good.key.verify(good.scheme, good.input, good.signature); }

TEST(Signature, OfOthersVerifies) {
  EXPECT_EQ(ecdsa_signatures().size(), 24u);
  EXPECT_EQ(eddsa_signatures().size(), 4u);
  EXPECT_EQ(rsa_signatures().size(), 39u);
  std::size_t index = 0;
  for (const Good& good : all_signatures()) {
    EXPECT_TRUE(verifies(good)) << "number " << index << ", " << to_string(good.key.spec());
    EXPECT_EQ(good.signature.size(), good.key.signature_size());
    ++index;
  }
}

TEST(Signature, WithOneBitChangedDoesNot) {
  for (const Good& good : all_signatures()) {
    for (const std::size_t index : {std::size_t{0}, good.signature.size() / 2 - 1,
                                    good.signature.size() / 2, good.signature.size() - 1}) {
      Good bad = good;
      bad.signature[index] ^= 1;
      EXPECT_FALSE(verifies(bad)) << to_string(good.key.spec()) << ", byte " << index;
    }
    Good other = good;
    other.input.push_back(0);
    // Only a message is taken whole; ECDSA cuts a digest that is longer than the curve's order.
    EXPECT_TRUE(good.scheme.scheme != Scheme::eddsa || !verifies(other));
    if (good.input.empty()) continue;
    other = good;
    other.input[0] ^= 1;
    EXPECT_FALSE(verifies(other)) << to_string(good.key.spec()) << ", other input";
  }
}

TEST(Signature, OfAnotherLengthDoesNot) {
  for (const Good& good : all_signatures()) {
    const auto with = [&](Bytes signature) {
      Good bad = good;
      bad.signature = std::move(signature);
      return verifies(bad);
    };
    const Bytes& s = good.signature;
    Bytes longer = s;
    longer.push_back(0);
    Bytes padded = s;
    padded.insert(padded.begin(), 0);
    // Each half with a zero in front of it: the same numbers, another length.
    Bytes halves = s;
    halves.insert(halves.begin() + static_cast<std::ptrdiff_t>(s.size() / 2), 0);
    halves.insert(halves.begin(), 0);
    const std::string name = to_string(good.key.spec());
    EXPECT_FALSE(with(longer)) << name;
    EXPECT_FALSE(with(padded)) << name;
    EXPECT_FALSE(with(halves)) << name;
    EXPECT_FALSE(with(Bytes(s.begin(), s.end() - 1))) << name;
    EXPECT_FALSE(with({})) << name;
    EXPECT_FALSE(with({0x30})) << name;
    EXPECT_FALSE(with(Bytes(s.size(), 0))) << name;
    EXPECT_FALSE(with(Bytes(s.size(), 0xff))) << name;
    EXPECT_FALSE(with(Bytes(100'000, 1))) << name;
  }
}

TEST(Signature, OfAnotherKeyDoesNot) {
  const auto good = all_signatures();
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const Good& other : good) {
      if (other.key.spec().type != good[i].key.spec().type) continue;
      if (other.key.subject_public_key_info() == good[i].key.subject_public_key_info()) continue;
      EXPECT_FALSE(other.key.verify(good[i].scheme, good[i].input, good[i].signature)) << i;
    }
  }
}

TEST(Signature, OfAnotherSchemeDoesNot) {
  for (const Good& good : rsa_signatures()) {
    if (good.scheme.scheme != Scheme::rsa_pss) continue;
    Good bad = good;
    bad.scheme.salt_size += 1;
    EXPECT_FALSE(verifies(bad)) << "salt";
    bad = good;
    bad.scheme.mgf_hash = good.scheme.mgf_hash == Hash::sha256 ? Hash::sha384 : Hash::sha256;
    EXPECT_FALSE(verifies(bad)) << "mgf";
    bad = good;
    bad.scheme = {Scheme::rsa_pkcs1, good.scheme.hash, Hash::none, 0};
    EXPECT_FALSE(verifies(bad)) << "PKCS #1 v1.5";
  }
}

/// CKM_RSA_PKCS signs a DigestInfo that the caller made.
TEST(Signature, RawRsaEqualsHashedRsaOverTheDigestInfo) {
  int seen = 0;
  for (const Good& good : rsa_signatures()) {
    if (good.scheme.scheme != Scheme::rsa_pkcs1 || good.scheme.hash == Hash::none) continue;
    Bytes info = to_bytes(digest_info_prefix(good.scheme.hash));
    info.insert(info.end(), good.input.begin(), good.input.end());
    const SignatureScheme raw{Scheme::rsa_pkcs1, Hash::none, Hash::none, 0};
    EXPECT_TRUE(good.key.verify(raw, info, good.signature));
    ++seen;
  }
  EXPECT_EQ(seen, 7);
}

TEST(Signature, OfAKeyTypeThatDoesNotFitIsAnError) {
  const Good ec = ecdsa_signatures().front();
  const Good ed = eddsa_signatures().front();
  const Good rsa = rsa_signatures().front();
  for (const Good* key : {&ec, &ed, &rsa}) {
    for (const Good* other : {&ec, &ed, &rsa}) {
      if (key == other) continue;
      try {
        static_cast<void>(key->key.verify(other->scheme, other->input, other->signature));
        ADD_FAILURE() << to_string(key->key.spec()) << " took a mechanism of "
                      << to_string(other->key.spec());
      } catch (const Error& error) {
        EXPECT_EQ(error.rv(), static_cast<CK_RV>(CKR_KEY_TYPE_INCONSISTENT));
      }
    }
  }
}

TEST(Signature, VerifiesFromManyThreads) {
  const auto good = all_signatures();
  std::atomic<std::size_t> count{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (const Good& item : good) {
          if (verifies(item)) count.fetch_add(1);
        }
      });
    }
  }
  EXPECT_EQ(count.load(), 4 * good.size());
}

}  // namespace
}  // namespace mayfly
