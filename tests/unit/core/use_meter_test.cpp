// What is counted of a task's use.
#include "core/use_meter.h"

#include <numeric>

#include <gtest/gtest.h>

namespace mayfly {
namespace {

using std::chrono::microseconds;

TEST(UseMeter, CountsWhatWasMadeAndTimesOneInSixtyFour) {
  UseMeter meter;
  int timed = 0;
  for (int i = 0; i < 640; ++i) timed += meter.begin_signature() ? 1 : 0;
  EXPECT_EQ(timed, 10);
  meter.no_signature();
  EXPECT_EQ(meter.read().signatures, 639);
}

TEST(UseMeter, PutsTimesWherePrometheusLooksForThem) {
  UseMeter meter;
  meter.timed(microseconds(50));  // a bound belongs to its own bucket
  meter.timed(microseconds(51));
  meter.timed(std::chrono::seconds(100));
  const Use use = meter.read();
  EXPECT_EQ(use.device_times[0], 1);
  EXPECT_EQ(use.device_times[1], 1);
  EXPECT_EQ(use.device_times.back(), 1);
  EXPECT_EQ(std::accumulate(use.device_times.begin(), use.device_times.end(), 0U), 3);
  EXPECT_EQ(use.device_time_us, 100'000'101);
}

TEST(UseMeter, EveryRefusalHasAReason) {
  UseMeter meter;
  meter.refused(CKR_PIN_INCORRECT);
  meter.refused(CKR_MECHANISM_INVALID);
  meter.refused(CKR_VENDOR_DEFINED | 1);
  const Use use = meter.read();
  EXPECT_EQ(use.refusals[static_cast<std::size_t>(RefusalReason::login)], 1);
  EXPECT_EQ(use.refusals[static_cast<std::size_t>(RefusalReason::mechanism)], 1);
  EXPECT_EQ(use.refusals[static_cast<std::size_t>(RefusalReason::other)], 1);
  EXPECT_EQ(name_of(RefusalReason::login), "login");
  EXPECT_EQ(name_of(RefusalReason::other), "other");
}

}  // namespace
}  // namespace mayfly
