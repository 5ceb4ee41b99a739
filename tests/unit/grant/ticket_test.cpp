#include "grant/ticket.h"

#include <set>

#include <gtest/gtest.h>

#include "base/hash.h"

namespace mayfly::test {
namespace {

using grant::digest_of_ticket;
using grant::make_ticket;

TEST(Ticket, IsShortUnambiguousAndNeverTheSame) {
  std::set<std::string> seen;
  std::set<char> letters;
  std::vector<std::set<char>> at(grant::kTicketSize);
  for (int i = 0; i < 1000; ++i) {
    const grant::Ticket ticket = make_ticket();
    const std::string text(as_text(ticket.text.view()));
    ASSERT_LE(text.size(), 31U);
    ASSERT_EQ(text.size(), grant::kTicketSize);
    EXPECT_TRUE(seen.insert(text).second);
    for (std::size_t j = 0; j < text.size(); ++j) at[j].insert(text[j]);
    letters.insert(text.begin(), text.end());
    EXPECT_EQ(ticket.digest, digest(Hash::sha256, as_bytes(text)));
    EXPECT_EQ(digest_of_ticket(as_bytes(text)), ticket.digest);
  }
  EXPECT_EQ(letters.size(), 32U);
  for (const char mixed_up : {'I', 'L', 'O', 'U'}) EXPECT_FALSE(letters.contains(mixed_up));
  for (const std::set<char>& one : at) EXPECT_EQ(one.size(), 32U) << "130 bits, in every place";
}

TEST(Ticket, SmallLettersAreTheSame) {
  EXPECT_EQ(digest_of_ticket(as_bytes("0123456789abcdefghjkmnpqrs")),
            digest(Hash::sha256, as_bytes("0123456789ABCDEFGHJKMNPQRS")));
}

TEST(Ticket, NothingElseIsOne) {
  for (const std::string text :
       {"", "0123456789ABCDEFGHJKMNPQR", "0123456789ABCDEFGHJKMNPQRST",
        "0123456789ABCDEFGHIJKLMNOP", "0123456789ABCDEFGHJKMNPQR ", "0123456789ABCDEFGHJKMNPQ-S",
        "0123456789ABCDEFGHJKMNPQ.S", "0123456789ABCDEFGHJKMNPQR\xc3"}) {
    EXPECT_FALSE(digest_of_ticket(as_bytes(text))) << text;
  }
  EXPECT_FALSE(digest_of_ticket(as_bytes(std::string_view("0123456789ABCDEFGHJKMNPQR\0", 26))));
}

}  // namespace
}  // namespace mayfly::test
