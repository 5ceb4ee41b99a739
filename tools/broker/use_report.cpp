#include "tools/broker/use_report.h"

#include "base/json_reader.h"

namespace mayfly::broker {
namespace {

constexpr std::size_t kMostReport = 2048;

template <std::size_t kSize>
void read_counts(JsonObject& object, const char* member, std::array<std::uint64_t, kSize>& counts) {
  const nlohmann::json& list = object.at(member);
  if (!list.is_array() || list.size() != kSize) object.refuse(member, "is no list of its length");
  for (std::size_t i = 0; i < kSize; ++i) {
    if (!list[i].is_number_unsigned()) object.refuse(member, "has something else than counts");
    counts[i] = list[i].get<std::uint64_t>();
  }
}

}  // namespace

std::string to_json(const Use& use) {
  return nlohmann::json{{"signatures", use.signatures},
                        {"refusals", use.refusals},
                        {"device_times", use.device_times},
                        {"device_time_us", use.device_time_us}}
      .dump();
}

Use parse_use(std::string_view text) {
  const nlohmann::json json = parse_json(text, kMostReport);
  JsonObject object(json, "the report");
  Use use;
  use.signatures = object.number("signatures", kMaxJsonNumber);
  read_counts(object, "refusals", use.refusals);
  read_counts(object, "device_times", use.device_times);
  use.device_time_us = object.number("device_time_us", kMaxJsonNumber);
  object.finish();
  return use;
}

}  // namespace mayfly::broker
