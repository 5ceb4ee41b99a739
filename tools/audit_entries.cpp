#include "tools/audit_entries.h"

#include "base/public_key.h"
#include "base/task_binding.h"
#include "tools/utc_text.h"

namespace mayfly::tools {
namespace {

using ledger::Event;
using nlohmann::json;

std::string text_of(const json& data, const char* member) {
  return data.value(member, std::string());
}

std::string number_of(const json& data, const char* member) {
  return std::to_string(data.value(member, std::uint64_t{0}));
}

std::string key_of(const json& data) { return short_key(text_of(data, "key")); }

std::string permission_text(const json& data) {
  std::string text;
  if (data.contains("agent")) text += ", for " + text_of(data, "agent");
  if (data.contains("grant")) {
    text += ", by grant " + text_of(data, "grant") + " of the approver's key " +
            text_of(data, "approver");
  }
  return text;
}

std::string open_text(const json& data) {
  std::string text = "opened, until " + utc_text(data.value("deadline", std::uint64_t{0}));
  text += permission_text(data);
  if (data.contains("parent")) text += ", child of " + text_of(data, "parent");
  return text;
}

std::string active_text(const json& data) {
  const auto der = parse_hex(text_of(data, "ledger_key")).value_or(Bytes());
  return "the ledger has the key " +
         short_key(to_hex(thumbprint(PublicKey::from_subject_public_key_info(der))));
}

const char* of_text(const std::string& of) {
  if (of == "message") return ", message with digest ";
  return of == "input" ? ", given " : ", given what has the SHA-256 ";
}

std::string signature_text(const json& data) {
  const std::string outcome = text_of(data, "outcome");
  const std::string what = outcome == "made" ? "signed with "
                           : outcome == "withheld"
                               ? "made a signature that was not given out, with "
                               : "failed to sign with ";
  std::string text = what + key_of(data) + ", " + text_of(data, "mechanism") +
                     of_text(text_of(data, "of")) + text_of(data, "digest");
  if (data.contains("reason")) text += ": " + text_of(data, "reason");
  return text;
}

std::string refusal_text(const json& data) {
  std::string text = "refused: " + text_of(data, "what");
  if (data.contains("key")) text += " with " + key_of(data);
  if (data.contains("mechanism")) text += ", " + text_of(data, "mechanism");
  return text + ": " + text_of(data, "reason");
}

}  // namespace

std::string approver_text(const ledger::Permission& permission) {
  return permission.approver.empty() ? "" : "the key " + permission.approver;
}

std::string short_key(const std::string& thumbprint) { return thumbprint.substr(0, 16); }

std::string entry_text(const ledger::Entry& entry) {
  const json& data = entry.data;
  switch (entry.event) {
    case Event::open:
      return open_text(data);
    case Event::login:
      return "a client logged in" + permission_text(data);
    case Event::active:
      return active_text(data);
    case Event::generation:
      return "made the key " + key_of(data) + ", " + text_of(data, "kind");
    case Event::signature:
      return signature_text(data);
    case Event::refusal:
      return refusal_text(data);
    case Event::refusals:
      return number_of(data, "count") + " more refusals, which are not listed";
    case Event::destruction:
      return text_of(data, "outcome") == "destroyed"
                 ? "destroyed the key " + key_of(data)
                 : "the device still owes the destruction of the key " + key_of(data);
    case Event::end:
      return "ended (" + text_of(data, "cause") + "), " + number_of(data, "destroyed") +
             " keys destroyed, " + number_of(data, "pending") + " still owed by the device";
    case Event::seal:
      break;
  }
  return "sealed";
}

}  // namespace mayfly::tools
