#include "device/tpm/session_records.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "device/tpm/liveness.h"

namespace mayfly::tpm {
namespace {

constexpr std::string_view kPrefix = "mayfly-tpm-session1:";
constexpr std::string_view kParentPrefix = "mayfly-tpm-parent1:";
constexpr std::size_t kIdBytes = 16;

/// "mayfly-tpm-parent1:RESETS:", and then its qualified name.
std::string parent_prefix(Tpm& tpm) {
  return std::string(kParentPrefix) + to_hex_number(restarts(tpm) >> 32) + ":";
}

/// "mayfly-tpm-session1:HANDLE:RESTARTS:OWNER", numbers in hexadecimal digits.
struct Record {
  TPMI_SH_POLICY session = 0;
  std::uint64_t restarts = 0;
  ProcessIdentity owner;

  [[nodiscard]] std::string text() const {
    return std::string(kPrefix) + to_hex_number(session) + ":" + to_hex_number(restarts) + ":" +
           owner.text();
  }

  [[nodiscard]] static std::optional<Record> parse(std::string_view text) {
    if (!text.starts_with(kPrefix)) return std::nullopt;
    text.remove_prefix(kPrefix.size());
    const std::size_t first = text.find(':');
    const std::size_t second = first == text.npos ? text.npos : text.find(':', first + 1);
    if (second == text.npos) return std::nullopt;
    const auto session = parse_hex_number(text.substr(0, first));
    const auto restarts = parse_hex_number(text.substr(first + 1, second - first - 1));
    const auto owner = ProcessIdentity::parse(text.substr(second + 1));
    if (!session || *session >> 24 != TPM2_HT_POLICY_SESSION || !restarts || !owner) {
      return std::nullopt;
    }
    return Record{static_cast<TPMI_SH_POLICY>(*session), *restarts, *owner};
  }
};

}  // namespace

std::uint64_t restarts(Tpm& tpm) {
  const TPMS_CLOCK_INFO info = tpm.read_clock().clockInfo;
  return std::uint64_t{info.resetCount} << 32 | info.restartCount;
}

SessionRecords::SessionRecords(std::shared_ptr<KeyJournal> journal, std::string device)
    : journal_(std::move(journal)), device_(std::move(device)), self_(ProcessIdentity::self()) {}

Bytes SessionRecords::add(TPMI_SH_POLICY session, std::uint64_t restarts) {
  Bytes id(kIdBytes);
  fill_random(id, "the record of a session");
  journal_->add({id, Record{session, restarts, self_}.text(), device_, ""});
  return id;
}

std::vector<Bytes> SessionRecords::parents(Tpm& tpm) {
  std::vector<Bytes> found;
  const std::string prefix = parent_prefix(tpm);
  for (const JournalEntry& entry : journal_->entries(device_)) {
    if (!entry.label.starts_with(kParentPrefix)) continue;
    if (entry.label == prefix + to_hex(entry.id)) {
      found.push_back(entry.id);
    } else {
      journal_->remove(entry.id);  // of the time before a reset
    }
  }
  return found;
}

void SessionRecords::remember_parent(Tpm& tpm, ByteView qualified_name) {
  for (const Bytes& known : parents(tpm)) {
    if (equal(known, qualified_name)) return;
  }
  journal_->add(
      {to_bytes(qualified_name), parent_prefix(tpm) + to_hex(qualified_name), device_, ""});
}

ReapReport SessionRecords::reap(Tpm& tpm, EarlierBoots earlier_boots) {
  ReapReport report;
  const std::uint64_t now = restarts(tpm);
  const std::vector<TPM2_HANDLE> loaded = tpm.handles(TPM2_HR_HMAC_SESSION);
  for (const JournalEntry& entry : journal_->entries(device_)) {
    const auto record = Record::parse(entry.label);
    if (!record || record->owner == self_) continue;
    if (record->restarts == now) {
      if (!is_dead(record->owner, self_, earlier_boots)) {
        ++report.alive;
        continue;
      }
      if (std::ranges::find(loaded, record->session) != loaded.end()) {
        tpm.flush_context(record->session);
        ++report.destroyed;
      }
    }
    journal_->remove(entry.id);
  }
  return report;
}

}  // namespace mayfly::tpm
