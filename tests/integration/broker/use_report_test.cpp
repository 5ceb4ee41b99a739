// A broker believes of a worker's report only what is one.
#include "tools/broker/use_report.h"

#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "tools/broker/control_channel.h"

namespace mayfly::broker {
namespace {

TEST(UseReport, IsReadAsItWasMeantAndFitsIntoAMessage) {
  Use use;
  use.signatures = kMaxJsonNumber;
  use.refusals.fill(kMaxJsonNumber);
  use.device_times.fill(kMaxJsonNumber);
  use.device_time_us = kMaxJsonNumber;
  EXPECT_EQ(parse_use(to_json(use)), use);
  EXPECT_LT(to_json(use).size(), ControlChannel::kMaxText);
  EXPECT_EQ(parse_use(to_json({})), Use());
}

TEST(UseReport, NothingElseIsTaken) {
  const std::string good = to_json({});
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"signatures\":0", "\"signatures\":-1"},
           {"\"signatures\":0", "\"signatures\":1e9"},
           {"\"signatures\":0", "\"signatures\":\"1\""},
           {"\"refusals\":[0,", "\"refusals\":["},
           {"\"refusals\":[0,", "\"refusals\":[0,0,"},
           {"\"refusals\":[0,", "\"refusals\":[null,"},
           {"\"device_times\":[0", "\"device_times\":[{}"},
           {"\"device_time_us\":0", "\"device_time\":0"},
           {"{", "{\"more\":1,"},
           {"{", "["},
       }) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_THROW(static_cast<void>(parse_use(bad)), JsonError) << bad;
  }
}

}  // namespace
}  // namespace mayfly::broker
