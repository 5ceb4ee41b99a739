// The configuration of mayfly: one TOML file.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/mechanism.h"
#include "base/peer.h"
#include "base/secret.h"

namespace mayfly {

/// Where a PIN comes from. It is read when it is needed and never kept in the configuration.
///
/// Written as `file:PATH`, `fd:NUMBER`, `credential:NAME` (a file in $CREDENTIALS_DIRECTORY, as
/// systemd gives it) or `command:PROGRAM ARGUMENTS…` (its standard output; an absolute path, split
/// at spaces, no shell). One newline at the end is cut off. Relative paths are relative to the
/// configuration's folder.
struct PinSource {
  enum class Kind { file, descriptor, credential, command };

  Kind kind = Kind::file;
  std::string value;  ///< what stands after the colon; a file's path is absolute

  /// Understands a source as it is written.
  /// @param folder  What a relative path is relative to.
  /// @throws Error CKR_GENERAL_ERROR for anything else. The message never repeats `text`: somebody
  ///         may have written the PIN itself there.
  [[nodiscard]] static PinSource parse(std::string_view text, const std::filesystem::path& folder);

  /// "file:/etc/mayfly/pin": for messages. Of a command, the program without its arguments.
  [[nodiscard]] std::string describe() const;

  /// Reads the PIN, waiting 10 seconds at most. A file descriptor is left open and, where it can
  /// seek, where it stood; from a pipe a PIN can be read once only.
  /// @throws Error CKR_GENERAL_ERROR when the source can't be read, is empty, is longer than 255
  ///         bytes, holds control characters, or is a file that others than its owner can read;
  ///         when a command fails or is not done in time.
  [[nodiscard]] SecretBuffer read() const;
};

/// What kind of device holds the keys.
enum class DeviceType {
  pkcs11,  ///< a token of a PKCS#11 module
  tpm,     ///< a TPM 2.0
};

/// [device]: what holds the keys.
struct DeviceConfig {
  DeviceType type = DeviceType::pkcs11;            ///< device.type
  std::filesystem::path module;                    ///< device.module: the vendor's PKCS#11 library
  std::string token;                               ///< device.token: a PKCS#11 URI (RFC 7512)
  PinSource pin_source;                            ///< device.pin-source
  std::map<std::string, std::string> environment;  ///< [device.env]: what the library needs set
  std::size_t max_sessions = 0;                    ///< device.max-sessions: 0 asks the token
  bool other_usages_off = true;  ///< device.other-usages = "off": in the templates of new keys
  bool stored_keys = false;  ///< device.keys = "stored": token objects instead of session objects
};

/// [tpm]: which TPM, and how its keys are guarded.
struct TpmConfig {
  std::string tcti = "device:/dev/tpmrm0";                ///< tpm.tcti: as tss2-tctildr takes it
  bool software_deadline = false;                         ///< tpm.deadline = "software"
  bool kill_switch = false;                               ///< tpm.kill-switch
  bool encrypt = false;                                   ///< tpm.encrypt
  std::chrono::seconds timeout{std::chrono::minutes(1)};  ///< tpm.timeout: for one command
  std::filesystem::path attestation_certificates;         ///< tpm.attestation-certificates
};

/// [registry]: what outlives a process. Stored keys need it.
struct RegistryConfig {
  std::filesystem::path file;                ///< registry.file: empty for none
  std::string url;                           ///< registry.url: instead of a file; empty for none
  std::optional<PinSource> password_source;  ///< registry.password-source: for the url
  std::chrono::seconds lease{30};            ///< registry.lease
  std::chrono::seconds timeout{5};           ///< registry.timeout
  std::chrono::seconds keep{std::chrono::days(90)};  ///< registry.keep

