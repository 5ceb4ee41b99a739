#include "registry/record_checks.h"

#include <limits>

#include "base/error.h"
#include "base/utf8.h"

namespace mayfly {
namespace {

constexpr std::size_t kSerialDigits = 16;
constexpr std::size_t kMostName = 255;
constexpr std::size_t kMostKeyId = 255;
constexpr std::size_t kMostLabel = 1'024;
constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kMostPublicKey = 1'024;

[[noreturn]] void refuse(const char* what, const std::string& why) {
  throw Error(CKR_ARGUMENTS_BAD, std::string(what) + " " + why);
}

/// What a device says of itself may hold any bytes.
void check_size(std::size_t size, std::size_t least, std::size_t most, const char* what) {
  if (size >= least && size <= most) return;
  refuse(what, "must have " + std::to_string(least) + " to " + std::to_string(most) + " bytes");
}

}  // namespace

void check_hex(const std::string& text, std::size_t digits, const char* what) {
  if (is_hex(text, digits)) return;
  refuse(what, "must be " + std::to_string(digits) + " lower-case hexadecimal digits");
}

void check_text(const std::string& text, std::size_t least, std::size_t most, const char* what) {
  check_size(text.size(), least, most, what);
  if (!is_printable_utf8(text)) refuse(what, "must be UTF-8 without control characters");
}

std::int64_t checked_number(std::uint64_t number, const char* what) {
  // Room to count on from it in milliseconds.
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max() / 2'000;
  if (number > kMost) refuse(what, "is too large a number");
  return static_cast<std::int64_t>(number);
}

void check(const StoredKeyRecord& record) {
  check_size(record.id.size(), 1, kMostKeyId, "a stored key's ID");
  check_size(record.label.size(), 0, kMostLabel, "a stored key's label");
  check_size(record.device.size(), 0, kMostLabel, "a stored key's device");
  check_text(record.task_id, 0, kMostName, "a stored key's task ID");
  if (!record.task_serial.empty()) check_serial(record.task_serial);
}

void check(const BrokerRecord& broker) {
  check_broker_id(broker.id);
  check_hex(broker.host, kHostDigits, "a broker's host");
  if (!ProcessIdentity::parse(broker.process.text())) {
    refuse("a broker's process", "is no process");
  }
}

void check(const GrantUse& grant) {
  check_text(grant.name.issuer, 1, kMostName, "a grant's issuer");
  check_text(grant.name.id, 1, kMostName, "a grant's jti");
}

void check(const NewTask& task) {
  check_serial(task.serial);
  check_text(task.id, 1, kMostName, "a task's ID");
  check_text(task.agent, 0, kMostName, "a task's agent");
  if (!task.parent.empty()) check_hex(task.parent, kSerialDigits, "the serial of a task's parent");
  check_broker_id(task.broker);
  static_cast<void>(checked_number(task.deadline, "a task's deadline"));
}

void check(const TaskChange& change) {
  check_serial(change.serial);
  check_cause(change.cause);
  check_actor(change.actor);
  check_size(change.ledger_key.size(), 0, kMostPublicKey, "the key of a task's ledger");
}

void check(const RevocationTarget& target) {
  if (target.kind == RevocationTarget::Kind::all) return;
  check_text(target.value, 1, kMostName, "what is to be revoked");
  if (target.kind == RevocationTarget::Kind::grant) {
    check_text(target.grant_issuer, 0, kMostName, "a grant's issuer");
  }
}

void check_broker_id(const std::string& id) { check_hex(id, kSerialDigits, "a broker's ID"); }
void check_serial(const std::string& serial) {
  check_hex(serial, kSerialDigits, "a task's serial");
}
void check_cause(const std::string& cause) { check_text(cause, 1, kMostCause, "a cause"); }
void check_actor(const std::string& actor) { check_text(actor, 1, kMostName, "an actor"); }
void check_ticket_hash(ByteView hash) {
  check_size(hash.size(), kHashBytes, kHashBytes, "a ticket's hash");
}

}  // namespace mayfly
