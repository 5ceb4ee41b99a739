// What a registry remembers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/process_identity.h"
#include "base/task_state.h"

namespace mayfly {

/// Of a host's ID.
inline constexpr std::size_t kHostDigits = 12;
/// In bytes: of the cause of a change and of the reason for a revocation.
inline constexpr std::size_t kMostCause = 1'024;

/// A key pair that a device stores, or may store: recorded before it is made, removed when it is
/// known to be gone.
struct StoredKeyRecord {
  Bytes id;
  std::string label;
  std::string device;
  std::string task_id;
  std::string task_serial{};  ///< of the task it was made in; empty for what belongs to none
  bool given_up = false;      ///< its process could not destroy it and does not try any more

  bool operator==(const StoredKeyRecord&) const = default;
};

/// A broker, in one life of it: a broker that is started again is another one.
struct BrokerRecord {
  std::string id;           ///< 16 hexadecimal digits, random: make_broker_id()
  std::string host;         ///< 12 hexadecimal digits: Registry::host()
  ProcessIdentity process;  ///< by which others of the same machine can tell that it is dead

  bool operator==(const BrokerRecord&) const = default;
};

/// A grant's own name, unique for its issuer. At most 255 bytes each.
struct GrantName {
  std::string issuer;
  std::string id;  ///< its jti

  bool operator==(const GrantName&) const = default;
};

/// A grant that is to be spent.
struct GrantUse {
  GrantName name;
  std::uint64_t expires = 0;  ///< its exp, in seconds since 1970
};

/// A task, as it is opened.
struct NewTask {
  std::string serial;          ///< of its token: 16 hexadecimal digits, random, never used again
  std::string id;              ///< 1 to 255 bytes of printable UTF-8
  std::string agent;           ///< for whom: a grant's sub, or a local user; at most 255 bytes
  std::string parent;          ///< the serial of the task above it; empty for none
  std::string broker;          ///< the ID of the broker that holds it
  std::uint64_t deadline = 0;  ///< in seconds since 1970
};

/// A task, as the registry knows it.
struct TaskRecord : NewTask {
  std::uint64_t number = 0;  ///< counts up with each task of the registry
  std::optional<GrantName> grant;
  TaskState state = TaskState::open;
  std::uint64_t opened = 0;  ///< milliseconds since 1970, by the registry's clock
  std::uint64_t ended = 0;   ///< the same; 0 for a task that has not ended
  bool revocation_requested = false;
  Bytes ledger_key;  ///< as in TaskChange; empty for none that is known
};

/// A change of a task's state.
struct TaskChange {
  std::string serial;
  TaskState to = TaskState::open;
  std::string cause;  ///< at most kMostCause
  std::string actor;  ///< who: at most 255 bytes
  /// The SubjectPublicKeyInfo of the key that seals the task's ledger, at most 1,024 bytes; empty
  /// where it has none, or none yet. Of a task, the first that is told stays.
  Bytes ledger_key{};
};

/// Which tasks are asked for. What is empty says nothing.
struct TaskFilter {
  std::string serial{};
  std::string id{};
  std::string agent{};
  std::string broker{};
  std::string parent{};
  std::string host{};          ///< only tasks of this host's brokers
  bool ended_too = false;      ///< else only tasks that are open or active
  std::uint64_t after = 0;     ///< only tasks with a larger number: the next page
  std::uint32_t most = 1'000;  ///< at most so many
};

/// One change of a task's state, or its opening.
struct TaskTransition {
  std::optional<TaskState> from;  ///< nothing for the opening
  TaskState to = TaskState::open;
  std::uint64_t at = 0;  ///< milliseconds since 1970, by the registry's clock
  std::string cause;     ///< at most kMostCause
  std::string actor;     ///< who: at most 255 bytes
};

/// Which tasks a revocation is about.
struct RevocationTarget {
  enum class Kind {
    serial,   ///< the task of a serial
    task_id,  ///< all tasks of an ID
    agent,    ///< all tasks of an agent
    grant,    ///< the tasks of a grant, and all that it would open later
    all,
  };

  Kind kind = Kind::all;
  std::string value;         ///< the serial, the ID, the agent, the grant's jti; empty for all
  std::string grant_issuer;  ///< of a grant; empty: whoever issued it
};

/// A task that a broker has to end, since somebody asked for it.
struct RevocationOrder {
  std::string serial;
  std::string task_id;
  std::string reason;
  std::string actor;  ///< who asked
};

/// Which of the others a broker takes over.
enum class TakeOverScope {
  lapsed,  ///< whose lease is over, and those that are seen to be dead
  dead,    ///< only those that are seen to be dead: of this machine, or from before its start. One
           ///< whose lease is over may be alive, where nobody could renew any for a while
  /// The same, for who can destroy no keys: the tasks of all of them are lost, but one that left
  /// stored keys is not taken, so that another broker can be its heir at once.
  dead_without_keys,
};

/// What a broker that is gone has left to whoever took it over.
struct TakenOver {
  BrokerRecord broker;
  std::vector<TaskRecord> tasks;             ///< its tasks that are `lost` with it
  std::vector<StoredKeyRecord> stored_keys;  ///< what devices may still store of these tasks
};

/// Why the registry refuses what was asked, as against that it can't do it.
enum class RegistryRefusal {
  grant_spent,      ///< the grant has opened a task before
  grant_revoked,    ///< the grant was revoked
  grant_expired,    ///< the grant ended too long ago for the registry to remember its use
  broker_is_gone,   ///< the broker was never registered, has ended, or was taken over
  parent_is_gone,   ///< the task above has ended, or is about to be revoked
  outlives_parent,  ///< the deadline is past that of the task above
};

}  // namespace mayfly
