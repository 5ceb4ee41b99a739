// What a record must be before it is written.
#pragma once

#include <cstdint>
#include <string>

#include "registry/records.h"

namespace mayfly {

// All @throws Error CKR_ARGUMENTS_BAD.

/// @param what  How the message calls it: "a task's serial".
void check_hex(const std::string& text, std::size_t digits, const char* what);
/// Printable UTF-8 of a length.
void check_text(const std::string& text, std::size_t least, std::size_t most, const char* what);
/// A number as databases can hold it.
std::int64_t checked_number(std::uint64_t number, const char* what);

void check(const StoredKeyRecord& record);
void check(const BrokerRecord& broker);
void check(const GrantUse& grant);
void check(const NewTask& task);
void check(const TaskChange& change);
void check(const RevocationTarget& target);
void check_broker_id(const std::string& id);
void check_serial(const std::string& serial);
void check_cause(const std::string& cause);
void check_actor(const std::string& actor);
void check_ticket_hash(ByteView hash);

}  // namespace mayfly