  [[nodiscard]] bool is_there() const noexcept { return !file.empty() || !url.empty(); }
};

/// [task]: how long tasks may live.
struct TaskConfig {
  std::chrono::seconds ttl{std::chrono::minutes(15)};    ///< task.ttl
  std::chrono::seconds max_ttl{std::chrono::hours(24)};  ///< task.max-ttl
};

/// [login]: whether clients log in to a task's token.
struct LoginConfig {
  bool required = false;                ///< login.required
  std::optional<PinSource> pin_source;  ///< login.pin-source: needed when required
};

/// [policy] and [policy.NAME]: what a task's keys may do. What is not set is not limited.
struct PolicyConfig {
  /// policy.usage = "strict": refuse usages that are else narrowed away
  bool strict_usage = false;
  std::optional<MechanismSet> mechanisms;       ///< policy.mechanisms
  std::optional<KeySpecSet> keys;               ///< policy.keys
  std::optional<std::uint64_t> max_keys;        ///< policy.max-keys
  std::optional<std::uint64_t> max_signatures;  ///< policy.max-signatures
  std::optional<std::uint64_t> max_rate;        ///< policy.max-rate, a second
  std::optional<std::chrono::seconds> max_ttl;  ///< policy.max-ttl
  std::optional<std::uint64_t> children;        ///< policy.children
  std::optional<std::set<uid_t>> users;         ///< policy.users
  std::optional<std::set<gid_t>> groups;        ///< policy.groups
  bool login_required = false;                  ///< policy.login-required
  bool grant_required = false;                  ///< policy.grant-required
};

/// [grants]: signed permissions to open a task.
struct GrantsConfig {
  bool required = false;            ///< grants.required
  std::filesystem::path approvers;  ///< grants.approvers: empty for none
  std::string audience;             ///< grants.audience: this broker's name; empty for none
  std::chrono::seconds max_life{std::chrono::hours(1)};  ///< grants.max-life: from iat to exp
  std::chrono::seconds clock_skew{30};                   ///< grants.clock-skew
};

/// [approval]: who is asked before a task is opened.
struct ApprovalConfig {
  std::string command;               ///< approval.command: with arguments; empty for none
  std::chrono::seconds timeout{60};  ///< approval.timeout
};

/// [issuer]: the key that signs credentials of tasks, kept apart from the tasks' keys.
struct IssuerConfig {
  std::string trust_domain;                        ///< issuer.trust-domain: empty for no issuer
  std::string token;                               ///< issuer.token: a PKCS#11 URI; empty for none
  std::filesystem::path module;                    ///< issuer.module: empty takes device.module
  std::optional<PinSource> pin_source;             ///< issuer.pin-source: for the token
  std::map<std::string, std::string> environment;  ///< [issuer.env]: what the library needs set
  std::string key = "issuer";                      ///< issuer.key: the key pair's CKA_LABEL
  std::filesystem::path key_file;                  ///< issuer.key-file: PEM, instead of a token
  std::filesystem::path certificate;               ///< issuer.certificate: PEM
  std::filesystem::path attestation_key;           ///< issuer.attestation-key: empty for none
  std::chrono::seconds max_life{std::chrono::hours(1)};  ///< issuer.max-life: of a credential
};

/// When what is written into a ledger is forced to the disk.
enum class LedgerSync {
  entry,     ///< each entry, before what it tells of is done
  interval,  ///< once a second at most, by whoever writes an entry
  end,       ///< at the end of the task
};

/// [ledger]: the record of what is done with each task's keys.
struct LedgerConfig {
  std::filesystem::path folder;            ///< ledger.folder: empty for no ledger
  LedgerSync sync = LedgerSync::interval;  ///< ledger.sync
};

/// [limits]: bounds on what one process holds.
struct LimitsConfig {
  std::size_t max_tasks = 10'000;     ///< limits.tasks
  std::size_t max_sessions = 4'096;   ///< limits.sessions, for each application
  std::size_t max_objects = 20'000;   ///< limits.objects, for each task
  std::size_t max_connections = 256;  ///< limits.connections, for each task of a broker
};

/// [log]: where refusals are written.
struct LogConfig {
  log::Level level = log::Level::warn;  ///< log.level
  std::filesystem::path file;           ///< log.file: empty for standard error
};

/// [broker]: how `mayfly run` serves a task, and how its clients find it.
struct BrokerConfig {
  std::filesystem::path socket;  ///< broker.socket: empty where keys are made in this process
  std::filesystem::path runtime_folder;  ///< broker.runtime-folder: empty picks one
};

/// [serve]: `mayfly serve`. Root and the user that it runs as may do everything.
struct ServeConfig {
  std::filesystem::path socket = "/run/mayfly/control";  ///< serve.socket
  std::set<uid_t> users;                                 ///< serve.users: may open tasks
  std::set<gid_t> groups;                                ///< serve.groups: may open tasks
  std::set<uid_t> operators;                             ///< serve.operators: may do everything
  std::set<gid_t> operator_groups;                       ///< serve.operator-groups: may, too
  std::size_t max_tasks_per_user = 10'000;               ///< serve.tasks-per-user
};

/// Where a server listens.
struct ListenAddress {
  std::string host;        ///< an IPv4 or IPv6 address, without brackets
  std::uint16_t port = 0;  ///< 0: any that is free
  bool is_ipv6 = false;

