#include "wire/message.h"

#include <gtest/gtest.h>

#include "wire/wire_error.h"

namespace mayfly::wire {
namespace {

/// Whether reading fails as it must for what the other side got wrong.
template <typename Read>
bool is_malformed(Read&& read) {
  try {
    read();
    return false;
  } catch (const WireError& error) {
    return error.cause() == WireError::Cause::malformed;
  }
}

TEST(Message, ReadsWhatWasWritten) {
  Bytes body;
  Writer out(body);
  out.u8(0xab);
  out.flag(true);
  out.u32(0x01020304);
  out.u64(0x1122334455667788);
  out.text("text");
  out.count(3);
  EXPECT_EQ(to_hex(body), "ab01040302018877665544332211040000007465787403000000");
  Reader in(body);
  EXPECT_EQ(in.u8(), 0xab);
  EXPECT_TRUE(in.flag());
  EXPECT_EQ(in.u32(), 0x01020304U);
  EXPECT_EQ(in.u64(), 0x1122334455667788U);
  EXPECT_EQ(in.text(4), "text");
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(in.count(1)); }));
}

TEST(Message, NothingIsBelieved) {
  const Bytes body = {3, 0, 0, 0, 1, 2};
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(Reader(body).bytes()); }));
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(Reader(body).u64()); }));
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(Reader(body).flag()); }));
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(Reader(body).count(1)); }));
  EXPECT_TRUE(is_malformed([&] { Reader(body).require_end(); }));
  const Bytes whole = {2, 0, 0, 0, 1, 2};
  EXPECT_EQ(Reader(whole).bytes(2).size(), 2U);
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(Reader(whole).bytes(1)); }));
  EXPECT_EQ(Reader(whole).count(1), 2U);
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(Reader(whole).count(2)); }));
  const Bytes most = {0xff, 0xff, 0xff, 0xff};
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(Reader(most).bytes()); }));
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(Reader(most).count(1)); }));
  Reader empty({});
  EXPECT_NO_THROW(empty.require_end());
  EXPECT_TRUE(is_malformed([&] { static_cast<void>(empty.u8()); }));
}

}  // namespace
}  // namespace mayfly::wire
