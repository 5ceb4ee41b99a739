#include "device/tpm/session_records.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"
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

/// Whether a handle is a session's, with a policy or (encryption alone needs none) without.
bool is_session(std::uint64_t handle) {
  return handle >> 24 == TPM2_HT_POLICY_SESSION || handle >> 24 == TPM2_HT_HMAC_SESSION;
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
    if (!session || !is_session(*session) || !restarts || !owner) return std::nullopt;
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
    if (!entry.label.starts_with(prefix)) continue;
    if (auto name = parse_hex(std::string_view(entry.label).substr(prefix.size()))) {
      found.push_back(*std::move(name));
    }
  }
  return found;
}

bool SessionRecords::strike_out(const Bytes& id) noexcept {
  try {
    remove(id);
    return true;
  } catch (const std::exception& error) {
    log::warn("the record of a policy session stays until the next reaping", error);
    return false;
  }
}

void SessionRecords::remember_parent(Tpm& tpm, ByteView qualified_name) {
  const std::string label = parent_prefix(tpm) + to_hex(qualified_name);
  bool known = false;
  for (const JournalEntry& entry : journal_->entries(device_)) {
    if (!entry.label.starts_with(kParentPrefix)) continue;
    if (entry.label == label) {
      known = true;
    } else if (!entry.label.starts_with(parent_prefix(tpm))) {
      journal_->remove(entry.id);  // of the time before a reset
    }
  }
  if (known) return;
  Bytes id(kIdBytes);
  fill_random(id, "the record of a parent");
  journal_->add({id, label, device_, ""});
}

ReapReport SessionRecords::reap(Tpm& tpm, EarlierBoots earlier_boots) {
  ReapReport report;
  const std::uint64_t now = restarts(tpm);
  const std::vector<TPM2_HANDLE> loaded = tpm.handles(TPM2_HR_HMAC_SESSION);
  std::vector<std::pair<Bytes, TPMI_SH_POLICY>> dead;
  std::set<TPMI_SH_POLICY> claimed;  // by those who live: it was flushed, and begun anew by them
  for (JournalEntry& entry : journal_->entries(device_)) {
    const auto record = Record::parse(entry.label);
    if (!record) continue;
    const bool is_self = record->owner == self_;
    if (record->restarts != now) {
      if (!is_self) journal_->remove(entry.id);
    } else if (is_self || !is_dead(record->owner, self_, earlier_boots)) {
      claimed.insert(record->session);
      if (!is_self) ++report.alive;
    } else {
      dead.emplace_back(std::move(entry.id), record->session);
    }
  }
  for (const auto& [id, session] : dead) {
    journal_->remove(id);  // first: what is flushed can be another's at once
    if (claimed.contains(session) || std::ranges::find(loaded, session) == loaded.end()) continue;
    tpm.flush_context(session);
    claimed.insert(session);
    ++report.destroyed;
  }
  return report;
}

}  // namespace mayfly::tpm
