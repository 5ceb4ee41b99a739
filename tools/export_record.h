// Entries of ledgers in the forms that collectors of logs take.
#pragma once

#include <cstddef>
#include <string>

#include "ledger/entry.h"
#include "ledger/statement.h"

namespace mayfly::tools {

/// The longest message for syslog, in bytes: what receivers usually take (RFC 5424, 6.1, wants 2048
/// of them at least).
inline constexpr std::size_t kMaxSyslogMessage = 8192;

/// One entry, and what is known of its chain.
struct ExportRecord {
  ledger::ChainTask task;
  std::string process;  ///< number of the process that wrote it; empty if that is not known
  ledger::Entry entry;
};

/// What is wrong with a chain, after its last entry that fits.
struct ExportAlarm {
  std::string task_id;
  std::string serial;
  std::uint64_t line = 0;     ///< 0: none can be read
  std::uint64_t time_ms = 0;  ///< when it was found
  std::string problem;
};

/// A message of RFC 5424, without a newline: facility 13 (log audit), the event as MSGID, and as
/// structured data the task, the serial, the entry's number, its hash, the hash of the entry
/// before, and the entry's data. Of one that is longer than kMaxSyslogMessage, the text is
/// shortened first; what still does not fit is left out, and `left_out` names it.
[[nodiscard]] std::string syslog_message(const ExportRecord& record, const std::string& host);
[[nodiscard]] std::string syslog_message(const ExportAlarm& alarm, const std::string& host);

/// A datagram of journald's native protocol: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, and fields whose
/// names begin with MAYFLY_.
[[nodiscard]] std::string journal_message(const ExportRecord& record);
[[nodiscard]] std::string journal_message(const ExportAlarm& alarm);

/// One JSON object in one line, without a newline.
[[nodiscard]] std::string json_message(const ExportRecord& record);
[[nodiscard]] std::string json_message(const ExportAlarm& alarm);

}  // namespace mayfly::tools