  /// Whether only processes of this machine reach it.
  [[nodiscard]] bool is_loopback() const noexcept;
  /// As it is written: "127.0.0.1:9464", "[::1]:9464".
  [[nodiscard]] std::string text() const;
  /// Nothing for what is no numeric address with a port.
  [[nodiscard]] static std::optional<ListenAddress> parse(std::string_view text);
};

/// [status]: how others learn from `mayfly serve` which tasks go on, and how the broker is.
struct StatusConfig {
  std::filesystem::path folder;         ///< status.folder: empty for no list
  std::string uri;                      ///< status.uri
  std::chrono::seconds ttl{30};         ///< status.ttl
  std::optional<ListenAddress> listen;  ///< status.listen: nothing for no server
  bool listen_to_others = false;        ///< status.listen-to-others

  /// Whether a status list is kept.
  [[nodiscard]] bool has_list() const noexcept { return !folder.empty(); }
};

struct Config {
  std::filesystem::path file;  ///< where it was read from, absolute

  DeviceConfig device;
  TpmConfig tpm;
  RegistryConfig registry;
  TaskConfig task;
  LoginConfig login;
  PolicyConfig policy;                                 ///< of all tasks
  std::map<std::string, PolicyConfig> named_policies;  ///< by NAME: on top of `policy`
  GrantsConfig grants;
  ApprovalConfig approval;
  IssuerConfig issuer;
  LedgerConfig ledger;
  LimitsConfig limits;
  LogConfig log;
  BrokerConfig broker;
  ServeConfig serve;
  StatusConfig status;

  /// The file that holds the configuration: `explicit_path` if not empty, else $MAYFLY_CONF, else
  /// the first that exists of $XDG_CONFIG_HOME/mayfly/mayfly.toml (~/.config without it) and
  /// /etc/mayfly/mayfly.toml.
  /// @throws Error CKR_GENERAL_ERROR when there is none; the message lists where it looked.
  [[nodiscard]] static std::filesystem::path find(const std::string& explicit_path);

  /// The folder of a user's own configuration: $XDG_CONFIG_HOME/mayfly, or ~/.config/mayfly without
  /// it. Empty when the user has no home.
  [[nodiscard]] static std::filesystem::path user_folder();

  /// Whether a login is required by any policy, or of all tasks.
  [[nodiscard]] bool asks_for_login() const noexcept;

  /// Reads and checks a configuration file.
  ///
  /// All paths in it that are relative are relative to its folder; a device.module without a slash
  /// stays a bare name.
  /// @throws Error CKR_GENERAL_ERROR with "FILE:LINE: what is wrong; how to mend it" for what is no
  ///         TOML, an unknown key, a missing one, a wrong type or a value out of range; with "FILE:
  ///         what is wrong; how to mend it" for a file that can't be read, that belongs to somebody
  ///         else than root and this process's user, or that others than its owner can write.
  [[nodiscard]] static Config load(const std::filesystem::path& file);

  /// The two halves of load(), for who hands the text to another process.
  [[nodiscard]] static std::string read(const std::filesystem::path& file);
  /// @param file  Where the text was read from, absolute.
  [[nodiscard]] static Config parse(const std::string& text, const std::filesystem::path& file);
};

/// A length of time as people write it: a whole number with s, m, h or d ("90s", "15m", "24h").
/// Nothing for anything else, for zero, and for more than ten years.
[[nodiscard]] std::optional<std::chrono::seconds> parse_duration(std::string_view text) noexcept;

/// A length of time as parse_duration() reads it, in the largest unit that is exact.
[[nodiscard]] std::string format_duration(std::chrono::seconds duration);

}  // namespace mayfly
