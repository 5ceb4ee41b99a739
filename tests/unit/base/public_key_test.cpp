#include "base/public_key.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "unit/base/vectors.h"

namespace mayfly {
namespace {

Bytes modulus_of_bits(unsigned bits) {
  Bytes modulus((bits + 7) / 8, 0xff);
  modulus[0] = static_cast<std::uint8_t>(0xff >> (8 * modulus.size() - bits));
  return modulus;
}

const Bytes kF4 = {1, 0, 1};

CK_RV rv_of(const auto& call) {
  try {
    static_cast<void>(call());
  } catch (const Error& error) {
    return error.rv();
  }
  return CKR_OK;
}

TEST(PublicKey, IsReadFromWhatItWrites) {
  std::vector<PublicKey> keys = {PublicKey::from_rsa(modulus_of_bits(2048), kF4),
                                 PublicKey::from_point({CKK_EC_EDWARDS, 255}, Bytes(32, 7))};
  for (const test::Vector& vector : test::read_vectors("rfc6979.txt")) {
    keys.push_back(PublicKey::from_point(test::curve(vector.text("key")), vector.bytes("point")));
  }
  for (const PublicKey& key : keys) {
    const Bytes info = key.subject_public_key_info();
    const PublicKey read = PublicKey::from_subject_public_key_info(info);
    EXPECT_EQ(read.spec(), key.spec());
    EXPECT_EQ(read.subject_public_key_info(), info);
    for (const std::size_t cut : {std::size_t{1}, info.size() / 2, info.size()}) {
      EXPECT_EQ(
          rv_of([&] {
            return PublicKey::from_subject_public_key_info(ByteView(info).first(info.size() - cut));
          }),
          CKR_ATTRIBUTE_VALUE_INVALID);
    }
    Bytes longer = info;
    longer.push_back(0);
    EXPECT_EQ(rv_of([&] { return PublicKey::from_subject_public_key_info(longer); }),
              CKR_ATTRIBUTE_VALUE_INVALID);
  }
}

TEST(PublicKey, KnowsItself) {
  const auto vectors = test::read_vectors("rfc6979.txt");
  const std::map<std::string, std::string> names = {
      {"P-256", "EC P-256"}, {"P-384", "EC P-384"}, {"P-521", "EC P-521"}};
  const std::map<std::string, std::size_t> sizes = {{"P-256", 64}, {"P-384", 96}, {"P-521", 132}};
  for (const test::Vector& vector : vectors) {
    const std::string& curve = vector.text("key");
    const PublicKey key = PublicKey::from_point(test::curve(curve), vector.bytes("point"));
    EXPECT_EQ(key.spec(), test::curve(curve));
    EXPECT_EQ(to_string(key.spec()), names.at(curve));
    EXPECT_EQ(key.signature_size(), sizes.at(curve));
    EXPECT_EQ(to_hex(key.point()), vector.text("point"));
    EXPECT_TRUE(key.modulus().empty());
  }
  EXPECT_EQ(to_string({CKK_EC_EDWARDS, 255}), "Ed25519");
  EXPECT_EQ(to_string({CKK_RSA, 3072}), "RSA 3072");
}

TEST(PublicKey, RsaLosesLeadingZeros) {
  Bytes modulus = modulus_of_bits(2048);
  modulus.insert(modulus.begin(), {0, 0});
  const PublicKey key = PublicKey::from_rsa(modulus, Bytes{0, 0, 0, 1, 0, 1});
  EXPECT_EQ(key.spec(), (KeySpec{CKK_RSA, 2048}));
  EXPECT_EQ(to_bytes(key.modulus()), modulus_of_bits(2048));
  EXPECT_EQ(to_bytes(key.exponent()), kF4);
  EXPECT_EQ(key.signature_size(), 256u);
  EXPECT_TRUE(key.point().empty());
}

TEST(PublicKey, RsaOutOfRangeIsRefused) {
  const auto make = [](const Bytes& modulus, const Bytes& exponent) {
    return rv_of([&] { return PublicKey::from_rsa(modulus, exponent); });
  };
  const CK_RV invalid = CKR_ATTRIBUTE_VALUE_INVALID;
  EXPECT_EQ(make(modulus_of_bits(2048), kF4), static_cast<CK_RV>(CKR_OK));
  EXPECT_EQ(make(modulus_of_bits(3071), kF4), static_cast<CK_RV>(CKR_OK));
  EXPECT_EQ(make(modulus_of_bits(16384), kF4), static_cast<CK_RV>(CKR_OK));
  EXPECT_EQ(make({}, kF4), invalid);
  EXPECT_EQ(make(Bytes(300, 0), kF4), invalid);
  EXPECT_EQ(make(modulus_of_bits(1024), kF4), invalid);
  EXPECT_EQ(make(modulus_of_bits(2040), kF4), invalid);
  EXPECT_EQ(make(modulus_of_bits(2047), kF4), invalid);
  EXPECT_EQ(make(modulus_of_bits(16385), kF4), invalid);
  EXPECT_EQ(make(modulus_of_bits(16392), kF4), invalid);
  EXPECT_EQ(make(modulus_of_bits(2048), {}), invalid);
  EXPECT_EQ(make(modulus_of_bits(2048), Bytes(10, 0)), invalid);
  EXPECT_EQ(make(modulus_of_bits(2048), Bytes(33, 1)), invalid);
}

/// RFC 5480 and RFC 8410: an algorithm identifier, and the point as a BIT STRING.
TEST(PublicKey, SubjectPublicKeyInfoOfCurves) {
  const std::map<std::string, std::string> headers = {
      {"P-256", "3059301306072a8648ce3d020106082a8648ce3d030107034200"},
      {"P-384", "3076301006072a8648ce3d020106052b81040022036200"},
      {"P-521",
       "30819b301006072a8648ce3d020106052b810400230381860"
       "0"}};
  for (const test::Vector& vector : test::read_vectors("rfc6979.txt")) {
    const std::string& curve = vector.text("key");
    const PublicKey key = PublicKey::from_point(test::curve(curve), vector.bytes("point"));
    EXPECT_EQ(to_hex(key.subject_public_key_info()), headers.at(curve) + vector.text("point"));
  }
  for (const test::Vector& vector : test::read_vectors("rfc8032.txt")) {
    const PublicKey key = PublicKey::from_point({CKK_EC_EDWARDS, 255}, vector.bytes("point"));
    EXPECT_EQ(to_hex(key.subject_public_key_info()),
              "302a300506032b6570032100" + vector.text("point"));
  }
}

/// RFC 8017, A.1: SEQUENCE { modulus, exponent } in a BIT STRING.
TEST(PublicKey, SubjectPublicKeyInfoOfRsa) {
  const PublicKey key = PublicKey::from_rsa(modulus_of_bits(2048), kF4);
  EXPECT_EQ(to_hex(key.subject_public_key_info()),
            "30820122300d06092a864886f70d01010105000382010f003082010a0282010100" +
                to_hex(modulus_of_bits(2048)) + "0203010001");
}

TEST(PublicKey, UnknownCurveIsRefused) {
  EXPECT_EQ(rv_of([] {
              return PublicKey::from_point({CKK_EC, 224}, Bytes(57, 4));
            }),
            static_cast<CK_RV>(CKR_CURVE_NOT_SUPPORTED));
  EXPECT_EQ(rv_of([] {
              return PublicKey::from_point({CKK_RSA, 2048}, Bytes(57, 4));
            }),
            static_cast<CK_RV>(CKR_CURVE_NOT_SUPPORTED));
}

}  // namespace
}  // namespace mayfly
