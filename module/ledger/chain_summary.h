// What a chain tells of its task.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/public_key.h"
#include "base/task_state.h"
#include "ledger/statement.h"

namespace mayfly::ledger {

/// What a chain tells of one key of its task.
struct ChainKey {
  std::string kind;  ///< "EC P-256"
  Bytes public_key;  ///< SubjectPublicKeyInfo
  std::uint64_t made_line = 0;
  std::uint64_t made_ms = 0;
  std::optional<std::uint64_t> destroyed_ms;
  bool pending = false;   ///< the device had not confirmed its destruction
  bool endorses = false;  ///< it signed which key would seal the chain
  std::uint64_t signatures = 0;
};

/// Who allowed a task, and for whom; what is not known is empty.
struct Permission {
  std::string agent;     ///< a grant's sub, or a user of the machine
  std::string approver;  ///< the thumbprint of the key that signed the grant
  std::string grant;     ///< its jti
  std::string scope;     ///< its scope, words apart by spaces
  std::string parent;    ///< the serial of the task above, of whose end this one ends

  friend bool operator==(const Permission&, const Permission&) = default;
};

/// ChainSummary is the sum of a chain's entries.
struct ChainSummary {
  ChainTask task;
  std::uint64_t deadline_unix_s = 0;
  std::string owner;  ///< ProcessIdentity::text() of the process that wrote the chain
  Permission permission;
  std::uint64_t opened_ms = 0;
  std::uint64_t last_ms = 0;
  std::optional<PublicKey> ledger_key;
  std::uint64_t ledger_key_line = 0;
  std::map<std::string, ChainKey> keys;  ///< by thumbprint, in hexadecimal
  std::uint64_t logins = 0;
  std::uint64_t signatures = 0;  ///< that were given out
  std::uint64_t refusals = 0;
  std::optional<TaskState> end;  ///< the cause
  ChainHead head;
};

}  // namespace mayfly::ledger
