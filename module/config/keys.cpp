#include "config/keys.h"

#include <array>
#include <optional>

#include "config/show_value.h"
#include "config/value.h"

namespace mayfly {
namespace {

constexpr std::size_t kMostOfAnything = 1'000'000;
constexpr std::size_t kMostChildren = 16;  // TaskPolicy::kMaxDepth
constexpr std::size_t kMostSignatures = 1'000'000'000'000;
constexpr std::string_view kTypes = "pkcs11|tpm";
constexpr std::string_view kDeadlines = "hardware|software";
constexpr std::string_view kUsages = "narrow|strict";
constexpr std::string_view kOtherUsages = "off|unsaid";
constexpr std::string_view kSyncs = "entry|interval|end";
constexpr std::string_view kStorages = "session|stored";

constexpr std::array<ConfigTable, 15> kTables = {{
    {"device", "What holds the keys: a token of a PKCS#11 module, or a TPM."},
    {"tpm", "Which TPM, and how keys in it are guarded. For device.type = \"tpm\"."},
    {"registry",
     "What outlives a process: the record of keys that a device stores, of open tasks and of spent "
     "grants. A file for one machine, a database for a fleet."},
    {"task", "How long tasks may live."},
    {"login", "Whether clients log in to a task's token."},
    {"policy",
     "What a task's keys may do. [policy] holds for all tasks; a table [policy.NAME] with the same "
     "keys confines those further that are opened with its NAME (docs/policy.md)."},
    {"grants", "Signed permissions to open a task."},
    {"approval", "Who is asked each time that a task is opened."},
    {"issuer",
     "The long-lived key that signs what others accept of a task: certificates and tokens "
     "(docs/certificates.md)."},
    {"ledger", "The record of what is done with the keys of each task (docs/ledger.md)."},
    {"limits", "Bounds on what one process holds."},
    {"log", "Where refusals and faults are written."},
    {"broker", "How `mayfly run` serves a task, and how its clients find it."},
    {"serve",
     "`mayfly serve`, the broker of many tasks, and who may do what at its control socket. Root "
     "and "
     "the user that it runs as may do everything; who opened a task may end it."},
    {"status",
     "How others learn from `mayfly serve` which tasks go on (docs/credentials.md), and "
     "how the broker itself is (docs/operating.md)."},
}};

constexpr std::array<ConfigKey, 74> kKeys = {{
    {"device", "type", "\"pkcs11\" or \"tpm\"",
     "What kind of device it is. pkcs11: a token of a PKCS#11 module, which module, token and "
     "pin-source name. tpm: a TPM 2.0, which [tpm] describes.",
     "", false, KeyFor::any,
     [](Config& c, const Value& v) {
       c.device.type = v.choice(kTypes) == 1 ? DeviceType::tpm : DeviceType::pkcs11;
     },
     [](const Config& c) {
       return toml_text(entry(kTypes, c.device.type == DeviceType::tpm ? 1 : 0));
     }},
    {"device", "module", "path",
     "The PKCS#11 library of the device. A name without / is looked for where p11-kit keeps its "
     "modules.",
     "\"/usr/lib/softhsm/libsofthsm2.so\"", true, KeyFor::pkcs11,
     [](Config& c, const Value& v) { c.device.module = v.library(); },
     [](const Config& c) { return show_text(c.device.module.native()); }},
    {"device", "token", "PKCS#11 URI",
     "The token that keys are made in, as a PKCS#11 URI (RFC 7512) that names exactly one.",
     "\"pkcs11:token=mayfly\"", true, KeyFor::pkcs11,
     [](Config& c, const Value& v) { c.device.token = v.token_uri(); },
     [](const Config& c) { return show_text(c.device.token); }},
    {"device", "pin-source", "PIN source",
     "Where the token's user PIN comes from: file:PATH, fd:NUMBER, credential:NAME or "
     "command:PROGRAM ARGUMENTS. The PIN itself never stands in this file.",
     "\"file:pin\"", true, KeyFor::pkcs11,
     [](Config& c, const Value& v) { c.device.pin_source = v.pin_source(); },
     [](const Config& c) { return show_pin_source(c.device.pin_source); }},
    {"device", "keys", "\"session\" or \"stored\"",
     "How the device holds keys. session: as session objects, which the device itself destroys "
     "when "
     "their process dies. stored: as token objects, for a device that can't do that; needs "
     "registry.file, and `mayfly reap` for what a killed process leaves behind.",
     "", false, KeyFor::pkcs11,
     [](Config& c, const Value& v) { c.device.stored_keys = v.choice(kStorages) == 1; },
     [](const Config& c) { return toml_text(entry(kStorages, c.device.stored_keys ? 1 : 0)); }},
    {"device", "other-usages", "\"off\" or \"unsaid\"",
     "What the device is told about usages of new keys beyond signing. off: they are switched off "
     "there too. unsaid: they are not mentioned, for a device that refuses such templates "
     "(tpm2-pkcs11); clients of mayfly can't use them in either case.",
     "", false, KeyFor::pkcs11,
     [](Config& c, const Value& v) { c.device.other_usages_off = v.choice(kOtherUsages) == 0; },
     [](const Config& c) {
       return toml_text(entry(kOtherUsages, c.device.other_usages_off ? 0 : 1));
     }},
    {"device", "max-sessions", "whole number, 0 to 1000000",
     "The most sessions that are opened on the token at once; 0 asks the token.", "", false,
     KeyFor::pkcs11,
     [](Config& c, const Value& v) { c.device.max_sessions = v.number(0, kMostOfAnything); },
     [](const Config& c) { return std::to_string(c.device.max_sessions); }},
    {"device", "env", "table of texts",
     "Environment variables that the library reads. The mayfly command sets them; a program that "
     "loads libmayfly.so itself must have them set.",
     "{ SOFTHSM2_CONF = \"/etc/softhsm/softhsm2.conf\" }", false, KeyFor::pkcs11,
     [](Config& c, const Value& v) { c.device.environment = v.environment(); },
     [](const Config& c) { return show_variables(c.device.environment); }},
    {"tpm", "tcti", "text",
     "The way to the TPM, as tpm2-tss names it: device:/dev/tpmrm0, tabrmd, swtpm:path=PATH.", "",
     false, KeyFor::tpm, [](Config& c, const Value& v) { c.tpm.tcti = v.text(); },
     [](const Config& c) { return toml_text(c.tpm.tcti); }},
    {"tpm", "deadline", "\"hardware\" or \"software\"",
     "Who makes sure that no key is used after its task's deadline, beside mayfly itself. "
     "hardware: "
     "the TPM, which then refuses a key even to whoever stole all that mayfly has. software: "
     "nobody; "
     "a signature takes one command instead of four.",
     "", false, KeyFor::tpm,
     [](Config& c, const Value& v) { c.tpm.software_deadline = v.choice(kDeadlines) == 1; },
     [](const Config& c) { return toml_text(entry(kDeadlines, c.tpm.software_deadline ? 1 : 0)); }},
    {"tpm", "kill-switch", "true or false",
     "Whether each key gets a counter in the TPM that is counted on when the key ends: from then "
     "on "
     "the TPM refuses the key even to whoever stole all that mayfly has. Takes NV memory of the "
     "TPM "
     "for each key that lives, a write to it for each that ends, and one more command a signature.",
     "", false, KeyFor::tpm, [](Config& c, const Value& v) { c.tpm.kill_switch = v.boolean(); },
     [](const Config& c) { return show_bool(c.tpm.kill_switch); }},
    {"tpm", "encrypt", "true or false",
     "Whether keys' authorisation values are kept from whoever listens between the processor and "
     "the TPM. A signature takes no more commands, and up to a fifth of a millisecond more.",
     "", false, KeyFor::tpm, [](Config& c, const Value& v) { c.tpm.encrypt = v.boolean(); },
     [](const Config& c) { return show_bool(c.tpm.encrypt); }},
    {"tpm", "timeout", "length of time",
     "How long one command may take before the TPM is given up, and with it all keys in it. Some "
     "TPMs need most of a minute for an RSA key.",
     "", false, KeyFor::tpm, [](Config& c, const Value& v) { c.tpm.timeout = v.duration(); },
     [](const Config& c) { return show_duration(c.tpm.timeout); }},
    {"tpm", "attestation-certificates", "path",
     "PEM certificates that go into evidence: the attestation key's own first, then those of who "
     "certified it. Without it, verifiers need the enrolled key.",
     "\"attestation-key.pem\"", false, KeyFor::tpm,
     [](Config& c, const Value& v) { c.tpm.attestation_certificates = v.path(); },
     [](const Config& c) { return show_text(c.tpm.attestation_certificates.native()); }},
    {"registry", "file", "path",
     "The file, made when it is missing, in a folder that nobody else can write. It or url is "
     "needed when device.keys is \"stored\".",
     "\"/var/lib/mayfly/registry.db\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.registry.file = v.path(); },
     [](const Config& c) { return show_text(c.registry.file.native()); }},
    {"registry", "url", "PostgreSQL URL",
     "The database that a fleet shares, instead of file: as libpq takes it, without a password. "
     "Over a network it should say sslmode=verify-full.",
     "\"postgresql://mayfly@db.example/mayfly?sslmode=verify-full\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.registry.url = v.postgresql_url(); },
     [](const Config& c) { return show_text(c.registry.url); }},
    {"registry", "password-source", "PIN source",
     "Where the password of url's user comes from; read each time that somebody logs in. Without "
     "it, the server must know the user by other means.",
     "\"file:registry-password\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.registry.password_source = v.pin_source(); },
     [](const Config& c) {
       return c.registry.password_source ? show_pin_source(*c.registry.password_source)
                                         : std::string();
     }},
    {"registry", "lease", "length of time",
     "How long a broker may be silent before another takes it for dead: its tasks are lost then, "
     "and their keys are destroyed. It tells that it lives three times as often.",
     "", false, KeyFor::any, [](Config& c, const Value& v) { c.registry.lease = v.duration(); },
     [](const Config& c) { return show_duration(c.registry.lease); }},
    {"registry", "timeout", "length of time",
     "How long the registry is waited for, whatever is the matter with it, before what needs it "
     "fails. Signatures never wait for it, but one a second where an application opens its tasks "
     "itself: 200 ms at most, to hear of revocations, and not again for 10 s where that was too "
     "short.",
     "", false, KeyFor::any, [](Config& c, const Value& v) { c.registry.timeout = v.duration(); },
     [](const Config& c) { return show_duration(c.registry.timeout); }},
    {"registry", "keep", "length of time",
     "How long ended tasks and what happened to them are remembered, 1d at least; so much longer "
     "than it could be used again, a spent grant, too. A task is remembered as long as a key of it "
     "may be left on a device, and until its ledger was removed by `mayfly audit purge`.",
     "", false, KeyFor::any, [](Config& c, const Value& v) { c.registry.keep = v.duration(); },
     [](const Config& c) { return show_duration(c.registry.keep); }},
    {"task", "ttl", "length of time",
     "How long a task lives when nothing else is asked for: a whole number with s, m, h or d.", "",
     false, KeyFor::any, [](Config& c, const Value& v) { c.task.ttl = v.duration(); },
     [](const Config& c) { return show_duration(c.task.ttl); }},
    {"task", "max-ttl", "length of time", "The longest that a task can be asked to live.", "",
     false, KeyFor::any, [](Config& c, const Value& v) { c.task.max_ttl = v.duration(); },
     [](const Config& c) { return show_duration(c.task.max_ttl); }},
    {"login", "required", "true or false",
     "Whether a client must log in to a task's token before it can use its keys.", "", false,
     KeyFor::any, [](Config& c, const Value& v) { c.login.required = v.boolean(); },
     [](const Config& c) { return show_bool(c.login.required); }},
    {"login", "pin-source", "PIN source",
     "Where the PIN comes from that clients log in with. Needed when login.required is true.",
     "\"file:login-pin\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.login.pin_source = v.pin_source(); },
     [](const Config& c) {
       return c.login.pin_source ? show_pin_source(*c.login.pin_source) : std::string();
     }},
    {"policy", "mechanisms", "list of mechanisms",
     "What keys may sign with, as PKCS#11 names it. Without it, all that the device has.",
     "[\"CKM_ECDSA\", \"CKM_ECDSA_SHA256\"]", false, KeyFor::any,
     [](Config& c, const Value& v) { c.policy.mechanisms = v.mechanisms(); },
     [](const Config& c) {
       return c.policy.mechanisms ? show_names(names_of(*c.policy.mechanisms)) : std::string();
     }},
    {"policy", "keys", "list of kinds of keys",
     "The kinds of key pairs that can be made: EC P-256, EC P-384, EC P-521, Ed25519, RSA 2048, "
     "RSA 3072, RSA 4096. Without it, all that the device has.",
     "[\"EC P-256\"]", false, KeyFor::any,
     [](Config& c, const Value& v) { c.policy.keys = v.key_kinds(); },
     [](const Config& c) {
       return c.policy.keys ? show_names(names_of(*c.policy.keys)) : std::string();
     }},
    {"policy", "max-keys", "whole number, 1 to 1000000",
     "The most key pairs that are made in a task's whole life, destroyed or not.", "2", false,
     KeyFor::any,
     [](Config& c, const Value& v) { c.policy.max_keys = v.number(1, kMostOfAnything); },
     [](const Config& c) { return show_number(c.policy.max_keys); }},
    {"policy", "max-signatures", "whole number, 1 to 1000000000000",
     "The most signatures that are made in a task's whole life. The last one ends the task.",
     "1000", false, KeyFor::any,
     [](Config& c, const Value& v) { c.policy.max_signatures = v.number(1, kMostSignatures); },
     [](const Config& c) { return show_number(c.policy.max_signatures); }},
    {"policy", "max-rate", "whole number, 1 to 1000000",
     "The most signatures that a task makes a second; after a rest of a second, so many at once. "
     "What is more is refused for the moment.",
     "10", false, KeyFor::any,
     [](Config& c, const Value& v) { c.policy.max_rate = v.number(1, kMostOfAnything); },
     [](const Config& c) { return show_number(c.policy.max_rate); }},
    {"policy", "max-ttl", "length of time",
     "The longest that a task may live; task.max-ttl holds as well.", "\"10m\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.policy.max_ttl = v.duration(); },
     [](const Config& c) {
       return c.policy.max_ttl ? show_duration(*c.policy.max_ttl) : std::string();
     }},
    {"policy", "children", "whole number, 0 to 16",
     "How deep tasks may be nested below a task: 0 for none. A grant says it as well.", "1", false,
     KeyFor::any, [](Config& c, const Value& v) { c.policy.children = v.number(0, kMostChildren); },
     [](const Config& c) { return show_number(c.policy.children); }},
    {"policy", "users", "list of users",
     "The users that may open a task, by name or number, beside those that are in one of groups. "
     "Without both, all.",
     "[\"root\", 1001]", false, KeyFor::any,
     [](Config& c, const Value& v) { c.policy.users = v.users(); },
     [](const Config& c) { return show_ids(c.policy.users); }},
    {"policy", "groups", "list of groups",
     "The groups whose members may open a task, by name or number.", "[1001]", false, KeyFor::any,
     [](Config& c, const Value& v) { c.policy.groups = v.groups(); },
     [](const Config& c) { return show_ids(c.policy.groups); }},
    {"policy", "login-required", "true or false",
     "Whether a client must log in to a task's token, as login.required says it of all tasks.", "",
     false, KeyFor::any, [](Config& c, const Value& v) { c.policy.login_required = v.boolean(); },
     [](const Config& c) { return show_bool(c.policy.login_required); }},
    {"policy", "grant-required", "true or false", "Whether a task is opened with a grant only.", "",
     false, KeyFor::any, [](Config& c, const Value& v) { c.policy.grant_required = v.boolean(); },
     [](const Config& c) { return show_bool(c.policy.grant_required); }},
    {"policy", "usage", "\"narrow\" or \"strict\"",
     "What happens when a client asks for a key that may do more than sign: narrow makes the key "
     "without the rest, strict refuses.",
     "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.policy.strict_usage = v.choice(kUsages) == 1; },
     [](const Config& c) { return toml_text(entry(kUsages, c.policy.strict_usage ? 1 : 0)); }},
    {"grants", "required", "true or false",
     "Whether a task can be opened with a grant only. Needs grants.approvers and grants.audience.",
     "", false, KeyFor::any, [](Config& c, const Value& v) { c.grants.required = v.boolean(); },
     [](const Config& c) { return show_bool(c.grants.required); }},
    {"grants", "approvers", "path",
     "The public keys of those who may give grants, as a JWK Set (RFC 7517). It must belong to its "
     "user or to root and must not be writable by others. It is read again when it has changed; "
     "one that is not good makes every grant refused.",
     "\"approvers.json\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.grants.approvers = v.path(); },
     [](const Config& c) { return show_text(c.grants.approvers.native()); }},
    {"grants", "audience", "text",
     "The name of this broker: a grant must have it in its aud. Brokers of one name, that should "
     "be of one fleet, take each other's grants.",
     "\"broker.example\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.grants.audience = v.text(); },
     [](const Config& c) { return show_text(c.grants.audience); }},
    {"grants", "max-life", "length of time",
     "The longest that a grant can be valid, from iat to exp.", "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.grants.max_life = v.duration(); },
     [](const Config& c) { return show_duration(c.grants.max_life); }},
    {"grants", "clock-skew", "length of time, 5m at most",
     "How much the clocks of approvers and of this machine may differ.", "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.grants.clock_skew = v.duration(); },
     [](const Config& c) { return show_duration(c.grants.clock_skew); }},
    {"approval", "command", "program and arguments",
     "A program that is run each time before a task is opened, by the process that opens it. It "
     "finds the request as JSON on its standard input; the task is opened only if it exits with 0.",
     "\"/usr/local/bin/ask-someone\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.approval.command = v.program(); },
     [](const Config& c) { return show_text(c.approval.command); }},
    {"approval", "timeout", "length of time, 1h at most",
     "How long the program may take; then the task is not opened.", "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.approval.timeout = v.duration(); },
     [](const Config& c) { return show_duration(c.approval.timeout); }},
    {"issuer", "trust-domain", "text",
     "The trust domain of the names in credentials (SPIFFE): a task is "
     "spiffe://TRUST-DOMAIN/task/ID/SERIAL. Without it, no credentials are issued.",
     "\"agents.example\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.issuer.trust_domain = v.text(); },
     [](const Config& c) { return show_text(c.issuer.trust_domain); }},
    {"issuer", "token", "PKCS#11 URI",
     "The token that has the issuer's key. It must be another than device.token, whose PIN the "
     "broker has.",
     "\"pkcs11:token=issuer\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.issuer.token = v.token_uri(); },
     [](const Config& c) { return show_text(c.issuer.token); }},
    {"issuer", "module", "path",
     "The PKCS#11 library that has issuer.token; device.module without it.",
     "\"/usr/lib/softhsm/libsofthsm2.so\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.issuer.module = v.library(); },
     [](const Config& c) { return show_text(c.issuer.module.native()); }},
    {"issuer", "pin-source", "PIN source",
     "Where the user PIN of issuer.token comes from. Only who issues should be able to read it.",
     "\"file:issuer-pin\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.issuer.pin_source = v.pin_source(); },
     [](const Config& c) {
       return c.issuer.pin_source ? show_pin_source(*c.issuer.pin_source) : std::string();
     }},
    {"issuer", "env", "table of texts",
     "Environment variables that issuer.module reads, beside device.env.",
     "{ SOFTHSM2_CONF = \"/etc/softhsm/softhsm2.conf\" }", false, KeyFor::any,
     [](Config& c, const Value& v) { c.issuer.environment = v.environment(); },
     [](const Config& c) { return show_variables(c.issuer.environment); }},
    {"issuer", "key", "text", "The label of the issuer's key pair on its token.", "", false,
     KeyFor::any, [](Config& c, const Value& v) { c.issuer.key = v.text(); },
     [](const Config& c) { return show_text(c.issuer.key); }},
    {"issuer", "key-file", "path",
     "A PEM file with the issuer's private key, instead of issuer.token: for a machine with a TPM "
     "and no HSM. Readable for its owner only.",
     "\"issuer-key.pem\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.issuer.key_file = v.path(); },
     [](const Config& c) { return show_text(c.issuer.key_file.native()); }},
    {"issuer", "certificate", "path",
     "The issuer's own certificate, PEM, which `mayfly issuer init` writes: what others trust.",
     "\"issuer.pem\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.issuer.certificate = v.path(); },
     [](const Config& c) { return show_text(c.issuer.certificate.native()); }},
    {"issuer", "attestation-key", "path",
     "The attestation key of the TPM that tasks' keys must be in: what `mayfly attest enroll` "
     "wrote, "
     "or a PEM public key. With it, credentials are issued on evidence of that TPM only.",
     "\"attestation-key.json\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.issuer.attestation_key = v.path(); },
     [](const Config& c) { return show_text(c.issuer.attestation_key.native()); }},
    {"issuer", "max-life", "length of time",
     "The longest that a credential is valid. It is never valid after its task's deadline.", "",
     false, KeyFor::any, [](Config& c, const Value& v) { c.issuer.max_life = v.duration(); },
     [](const Config& c) { return show_duration(c.issuer.max_life); }},
    {"ledger", "folder", "path",
     "The folder in which each task gets a file. It must be there, belong to its user or to root, "
     "and not be writable by others. Without it, no ledger is kept. With it, what can't be written "
     "down is not done.",
     "\"/var/lib/mayfly/ledger\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.ledger.folder = v.path(); },
     [](const Config& c) { return show_text(c.ledger.folder.native()); }},
    {"ledger", "sync", "\"entry\", \"interval\" or \"end\"",
     "When entries are forced to the disk, which a crash of the machine survives: each one, once a "
     "second at most, or at the end of the task. The kernel has each entry at once in any case, "
     "which the death of a process survives.",
     "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.ledger.sync = static_cast<LedgerSync>(v.choice(kSyncs)); },
     [](const Config& c) {
       return toml_text(entry(kSyncs, static_cast<std::size_t>(c.ledger.sync)));
     }},
    {"limits", "tasks", "whole number, 1 to 1000000", "The most tasks that are open at once.", "",
     false, KeyFor::any,
     [](Config& c, const Value& v) { c.limits.max_tasks = v.number(1, kMostOfAnything); },
     [](const Config& c) { return std::to_string(c.limits.max_tasks); }},
    {"limits", "sessions", "whole number, 1 to 1000000",
     "The most PKCS#11 sessions of one application.", "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.limits.max_sessions = v.number(1, kMostOfAnything); },
     [](const Config& c) { return std::to_string(c.limits.max_sessions); }},
    {"limits", "objects", "whole number, 1 to 1000000",
     "The most objects of one task. Together they may take 4 KiB for each.", "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.limits.max_objects = v.number(1, kMostOfAnything); },
     [](const Config& c) { return std::to_string(c.limits.max_objects); }},
    {"limits", "connections", "whole number, 1 to 65536",
     "The most connections to one task of a broker at once; an agent that loads libmayfly.so takes "
     "up to 8.",
     "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.limits.max_connections = v.number(1, 65'536); },
     [](const Config& c) { return std::to_string(c.limits.max_connections); }},
    {"log", "level", "\"debug\", \"info\", \"warn\", \"error\" or \"off\"",
     "The least serious lines that are written.", "", false, KeyFor::any,
     [](Config& c, const Value& v) {
       c.log.level = static_cast<log::Level>(v.choice(log::kLevelNames));
     },
     [](const Config& c) {
       return toml_text(entry(log::kLevelNames, static_cast<std::size_t>(c.log.level)));
     }},
    {"log", "file", "path", "The file that lines are appended to; standard error without it.",
     "\"/var/log/mayfly.log\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.log.file = v.path(); },
     [](const Config& c) { return show_text(c.log.file.native()); }},
    {"broker", "runtime-folder", "path",
     "The folder for the sockets of tasks: its path must be short and nobody else may write in it. "
     "Without it, $XDG_RUNTIME_DIR/mayfly, else /tmp.",
     "\"/run/mayfly\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.broker.runtime_folder = v.path(); },
     [](const Config& c) { return show_text(c.broker.runtime_folder.native()); }},
    {"broker", "socket", "path",
     "The socket of a task that `mayfly run` serves: libmayfly.so then is a client of it and has "
     "no device of its own. Only [log] may stand beside it.",
     "\"/run/mayfly/1234/door\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.broker.socket = v.path(); },
     [](const Config& c) { return show_text(c.broker.socket.native()); }},
    {"serve", "socket", "path",
     "The control socket, where `mayfly open`, close, list, show and revoke come in.", "", false,
     KeyFor::any, [](Config& c, const Value& v) { c.serve.socket = v.path(); },
     [](const Config& c) { return show_text(c.serve.socket.native()); }},
    {"serve", "users", "list of users",
     "The users that may open tasks, by name or number, as far as [policy] lets them.",
     "[\"root\", 1001]", false, KeyFor::any,
     [](Config& c, const Value& v) { c.serve.users = v.users(); },
     [](const Config& c) { return show_some_ids(c.serve.users); }},
    {"serve", "groups", "list of groups", "The groups whose members may open tasks.", "[1001]",
     false, KeyFor::any, [](Config& c, const Value& v) { c.serve.groups = v.groups(); },
     [](const Config& c) { return show_some_ids(c.serve.groups); }},
    {"serve", "operators", "list of users",
     "The users that may see, end and revoke the tasks of everybody, and open tasks for others.",
     "[\"root\"]", false, KeyFor::any,
     [](Config& c, const Value& v) { c.serve.operators = v.users(); },
     [](const Config& c) { return show_some_ids(c.serve.operators); }},
    {"serve", "operator-groups", "list of groups", "The groups whose members may do the same.",
     "[1001]", false, KeyFor::any,
     [](Config& c, const Value& v) { c.serve.operator_groups = v.groups(); },
     [](const Config& c) { return show_some_ids(c.serve.operator_groups); }},
    {"serve", "tasks-per-user", "whole number, 1 to 1000000",
     "The most tasks of one user that are open at once.", "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.serve.max_tasks_per_user = v.number(1, kMostOfAnything); },
     [](const Config& c) { return std::to_string(c.serve.max_tasks_per_user); }},
    {"status", "folder", "path",
     "The folder in which the broker keeps status.jwt, the status list of its tasks, and "
     "keys.json, "
     "the public keys that live in them. It must be there, and nobody else may write in it. Needs "
     "status.uri, [issuer] and [registry]. Without it there is no list.",
     "\"/var/lib/mayfly/status\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.status.folder = v.path(); },
     [](const Config& c) { return show_text(c.status.folder.native()); }},
    {"status", "uri", "http or https URI",
     "The list's own name, by which credentials name it: where verifiers fetch it. Each broker has "
     "one of its own.",
     "\"https://status.example/1\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.status.uri = v.http_uri(); },
     [](const Config& c) { return show_text(c.status.uri); }},
    {"status", "ttl", "length of time, 2s to 1h",
     "How long others may keep a list. It is signed anew twice in that time, and whenever a task "
     "is "
     "opened or ends.",
     "", false, KeyFor::any, [](Config& c, const Value& v) { c.status.ttl = v.duration(); },
     [](const Config& c) { return show_duration(c.status.ttl); }},
    {"status", "listen", "ADDRESS:PORT",
     "Where the broker serves both files, and /metrics for Prometheus, over HTTP; port 0 takes one "
     "that is free. Without it there is no server.",
     "\"127.0.0.1:9464\"", false, KeyFor::any,
     [](Config& c, const Value& v) { c.status.listen = v.listen_address(); },
     [](const Config& c) {
       return c.status.listen ? toml_text(c.status.listen->text()) : std::string();
     }},
    {"status", "listen-to-others", "true or false",
     "Whether status.listen may be an address that other machines reach. There is no TLS and no "
     "login.",
     "", false, KeyFor::any,
     [](Config& c, const Value& v) { c.status.listen_to_others = v.boolean(); },
     [](const Config& c) { return show_bool(c.status.listen_to_others); }},
}};

}  // namespace

bool ConfigKey::is_for(DeviceType kind) const noexcept {
  return device == KeyFor::any || (device == KeyFor::tpm) == (kind == DeviceType::tpm);
}

std::string ConfigKey::full_name() const { return std::string(table) + "." + std::string(name); }

std::span<const ConfigTable> config_tables() noexcept { return kTables; }
std::span<const ConfigKey> config_keys() noexcept { return kKeys; }

}  // namespace mayfly
