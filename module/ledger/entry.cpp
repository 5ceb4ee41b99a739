#include "ledger/entry.h"

#include "base/json_reader.h"
#include "ledger/canonical_json.h"

namespace mayfly::ledger {
namespace {

void require_canonical(const nlohmann::json& json, std::string_view line) {
  std::string canonical;
  try {
    canonical = canonical_json(json);
  } catch (const JsonError&) {
    throw;
  } catch (const Error& error) {
    throw JsonError(JsonFault::invalid, error.what());
  }
  if (canonical != line) {
    throw JsonError(JsonFault::malformed, "the entry is not in the canonical form of RFC 8785");
  }
}

}  // namespace

void append_line(std::string& out, Event event, std::string_view data, std::uint64_t number,
                 std::string_view previous_hex, std::uint64_t time_ms) {
  out += "{\"data\":";
  out += data;
  out += ",\"event\":\"";
  out += to_string(event);
  out += "\",\"n\":";
  out += std::to_string(number);
  out += ",\"prev\":\"";
  out += previous_hex;
  out += "\",\"time\":";
  out += std::to_string(time_ms);
  out += '}';
}

std::string line_of(Event event, std::string_view data, std::uint64_t number,
                    std::string_view previous_hex, std::uint64_t time_ms) {
  std::string line;
  append_line(line, event, data, number, previous_hex, time_ms);
  return line;
}

Entry parse_entry(std::string_view line) {
  const nlohmann::json json = parse_json(line, kMaxLine);
  require_canonical(json, line);
  JsonObject object(json, "entry");
  Entry entry;
  entry.number = object.number("n", kMaxJsonNumber);
  entry.time_ms = object.number("time", kMaxTime);
  const auto event = find_event(object.text("event"));
  if (!event) object.refuse("event", "is none that is known");
  entry.event = *event;
  entry.previous = object.bytes("prev", kHashSize, kHashSize);
  entry.data = object.at("data");
  if (!entry.data.is_object()) object.refuse("data", "is no object");
  object.finish();
  return entry;
}

}  // namespace mayfly::ledger
