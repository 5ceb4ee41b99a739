#include "tools/export_record.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/utf8.h"
#include "ledger/canonical_json.h"
#include "tools/audit_entries.h"
#include "tools/utc_text.h"

namespace mayfly::tools {
namespace {

using ledger::Event;

constexpr int kAudit = 13;  // a facility (RFC 5424, 6.2.1)
constexpr int kAlert = 1;   // severities
constexpr int kWarning = 4;
constexpr int kInfo = 6;
/// No number of an enterprise is mayfly's: this is the one for examples (RFC 5612).
constexpr const char* kDataId = "mayfly@32473";
constexpr const char* kTampered = "tampered";

using Values = std::vector<std::pair<std::string, std::string>>;

int severity_of(const ledger::Entry& entry) {
  if (entry.event == Event::refusal || entry.event == Event::refusals) return kWarning;
  const auto is = [&](const char* member, const char* value) {
    return entry.data.value(member, std::string()) == value;
  };
  const bool is_odd = is("outcome", "failed") || is("outcome", "withheld") ||
                      is("outcome", "pending") || is("cause", "lost");
  return is_odd ? kWarning : kInfo;
}

std::string hash_of(const ledger::Entry& entry) {
  const std::string line = ledger::line_of(entry.event, ledger::canonical_json(entry.data),
                                           entry.number, to_hex(entry.previous), entry.time_ms);
  return to_hex(digest(Hash::sha256, as_bytes(line)));
}

std::string value_text(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// What is told of an entry, beside its text.
Values values_of(const ExportRecord& record) {
  Values values = {{"task", record.task.id},
                   {"serial", record.task.serial},
                   {"n", std::to_string(record.entry.number)},
                   {"hash", hash_of(record.entry)},
                   {"prev", to_hex(record.entry.previous)}};
  for (const auto& [name, value] : record.entry.data.items()) {
    if (name == "task" || name == "serial") continue;  // they stand there already
    values.emplace_back(name, value_text(value));
  }
  return values;
}

Values values_of(const ExportAlarm& alarm) {
  return {{"task", alarm.task_id},
          {"serial", alarm.serial},
          {"line", std::to_string(alarm.line)},
          {"reason", alarm.problem}};
}

std::string text_of(const ExportRecord& record) {
  return "task " + record.task.id + ": " + entry_text(record.entry);
}

std::string text_of(const ExportAlarm& alarm) {
  if (alarm.line == 0) return alarm.problem;
  return "task " + alarm.task_id + ": the ledger was tampered with, line " +
         std::to_string(alarm.line) + ": " + alarm.problem;
}

std::string rfc3339(std::uint64_t time_ms) {
  std::string text = utc_text_ms(time_ms);  // "2026-11-24 18:00:00.000 UTC"
  text[10] = 'T';
  text.resize(text.size() - 4);
  return text + 'Z';
}

/// A header's field: printable ASCII without spaces, or a hyphen for none (RFC 5424, 6).
std::string header_field(const std::string& text, std::size_t most) {
  const bool good = !text.empty() && text.size() <= most &&
                    std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  return good ? text : "-";
}

/// A value of structured data (6.3.3).
std::string parameter(const std::string& name, std::string_view value) {
  std::string text = ' ' + name + "=\"";
  for (const char c : value) {
    if (c == '"' || c == '\\' || c == ']') text += '\\';
    text += c;
  }
  return text + '"';
}

/// A message's text (6.4): with the mark of UTF-8 where it is more than ASCII.
std::string message_text(const std::string& text) {
  const bool is_ascii = std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; });
  return is_ascii ? text : "\xef\xbb\xbf" + text;
}

struct SyslogHeader {
  int severity = kInfo;
  std::uint64_t time_ms = 0;
  std::string host;
  std::string process;
  std::string event;
};

std::string syslog_line(const SyslogHeader& header, const Values& values, const std::string& text) {
  // Room for what tells of the rest.
  constexpr std::size_t kLeftOut = 64;
  std::string line = '<' + std::to_string(kAudit * 8 + header.severity) + ">1 " +
                     rfc3339(header.time_ms) + ' ' + header_field(header.host, 255) + " mayfly " +
                     header_field(header.process, 128) + ' ' + header.event + " [" + kDataId;
  std::string left_out;
  for (const auto& [name, value] : values) {
    const std::string one = parameter(name, value);
    if (line.size() + one.size() + left_out.size() + kLeftOut <= kMaxSyslogMessage) {
      line += one;
    } else {
      left_out += left_out.empty() ? name : ' ' + name;
    }
  }
  if (!left_out.empty()) line += parameter("left_out", left_out);
  line += "] ";
  const std::size_t room = kMaxSyslogMessage - std::min(line.size(), kMaxSyslogMessage);
  return line += utf8_prefix(message_text(text), room);
}

/// A field of journald's protocol. Values that hold a newline have their length before them.
std::string journal_field(const std::string& name, std::string_view value) {
  if (value.find('\n') == value.npos) return name + '=' + std::string(value) + '\n';
  std::string field = name + '\n';
  std::uint64_t size = value.size();
  for (int i = 0; i < 8; ++i, size >>= 8) field += static_cast<char>(size & 0xff);
  field += value;
  return field + '\n';
}

std::string journal_datagram(int severity, const std::string& event, std::uint64_t time_ms,
                             const Values& values, const std::string& text) {
  std::string message =
      journal_field("MESSAGE", text) + journal_field("PRIORITY", std::to_string(severity)) +
      journal_field("SYSLOG_FACILITY", std::to_string(kAudit)) +
      journal_field("SYSLOG_IDENTIFIER", "mayfly") + journal_field("MAYFLY_EVENT", event) +
      journal_field("MAYFLY_TIME", rfc3339(time_ms));
  for (const auto& [name, value] : values) {
    std::string field = "MAYFLY_" + name;
    for (char& c : field) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    message += journal_field(field, value);
  }
  return message;
}

}  // namespace

