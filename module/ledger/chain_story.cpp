#include "ledger/chain_story.h"

#include "base/task_binding.h"

namespace mayfly::ledger {
namespace {

constexpr std::size_t kSerialSize = 8;
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxScope = 16 * 1024;
constexpr std::size_t kMaxReason = 8 * 1024;
constexpr std::size_t kMaxKeySize = 1024;
constexpr std::uint64_t kMaxSeconds = kMaxTime / 1000;

[[noreturn]] void refuse(const std::string& problem) {
  throw JsonError(JsonFault::invalid, problem);
}

std::string optional_text(JsonObject& data, const char* member, std::size_t most = kMaxName) {
  return data.has(member) ? data.printable_text(member, most) : std::string();
}

Permission read_permission(JsonObject& data) {
  return {optional_text(data, "agent"), optional_text(data, "approver"),
          optional_text(data, "grant"), optional_text(data, "scope", kMaxScope), ""};
}

PublicKey read_public_key(JsonObject& data, const char* member) {
  try {
    return PublicKey::from_subject_public_key_info(data.bytes(member, 1, kMaxKeySize));
  } catch (const JsonError&) {
    throw;
  } catch (const Error&) {
    data.refuse(member, "is no public key");
  }
}

}  // namespace

void ChainStory::take_open(JsonObject& data, const Entry& entry) {
  if (entry.number != 1) refuse("the task is opened a second time");
  data.require_format(kFormat, kVersion);
  summary_.task.id = data.printable_text("task", kMaxName);
  summary_.task.serial = to_hex(data.bytes("serial", kSerialSize, kSerialSize));
  summary_.deadline_unix_s = data.number("deadline", kMaxSeconds);
  summary_.owner = data.printable_text("owner", kMaxName);
  summary_.permission = read_permission(data);
  summary_.permission.parent = optional_text(data, "parent");
  summary_.opened_ms = entry.time_ms;
}

void ChainStory::take_login(JsonObject& data) {
  ++summary_.logins;
  if (!data.has("grant")) return;
  // The task awaited its grant, which came with the login.
  const std::string parent = summary_.permission.parent;
  summary_.permission = read_permission(data);
  summary_.permission.parent = parent;
  summary_.deadline_unix_s = data.number("deadline", kMaxSeconds);
}

void ChainStory::take_active(JsonObject& data, const Entry& entry) {
  if (summary_.ledger_key) refuse("the ledger has a key already");
  summary_.ledger_key = read_public_key(data, "ledger_key");
  summary_.ledger_key_line = entry.number;
}

void ChainStory::take_generation(JsonObject& data, const Entry& entry) {
  if (!summary_.ledger_key) refuse("a key is made before the ledger has one");
  const PublicKey key = read_public_key(data, "public_key");
  const std::string name = to_hex(thumbprint(key));
  if (data.text("key") != name) data.refuse("key", "is not the thumbprint of public_key");
  if (summary_.keys.contains(name)) refuse("the key is made a second time");
  if (data.text("kind") != to_string(key.spec())) data.refuse("kind", "is not that of public_key");
  ChainKey made;
  made.kind = to_string(key.spec());
  made.public_key = key.subject_public_key_info();
  made.made_line = entry.number;
  made.made_ms = entry.time_ms;
  if (data.has("endorsement")) {
    const Bytes signature = data.bytes("endorsement", 1, kMaxSignatureSize);
    if (!is_signed(key, endorsement_statement(summary_.task, *summary_.ledger_key), signature)) {
      data.refuse("endorsement", "is no signature of the key over the ledger's key");
    }
    made.endorses = true;
  }
  summary_.keys.emplace(name, std::move(made));
}

ChainKey& ChainStory::living_key(JsonObject& data) {
  const auto key = summary_.keys.find(data.text("key"));
  if (key == summary_.keys.end()) data.refuse("key", "is none that was made");
  if (key->second.destroyed_ms) data.refuse("key", "was destroyed before");
  return key->second;
}

void ChainStory::take_signature(JsonObject& data) {
  ChainKey& key = living_key(data);
  static_cast<void>(data.printable_text("mechanism", kMaxName));
  static_cast<void>(data.bytes("digest", 1, kMaxInput));
  const std::string of = data.text("of");
  if (of != "message" && of != "input" && of != "input hash")
    data.refuse("of", "is none that is known");
  const std::string outcome = data.text("outcome");
  if (outcome == "made") {
    ++key.signatures;
    ++summary_.signatures;
    return;
  }
  if (outcome != "failed" && outcome != "withheld") data.refuse("outcome", "is none that is known");
  static_cast<void>(data.number("answer", kMaxJsonNumber));
  static_cast<void>(data.printable_text("reason", kMaxReason));
}

void ChainStory::take_refusal(JsonObject& data) {
  static_cast<void>(data.printable_text("what", kMaxName));
  static_cast<void>(data.number("answer", kMaxJsonNumber));
  static_cast<void>(data.printable_text("reason", kMaxReason));
  static_cast<void>(optional_text(data, "key"));
  static_cast<void>(optional_text(data, "mechanism"));
  ++summary_.refusals;
}

void ChainStory::take_destruction(JsonObject& data, const Entry& entry) {
  ChainKey& key = living_key(data);
  key.destroyed_ms = entry.time_ms;
  const std::string outcome = data.text("outcome");
  key.pending = outcome == "pending";
  if (!key.pending && outcome != "destroyed") data.refuse("outcome", "is none that is known");
}

void ChainStory::take_end(JsonObject& data) {
  const auto cause = find_task_state(data.text("cause"));
  if (!cause || !is_final(*cause)) data.refuse("cause", "is no end of a task");
  static_cast<void>(data.number("destroyed", kMaxJsonNumber));
  static_cast<void>(data.number("pending", kMaxJsonNumber));
  for (const auto& [name, key] : summary_.keys) {
    if (!key.destroyed_ms) refuse("the task ends, and nothing is said of its key " + name);
  }
  summary_.end = cause;
}

void ChainStory::take_seal(JsonObject& data, const Entry& entry) {
  if (!summary_.end) refuse("the seal stands before the end");
  if (!summary_.ledger_key) refuse("there is a seal, and no key that could have made it");
  const Bytes signature = data.bytes("signature", 1, kMaxSignatureSize);
  const std::string statement =
      seal_statement(summary_.task, {entry.number - 1, entry.previous}, entry.time_ms);
  if (!is_signed(*summary_.ledger_key, statement, signature)) {
    data.refuse("signature", "is not the ledger key's over the entries before");
  }
  sealed_ = true;
}

void ChainStory::take(const Entry& entry) {
  if (entry.number == 1 && entry.event != Event::open) refuse("the first entry opens no task");
  if (sealed_) refuse("something stands after the seal");
  if (summary_.end && entry.event != Event::seal) refuse("something stands after the end");
  JsonObject data(entry.data, std::string(to_string(entry.event)));
  switch (entry.event) {
    case Event::open:
      take_open(data, entry);
      break;
    case Event::login:
      take_login(data);
      break;
    case Event::active:
      take_active(data, entry);
      break;
    case Event::generation:
      take_generation(data, entry);
      break;
    case Event::signature:
      take_signature(data);
      break;
    case Event::refusal:
      take_refusal(data);
      break;
    case Event::refusals:
      summary_.refusals += data.number("count", kMaxJsonNumber);
      break;
    case Event::destruction:
      take_destruction(data, entry);
      break;
    case Event::end:
      take_end(data);
      break;
    case Event::seal:
      take_seal(data, entry);
      break;
  }
  data.finish();
  summary_.last_ms = entry.time_ms;
}

}  // namespace mayfly::ledger
