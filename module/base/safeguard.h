// Safeguards by name, each a check that keeps one kind of attack out (`mayfly drill`).
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS
#include <cstdlib>
#endif

namespace mayfly {

/// What they see to.
enum class Safeguard {
  attribute_changes,      ///< attributes of a key only get tighter
  calls_not_offered,      ///< wrapping, unwrapping, deriving and decrypting are no calls here
  chip_deadline,          ///< a TPM refuses a key after its deadline
  chip_secret,            ///< a TPM wants a key's authorisation value
  command_end,            ///< a task ends with its command, and with the process it was started as
  command_secrets,        ///< a command's environment has no PIN
  connection_cleanup,     ///< a client's session keys end with its connection
  deadline,               ///< a task ends at its deadline, and nothing signs after it
  device_cleanup,         ///< no key is left on the device by a dead process
  fork_epoch,             ///< a forked child has nothing of its parent's
  fresh_handles,          ///< no handle is given twice
  grant_place,            ///< a grant is for one task at one broker
  grant_required,         ///< no task without a grant where the policy wants one
  grant_signature,        ///< a grant is signed by an approver
  grant_spent,            ///< a grant opens one task
  grant_time,             ///< a grant has a beginning and an end
  guarded_files,          ///< no file is used that others could change or, if it is secret, read
  inherited_descriptors,  ///< a command inherits nothing of mayfly's
  key_templates,          ///< a template that asks for a key that can leave is refused
  key_usage,              ///< a key signs only if it may
  ledger_key,             ///< a chain is sealed by the task's own ledger key
  ledger_link,            ///< each entry of a chain has the hash of the one before it
  ledger_seal,            ///< a chain without a seal is not called sealed
  login,                  ///< where a login is wanted, nothing is done without it or after it
  no_imports,             ///< a private key is made by the device only
  one_tasks_handles,      ///< handles name objects of their own task only
  ownership_proof,        ///< an object is only taken for mayfly's if its name proves it
  peer_user,              ///< a worker lets in its task's user only
  pin_attempts,           ///< a login is locked after some wrong PINs
  policy,                 ///< mechanisms and kinds of keys that a policy leaves out are not there
  proof_end,              ///< a proof is not taken after its end
  proof_key,              ///< a proof is by the key that the credential names
  proof_replay,           ///< a proof is taken once
  quotas,                 ///< not one key or signature more than a policy allows
  rate,                   ///< no more signatures a second than a policy allows
  secret_attributes,      ///< what makes up a private key is not told
  session_end,            ///< session keys end with their session
  socket_mode,            ///< only its user reaches a task's socket
  task_end,               ///< a task that is closed has ended
  ttl_limit,              ///< no task lives longer than the policy allows
  undumpable,             ///< nobody of the same user reads or traces mayfly's processes
  usages,                 ///< keys only sign
  worker_follows,         ///< a worker dies with its supervisor
};

/// Their names, in the same order: those above, with hyphens.
inline constexpr std::array<std::string_view, 43> kSafeguardNames = {
    "attribute-changes",
    "calls-not-offered",
    "chip-deadline",
    "chip-secret",
    "command-end",
    "command-secrets",
    "connection-cleanup",
    "deadline",
    "device-cleanup",
    "fork-epoch",
    "fresh-handles",
    "grant-place",
    "grant-required",
    "grant-signature",
    "grant-spent",
    "grant-time",
    "guarded-files",
    "inherited-descriptors",
    "key-templates",
    "key-usage",
    "ledger-key",
    "ledger-link",
    "ledger-seal",
    "login",
    "no-imports",
    "one-tasks-handles",
    "ownership-proof",
    "peer-user",
    "pin-attempts",
    "policy",
    "proof-end",
    "proof-key",
    "proof-replay",
    "quotas",
    "rate",
    "secret-attributes",
    "session-end",
    "socket-mode",
    "task-end",
    "ttl-limit",
    "undumpable",
    "usages",
    "worker-follows",
};

[[nodiscard]] constexpr std::string_view name_of(Safeguard safeguard) noexcept {
  return kSafeguardNames[static_cast<std::size_t>(safeguard)];
}

#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS

/// For tests of the drill only: false for what the variable names, with commas between.
[[nodiscard]] inline bool kept(Safeguard safeguard) noexcept {
  const char* const off = std::getenv("MAYFLY_SAFEGUARDS_OFF");
  std::string_view names = off == nullptr ? "" : off;
  while (!names.empty()) {
    const std::size_t end = names.find(',');
    if (names.substr(0, end) == name_of(safeguard)) return false;
    names.remove_prefix(end == std::string_view::npos ? names.size() : end + 1);
  }
  return true;
}

#else

/// All of them hold: there is no switch in what is shipped, nor anything of one.
[[nodiscard]] constexpr bool kept(Safeguard) noexcept { return true; }

#endif

}  // namespace mayfly
