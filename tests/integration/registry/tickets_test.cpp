#include "integration/registry/registry_test.h"

namespace mayfly::test {
namespace {

using Tickets = RegistryTest;

const Bytes kHash(32, 7);

TEST_P(Tickets, AreTakenOnce) {
  const std::string grant(8'192, 'g');
  registry_->add_ticket(kHash, grant, unix_now_s() + 60);
  EXPECT_EQ(registry_->take_ticket(Bytes(32, 8)), std::nullopt);
  EXPECT_EQ(place_.open()->take_ticket(kHash), grant);
  EXPECT_EQ(registry_->take_ticket(kHash), std::nullopt);
}

TEST_P(Tickets, AreWorthNothingWhenTheyAreOver) {
  registry_->add_ticket(kHash, "grant", unix_now_s() - 1);
  EXPECT_EQ(registry_->take_ticket(kHash), std::nullopt);
}

TEST_P(Tickets, StandForOneGrant) {
  registry_->add_ticket(kHash, "grant", unix_now_s() + 60);
  registry_->add_ticket(kHash, "grant", unix_now_s() + 60);
  EXPECT_EQ(fault_of([&] { registry_->add_ticket(kHash, "other", unix_now_s() + 60); }),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(registry_->take_ticket(kHash), "grant");
}

TEST_P(Tickets, AreCheckedBeforeTheyAreWritten) {
  const auto fault = [&](const Bytes& hash, const std::string& grant, std::uint64_t expires) {
    return fault_of([&] { registry_->add_ticket(hash, grant, expires); });
  };
  EXPECT_EQ(fault(Bytes(31, 7), "grant", 1), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault(kHash, "", 1), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault(kHash, std::string(8'193, 'g'), 1), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault(kHash, "grant\n", 1), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault(kHash, "grant", ~0ULL), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(fault_of([&] { static_cast<void>(registry_->take_ticket(Bytes())); }),
            CKR_ARGUMENTS_BAD);
}

MAYFLY_ON_EVERY_DATABASE(Tickets);

}  // namespace
}  // namespace mayfly::test