std::string syslog_message(const ExportRecord& record, const std::string& host) {
  const ledger::Entry& entry = record.entry;
  return syslog_line(
      {severity_of(entry), entry.time_ms, host, record.process, ledger::to_string(entry.event)},
      values_of(record), text_of(record));
}

std::string syslog_message(const ExportAlarm& alarm, const std::string& host) {
  return syslog_line({kAlert, alarm.time_ms, host, {}, kTampered}, values_of(alarm),
                     text_of(alarm));
}

std::string journal_message(const ExportRecord& record) {
  const ledger::Entry& entry = record.entry;
  return journal_datagram(severity_of(entry), ledger::to_string(entry.event), entry.time_ms,
                          values_of(record), text_of(record));
}

std::string journal_message(const ExportAlarm& alarm) {
  return journal_datagram(kAlert, kTampered, alarm.time_ms, values_of(alarm), text_of(alarm));
}

std::string json_message(const ExportRecord& record) {
  const ledger::Entry& entry = record.entry;
  const nlohmann::json json = {{"task", record.task.id},
                               {"serial", record.task.serial},
                               {"n", entry.number},
                               {"time", rfc3339(entry.time_ms)},
                               {"event", ledger::to_string(entry.event)},
                               {"hash", hash_of(entry)},
                               {"prev", to_hex(entry.previous)},
                               {"data", entry.data},
                               {"text", entry_text(entry)}};
  return json.dump();
}

std::string json_message(const ExportAlarm& alarm) {
  const nlohmann::json json = {{"task", alarm.task_id}, {"serial", alarm.serial},
                               {"line", alarm.line},    {"time", rfc3339(alarm.time_ms)},
                               {"event", kTampered},    {"reason", alarm.problem}};
  return json.dump();
}

}  // namespace mayfly::tools
