// CKA_EC_PARAMS and CKA_EC_POINT: what is understood, and what is not.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/public_key.h"
#include "unit/base/vectors.h"

namespace mayfly {
namespace {

constexpr KeySpec kP256{CKK_EC, 256};
constexpr KeySpec kP384{CKK_EC, 384};
constexpr KeySpec kP521{CKK_EC, 521};
constexpr KeySpec kEd25519{CKK_EC_EDWARDS, 255};

Bytes join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::size_t point_size(const KeySpec& spec) {
  return spec == kP256 ? 65 : spec == kP384 ? 97 : spec == kP521 ? 133 : 32;
}

TEST(EcParams, NamesOfCurves) {
  EXPECT_EQ(to_hex(ec_params(kP256)), "06082a8648ce3d030107");
  EXPECT_EQ(to_hex(ec_params(kP384)), "06052b81040022");
  EXPECT_EQ(to_hex(ec_params(kP521)), "06052b81040023");
  EXPECT_EQ(to_hex(ec_params(kEd25519)), "06032b6570");
  EXPECT_TRUE(ec_params({CKK_RSA, 2048}).empty());
  EXPECT_TRUE(ec_params({CKK_EC, 255}).empty());
  for (const KeySpec& spec : {kP256, kP384, kP521, kEd25519}) {
    EXPECT_EQ(spec_of_ec_params(ec_params(spec)), spec);
  }
  EXPECT_EQ(spec_of_ec_params(test::from_hex("130c656477617264733235353139")), kEd25519);
}

TEST(EcParams, AnythingElseIsNoCurve) {
  for (const char* der :
       {"", "06", "0608", "06082a8648ce3d0301", "06082a8648ce3d03010700", "06082a8648ce3d030101",
        "0681082a8648ce3d030107", "05082a8648ce3d030107", "06052b8104000a", "06032b656e",
        "06032b6571", "130c65647761726473323535313a", "130a63757276653235353139", "0500",
        "30800608"
        "2a8648ce3d0301070000"}) {
    EXPECT_EQ(spec_of_ec_params(test::from_hex(der)), std::nullopt) << der;
  }
}

TEST(EcPoint, EncodesAndDecodes) {
  for (const KeySpec& spec : {kP256, kP384, kP521, kEd25519}) {
    const Bytes point(point_size(spec), 0x04);
    const Bytes der = encode_ec_point(point);
    EXPECT_EQ(der.size(), point.size() + (point.size() < 128 ? 2 : 3));
    EXPECT_EQ(decode_ec_point(spec, der), point) << to_string(spec);
    EXPECT_EQ(decode_ec_point(spec, point), point)
        << "as some devices give it, " << to_string(spec);
  }
}

struct BadPoint {
  const char* what;
  KeySpec spec;
  Bytes attribute;
};

TEST(EcPoint, MalformedIsRefused) {
  const Bytes p256(65, 0x04);
  const Bytes p521(133, 0x04);
  const Bytes ed(32, 0x11);
  const BadPoint table[] = {
      {"empty", kP256, {}},
      {"tag alone", kP256, {0x04}},
      {"header alone", kP256, {0x04, 65}},
      {"one byte short", kP256, join({{0x04, 65}, Bytes(64, 4)})},
      {"one byte more", kP256, join({{0x04, 65}, p256, {0}})},
      {"bare, one byte short", kP256, Bytes(64, 4)},
      {"bare, one byte more", kP256, Bytes(66, 4)},
      {"length too small", kP256, join({{0x04, 64}, p256})},
      {"length too large", kP256, join({{0x04, 66}, p256})},
      {"BIT STRING", kP256, join({{0x03, 66, 0}, p256})},
      {"BIT STRING of the right size", kP256, join({{0x03, 65}, p256})},
      {"long form of a short length", kP256, join({{0x04, 0x81, 65}, p256})},
      {"indefinite length", kP256, join({{0x04, 0x80}, p256})},
      {"two OCTET STRINGs", kP256, join({{0x04, 67, 0x04, 65}, p256})},
      {"of another curve", kP256, encode_ec_point(Bytes(97, 4))},
      {"of another curve, bare", kP256, Bytes(97, 4)},
      {"short form of a long length", kP521, join({{0x04, 133}, p521})},
      {"length in two bytes", kP521, join({{0x04, 0x82, 0, 133}, p521})},
      {"long length too small", kP521, join({{0x04, 0x81, 132}, p521})},
      {"long length too large", kP521, join({{0x04, 0x81, 134}, p521})},
      {"Ed25519 with a tag only", kEd25519, join({{0x04}, ed})},
      {"Ed25519 of 31 bytes", kEd25519, encode_ec_point(Bytes(31, 1))},
      {"Ed25519 of 33 bytes", kEd25519, encode_ec_point(Bytes(33, 1))},
      {"an RSA key", {CKK_RSA, 2048}, encode_ec_point(p256)},
      {"a curve that is not known", {CKK_EC, 224}, encode_ec_point(Bytes(57, 4))},
  };
  for (const BadPoint& bad : table) {
    EXPECT_EQ(decode_ec_point(bad.spec, bad.attribute), std::nullopt) << bad.what;
  }
}

/// The point of the RFC 6979 key on the curve.
Bytes good_point(const char* name) {
  for (const test::Vector& vector : test::read_vectors("rfc6979.txt")) {
    if (vector.text("key") == name) return vector.bytes("point");
  }
  throw std::runtime_error("no such curve");
}

TEST(FromPoint, WhatIsNoPointOfTheCurveIsRefused) {
  const Bytes good = good_point("P-256");
  const auto changed = [&](std::size_t index, std::uint8_t value) {
    Bytes point = good;
    point[index] = value;
    return point;
  };
  Bytes over_the_field(65, 0xff);
  over_the_field[0] = 4;
  Bytes compressed(good.begin(), good.begin() + 33);
  compressed[0] = static_cast<std::uint8_t>(2 + (good.back() & 1));
  Bytes origin(65, 0);
  origin[0] = 4;
  const BadPoint table[] = {
      {"empty", kP256, {}},
      {"infinity", kP256, {0}},
      {"infinity, padded", kP256, Bytes(65, 0)},
      {"(0, 0)", kP256, origin},
      {"off the curve", kP256, changed(64, static_cast<std::uint8_t>(good[64] ^ 1))},
      {"coordinates above the field", kP256, over_the_field},
      {"compressed", kP256, compressed},
      {"hybrid", kP256, changed(0, static_cast<std::uint8_t>(6 + (good.back() & 1)))},
      {"hybrid with the wrong sign", kP256,
       changed(0, static_cast<std::uint8_t>(7 - (good.back() & 1)))},
      {"unknown form", kP256, changed(0, 5)},
      {"one byte short", kP256, Bytes(good.begin(), good.end() - 1)},
      {"one byte more", kP256, join({good, {0}})},
      {"with its DER", kP256, encode_ec_point(good)},
      {"of another curve", kP384, good},
      {"Ed25519 of 31 bytes", kEd25519, Bytes(31, 1)},
      {"Ed25519 of 33 bytes", kEd25519, Bytes(33, 1)},
  };
  for (const BadPoint& bad : table) {
    try {
      static_cast<void>(PublicKey::from_point(bad.spec, bad.attribute));
      ADD_FAILURE() << bad.what << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.rv(), static_cast<CK_RV>(CKR_ATTRIBUTE_VALUE_INVALID)) << bad.what;
    }
  }
}

}  // namespace
}  // namespace mayfly
