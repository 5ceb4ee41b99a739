// Safeguards by name, each a check that keeps one kind of attack out (`mayfly drill`).
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#ifdef MAYFLY_SWITCHABLE_SAFEGUARDS
#include <cstdlib>
#endif

namespace mayfly {

enum class Safeguard {
  attribute_changes,
  calls_not_offered,
  chip_deadline,
  chip_secret,
  command_end,
  command_secrets,
  connection_cleanup,
  deadline,
  device_cleanup,
  fork_epoch,
  fresh_handles,
  grant_place,
  grant_required,
  grant_signature,
  grant_spent,
  grant_time,
  guarded_files,
  inherited_descriptors,
  key_templates,
  key_usage,
  ledger_key,
  ledger_link,
  ledger_seal,
  login,
  no_imports,
  one_tasks_handles,
  ownership_proof,
  peer_user,
  pin_attempts,
  policy,
  proof_end,
  proof_key,
  proof_replay,
  quotas,
  rate,
  secret_attributes,
  session_end,
  socket_mode,
  task_end,
  ttl_limit,
  undumpable,
  usages,
  worker_follows,
};

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
