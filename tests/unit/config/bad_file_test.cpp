// Every way in which a configuration file can be wrong, and what the person who wrote it is told.
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"
#include "support/temp_folder.h"
#include "unit/config/message_of.h"

namespace mayfly {
namespace {

/// The lines that must be there, so that a bad file is bad for one reason. Four lines.
constexpr char kDevice[] =
    "[device]\n"
    "module = \"/usr/lib/softhsm/libsofthsm2.so\"\n"
    "token = \"pkcs11:token=mayfly\"\n"
    "pin-source = \"file:pin\"\n";

struct BadFile {
  const char* name;
  std::string content;
  std::string message;  ///< without the file's name

  friend std::ostream& operator<<(std::ostream& out, const BadFile& bad) { return out << bad.name; }
};

std::string device_with(const std::string& line) { return kDevice + line + "\n"; }

std::string device(const std::string& module, const std::string& token, const std::string& pin) {
  return "[device]\n" + module + "\n" + token + "\n" + pin + "\n";
}

const char kModule[] = "module = \"/m.so\"";
const char kToken[] = "token = \"pkcs11:token=t\"";
const char kPinSource[] = "pin-source = \"file:pin\"";

const std::string kAllTables =
    "[device], [tpm], [registry], [task], [login], [policy], [grants], [approval], [issuer], "
    "[ledger], [limits], [log], [broker], [serve], [status]";
const std::string kPinSourceKinds =
    "a pin-source says where the PIN is, not what it is; write file:PATH, fd:NUMBER, "
    "credential:NAME or command:PROGRAM ARGUMENTS";
const std::string kDurationHint =
    " is no length of time from 1s to 3650d; write a whole number with s, m, h or d, such as "
    "\"15m\"";

std::vector<BadFile> unknown_names() {
  return {
      {"MisspeltKey", device_with("max-session = 3"),
       ":5: unknown key device.max-session; did you mean device.max-sessions?"},
      {"UnderscoreForHyphen", device_with("pin_source = \"file:pin\""),
       ":5: unknown key device.pin_source; did you mean device.pin-source?"},
      {"KeyFarFromAll", device_with("colour = \"red\""),
       ":5: unknown key device.colour; the keys of [device] are type, module, token, "
       "pin-source, keys, other-usages, max-sessions, env"},
      {"KeyInWrongTable", device_with("[task]\nusage = \"strict\""),
       ":6: unknown key task.usage; did you mean policy.usage?"},
      {"KeyOutsideTables", std::string("max-ttl = \"1h\"\n") + kDevice,
       ":1: unknown key max-ttl; did you mean task.max-ttl?"},
      {"KeyOutsideTablesFarFromAll", std::string("wallpaper = \"1h\"\n") + kDevice,
       ":1: unknown key wallpaper; the tables are " + kAllTables},
      {"MisspeltTable", device_with("[limit]\ntasks = 3"),
       ":5: unknown table limit; did you mean [limits]?"},
      {"TableFarFromAll", device_with("[entertainment]"),
       ":5: unknown table entertainment; the tables are " + kAllTables},
      {"ControlCharactersInKey", device_with("\"a\\nb:1: forged\" = 1"),
       ":5: unknown key device.a?b:1: forged; the keys of [device] are type, module, token, "
       "pin-source, keys, other-usages, max-sessions, env"},
      {"EndlessKey", device_with(std::string(500, 'x') + " = 1"),
       ":5: unknown key device." + std::string(64, 'x') +
           "; the keys of [device] are type, module, token, pin-source, keys, other-usages, "
           "max-sessions, env"},
      {"CaseCounts", device_with("[Task]\nttl = \"1m\""),
       ":5: unknown table Task; did you mean [task]?"},
      {"EmptyKey", device_with("\"\" = 1"),
       ":5: unknown key device.; the keys of [device] are type, module, token, pin-source, "
       "keys, other-usages, max-sessions, env"},
      {"PinInTheFile", device_with("pin = \"1234\""),
       ":5: unknown key device.pin; the keys of [device] are type, module, token, "
       "pin-source, keys, other-usages, max-sessions, env"},
  };
}

std::vector<BadFile> missing_keys() {
  return {
      {"Empty", "",
       ":1: device.module is missing; add a line such as module = "
       "\"/usr/lib/softhsm/libsofthsm2.so\" under [device]"},
      {"NoModule", device("", kToken, kPinSource),
       ":1: device.module is missing; add a line such as module = "
       "\"/usr/lib/softhsm/libsofthsm2.so\" under [device]"},
      {"NoToken", device(kModule, "", kPinSource),
       ":1: device.token is missing; add a line such as token = \"pkcs11:token=mayfly\" under "
       "[device]"},
      {"NoPinSource", "[log]\nlevel = \"off\"\n" + device(kModule, kToken, ""),
       ":3: device.pin-source is missing; add a line such as pin-source = \"file:pin\" under "
       "[device]"},
      {"LoginWithoutPinSource", device_with("[login]\nrequired = true"),
       ":6: login.required is true, but login.pin-source is missing; add pin-source = "
       "\"file:PATH\" under [login]"},
      {"GrantsWithoutApprovers", device_with("[grants]\nrequired = true\naudience = \"b\""),
       ":6: grants.required is true, but grants.approvers is missing; add approvers = "
       "\"approvers.json\" under [grants]"},
      {"GrantsWithoutAudience", device_with("[grants]\nrequired = true\napprovers = \"a.json\""),
       ":6: grants.required is true, but grants.audience is missing; add audience = \"NAME OF THIS "
       "BROKER\" under [grants]"},
      {"ClockSkewTooLong", device_with("[grants]\nclock-skew = \"301s\""),
       ":6: grants.clock-skew is 301s, by which every grant would live longer; choose 5m at most, "
       "and set the clocks"},
      {"StoredKeysWithoutRegistry", device_with("keys = \"stored\""),
       ":5: device.keys is \"stored\", but registry.file is missing; add file = "
       "\"/var/lib/mayfly/registry.db\" under [registry]"},
  };
}

std::vector<BadFile> registries() {
  const std::string start = device_with("[registry]");
  const std::string no_password =
      " holds a password, but no password belongs into a URL; use the key registry.password-source";
  const std::string no_url = " is no URL of PostgreSQL; write \"postgresql://USER@HOST/DATABASE\"";
  return {
      {"RegistryFileAndUrl", start + "file = \"r.db\"\nurl = \"postgresql://h/d\"\n",
       ":7: registry.url stands beside registry.file, but there is one registry; take one of the "
       "two out"},
      {"RegistryPasswordOfAFile", start + "file = \"r.db\"\npassword-source = \"file:pin\"\n",
       ":7: registry.password-source is for registry.url, which is missing; add it, or leave the "
       "password-source out"},
      {"RegistryUrlOfAnother", start + "url = \"mysql://h/d\"\n", ":6: registry.url" + no_url},
      {"RegistryUrlIsAConnectionString", start + "url = \"host=h dbname=d\"\n",
       ":6: registry.url" + no_url},
      {"RegistryUrlWithPassword", start + "url = \"postgresql://u:s3cret@h/d\"\n",
       ":6: registry.url" + no_password},
      {"RegistryUrlWithPasswordBehind",
       start + "url = \"postgresql://h/d?sslmode=require&password=s3cret\"\n",
       ":6: registry.url" + no_password},
      {"RegistryUrlWithPasswordOfAKey", start + "url = \"postgres://h?sslpassword=s3cret\"\n",
       ":6: registry.url" + no_password},
      {"RegistryForgetsAtOnce", start + "keep = \"1h\"\n",
       ":6: registry.keep is 1h, too short to look into what went wrong; choose 1d or more"},
      {"RegistryLeaseNumber", start + "lease = 30\n",
       ":6: registry.lease must be a length of time in quotes, not a whole number; put it in "
       "quotes"},
  };
}

std::vector<BadFile> keys_of_another_device() {
  const std::string tpm = "[device]\ntype = \"tpm\"\n";
  return {
      {"ModuleForATpm", tpm + kModule,
       ":3: device.module is for device.type = \"pkcs11\" only; leave it out, or set type = "
       "\"pkcs11\" under [device]"},
      {"PinSourceForATpm", tpm + kPinSource,
       ":3: device.pin-source is for device.type = \"pkcs11\" only; leave it out, or set type = "
       "\"pkcs11\" under [device]"},
      {"StoredKeysForATpm", tpm + "keys = \"stored\"",
       ":3: device.keys is for device.type = \"pkcs11\" only; leave it out, or set type = "
       "\"pkcs11\" under [device]"},
      {"TctiForAModule", device_with("[tpm]\ntcti = \"tabrmd\""),
       ":6: tpm.tcti is for device.type = \"tpm\" only; leave it out, or set type = \"tpm\" "
       "under [device]"},
      {"TypeUnknown", "[device]\ntype = \"TPM\"",
       ":2: device.type is none of its values; choose one of \"pkcs11\", \"tpm\""},
      {"DeadlineUnknown", tpm + "[tpm]\ndeadline = \"soft\"",
       ":4: tpm.deadline is none of its values; choose one of \"hardware\", \"software\""},
  };
}

std::vector<BadFile> wrong_types() {
  return {
      {"ModuleNumber", device("module = 3", kToken, kPinSource),
       ":2: device.module must be a path in quotes, not a whole number; put it in quotes"},
      {"TokenArray", device(kModule, "token = [\"pkcs11:token=t\"]", kPinSource),
       ":3: device.token must be a text in quotes, not an array; put it in quotes"},
      {"PinSourceNumber", device(kModule, kToken, "pin-source = 1234"),
       ":4: device.pin-source must be a PIN source in quotes, not a whole number; put it in "
       "quotes"},
      {"MaxSessionsText", device_with("max-sessions = \"3\""),
       ":5: device.max-sessions must be a whole number, not a text; write it in digits without "
       "quotes"},
      {"MaxSessionsFraction", device_with("max-sessions = 3.5"),
       ":5: device.max-sessions must be a whole number, not a number with a fraction; write it in "
       "digits without quotes"},
      {"TtlNumber", device_with("[task]\nttl = 900"),
       ":6: task.ttl must be a length of time in quotes, not a whole number; put it in quotes"},
      {"TtlLocalTime", device_with("[task]\nttl = 00:15:00"),
       ":6: task.ttl must be a length of time in quotes, not a date or time; put it in quotes"},
      {"RequiredText", device_with("[login]\nrequired = \"yes\""),
       ":6: login.required must be true or false, not a text; write true or false without quotes"},
      {"EnvText", device_with("env = \"A=b\""),
       ":5: device.env must be a table, not a text; write [device.env] and NAME = \"value\" lines "
       "below it"},
      {"EnvValueNumber", device_with("[device.env]\nA = 3"),
       ":6: device.env.A must be a text in quotes, not a whole number; put it in quotes"},
      {"TableIsNumber", std::string("task = 3\n") + kDevice,
       ":1: task must be one table; write [task] and its keys below it"},
      {"ArrayOfTables", std::string("[[task]]\nttl = \"1m\"\n") + kDevice,
       ":1: task must be one table; write [task] and its keys below it"},
      {"TableForKey", device_with("[device.max-sessions]\na = 1"),
       ":5: device.max-sessions must be a whole number, not a table; write it in digits without "
       "quotes"},
  };
}

std::vector<BadFile> wrong_texts() {
  return {
      {"ModuleEmpty", device("module = \"\"", kToken, kPinSource),
       ":2: device.module is empty; give it a path or leave the key out"},
      {"ModuleHome", device("module = \"~/lib.so\"", kToken, kPinSource),
       ":2: device.module starts with ~, which is not expanded; write the full path"},
      {"ModuleControl", device("module = \"/lib\\u0000.so\"", kToken, kPinSource),
       ":2: device.module holds control characters; leave them out"},
      {"TokenEmpty", device(kModule, "token = \"\"", kPinSource),
       ":3: device.token is empty; give it a value or leave the key out"},
      {"TokenLabelOnly", device(kModule, "token = \"mayfly\"", kPinSource),
       ":3: device.token is no PKCS#11 URI that names a token; write \"pkcs11:token=LABEL\""},
      {"TokenAny", device(kModule, "token = \"pkcs11:\"", kPinSource),
       ":3: device.token is no PKCS#11 URI that names a token; write \"pkcs11:token=LABEL\""},
      {"TokenWithPin", device(kModule, "token = \"pkcs11:token=t?pin-value=4711\"", kPinSource),
       ":3: device.token holds pin-value, but no PIN belongs into a URI; use the key "
       "device.pin-source"},
      {"TokenWithPinSource",
       device(kModule, "token = \"pkcs11:token=t?pin-source=/pin\"", kPinSource),
       ":3: device.token holds pin-source, but no PIN belongs into a URI; use the key "
       "device.pin-source"},
      {"PinSourceIsThePin", device(kModule, kToken, "pin-source = \"4711\""),
       ":4: device.pin-source is wrong: " + kPinSourceKinds},
      {"PinSourceUnknownKind", device(kModule, kToken, "pin-source = \"env:PIN\""),
       ":4: device.pin-source is wrong: " + kPinSourceKinds},
      {"PinSourceEmpty", device(kModule, kToken, "pin-source = \"\""),
       ":4: device.pin-source is wrong: " + kPinSourceKinds},
      {"PinSourceFileEmpty", device(kModule, kToken, "pin-source = \"file:\""),
       ":4: device.pin-source is wrong: a pin-source file: needs a path; write file:/full/path"},
      {"PinSourceFileHome", device(kModule, kToken, "pin-source = \"file:~/pin\""),
       ":4: device.pin-source is wrong: a pin-source file: does not expand ~; write the full path"},
      {"PinSourceFdName", device(kModule, kToken, "pin-source = \"fd:three\""),
       ":4: device.pin-source is wrong: a pin-source fd: needs the number of a descriptor that can "
       "be read; write fd:3, say"},
      {"PinSourceCredentialPath", device(kModule, kToken, "pin-source = \"credential:../pin\""),
       ":4: device.pin-source is wrong: a pin-source credential: needs the credential's name, "
       "without a path; write credential:NAME"},
      {"PinSourceCommandName", device(kModule, kToken, "pin-source = \"command:pass hsm\""),
       ":4: device.pin-source is wrong: a pin-source command: needs the program's full path; write "
       "command:/full/path ARGUMENTS"},
      {"PinSourceZeroByte", device(kModule, kToken, "pin-source = \"file:/a\\u0000b\""),
       ":4: device.pin-source is wrong: a pin-source can't hold a zero byte; leave it out"},
      {"EnvName", device_with("[device.env]\n\"A B\" = \"c\""),
       ":6: device.env.A B is no name of an environment variable; use letters, digits and _"},
      {"EnvNameDigit", device_with("[device.env]\n1A = \"c\""),
       ":6: device.env.1A is no name of an environment variable; use letters, digits and _"},
      {"EnvValueZeroByte", device_with("[device.env]\nA = \"c\\u0000\""),
       ":6: device.env.A holds a zero byte; leave it out"},
      {"LedgerSyncUnknown", device_with("[ledger]\nsync = \"always\""),
       ":6: ledger.sync is none of its values; choose one of \"entry\", \"interval\", \"end\""},
      {"UsageUnknown", device_with("[policy]\nusage = \"loose\""),
       ":6: policy.usage is none of its values; choose one of \"narrow\", \"strict\""},
      {"MechanismUnknown", device_with("[policy]\nmechanisms = [\"CKM_ECDSA\",\n\"CKM_SHA256\"]"),
       ":7: policy.mechanisms names no mechanism that signs; choose of CKM_ECDSA, "
       "CKM_ECDSA_SHA224, "
       "CKM_ECDSA_SHA256, CKM_ECDSA_SHA384, CKM_ECDSA_SHA512, CKM_EDDSA, CKM_RSA_PKCS, "
       "CKM_SHA224_RSA_PKCS, CKM_SHA256_RSA_PKCS, CKM_SHA384_RSA_PKCS, CKM_SHA512_RSA_PKCS, "
       "CKM_RSA_PKCS_PSS, CKM_SHA224_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS, "
       "CKM_SHA384_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS"},
      {"MechanismsNoList", device_with("[policy]\nmechanisms = \"CKM_ECDSA\""),
       ":6: policy.mechanisms must be a list of mechanisms; write [ … ] with at least one in it"},
      {"MechanismsEmpty", device_with("[policy]\nmechanisms = []"),
       ":6: policy.mechanisms must be a list of mechanisms; write [ … ] with at least one in it"},
      {"MechanismNumber", device_with("[policy]\nmechanisms = [4161]"),
       ":6: policy.mechanisms must be a mechanism in quotes, not a whole number; put it in quotes"},
      {"KindUnknown", device_with("[policy]\nkeys = [\"RSA 1024\"]"),
       ":6: policy.keys names no kind of keys; choose of EC P-256, EC P-384, EC P-521, Ed25519, "
       "RSA 2048, RSA 3072, RSA 4096"},
      {"MaxKeysZero", device_with("[policy]\nmax-keys = 0"),
       ":6: policy.max-keys is 0, out of range; choose 1 to 1000000"},
      {"MaxSignaturesMany", device_with("[policy]\nmax-signatures = 1000000000001"),
       ":6: policy.max-signatures is 1000000000001, out of range; choose 1 to 1000000000000"},
      {"UserUnknown", device_with("[policy]\nusers = [\"no such user\"]"),
       ":6: policy.users names no user of this machine; write one that there is, or its number "
       "without quotes"},
      {"GroupNobodys", device_with("[policy]\ngroups = [4294967295]"),
       ":6: policy.groups is 4294967295, out of range; choose 0 to 4294967294"},
      {"PolicyKeyUnknown", device_with("[policy.ci]\nmax-key = 1"),
       ":6: unknown key policy.max-key; did you mean policy.max-keys?"},
      {"PolicyNameBad", device_with("[policy.\"a b\"]\nmax-keys = 1"),
       ":5: policy.a b is no name of a policy; use 1 to 64 letters, digits, - and _"},
      {"PolicyKeyAsTable", device_with("[policy.max-keys]\nusage = \"strict\""),
       ":5: policy.max-keys must be a whole number, not a table; write it in digits without "
       "quotes"},
      {"PolicyLoginWithoutPin", device_with("[policy.ci]\nlogin-required = true"),
       ":6: policy.ci.login-required is true, but login.pin-source is missing; add pin-source = "
       "\"file:PATH\" under [login]"},
      {"LevelUnknown", device_with("[log]\nlevel = \"warning\""),
       ":6: log.level is none of its values; choose one of \"debug\", \"info\", \"warn\", "
       "\"error\", \"off\""},
      {"LevelJoined", device_with("[log]\nlevel = \"debug|info\""),
       ":6: log.level is none of its values; choose one of \"debug\", \"info\", \"warn\", "
       "\"error\", \"off\""},
      {"RuntimeFolderEmpty", device_with("[broker]\nruntime-folder = \"\""),
       ":6: broker.runtime-folder is empty; give it a path or leave the key out"},
  };
}

std::vector<BadFile> out_of_range() {
  return {
      {"MaxSessionsNegative", device_with("max-sessions = -1"),
       ":5: device.max-sessions is -1, out of range; choose 0 to 1000000"},
      {"MaxSessionsHuge", device_with("max-sessions = 1000001"),
       ":5: device.max-sessions is 1000001, out of range; choose 0 to 1000000"},
      {"TasksZero", device_with("[limits]\ntasks = 0"),
       ":6: limits.tasks is 0, out of range; choose 1 to 1000000"},
      {"SessionsZero", device_with("[limits]\nsessions = 0"),
       ":6: limits.sessions is 0, out of range; choose 1 to 1000000"},
      {"ObjectsMost", device_with("[limits]\nobjects = 9223372036854775807"),
       ":6: limits.objects is 9223372036854775807, out of range; choose 1 to 1000000"},
      {"ConnectionsHuge", device_with("[limits]\nconnections = 65537"),
       ":6: limits.connections is 65537, out of range; choose 1 to 65536"},
      {"TtlZero", device_with("[task]\nttl = \"0s\""), ":6: task.ttl" + kDurationHint},
      {"TtlNegative", device_with("[task]\nttl = \"-5m\""), ":6: task.ttl" + kDurationHint},
      {"TtlAbsurd", device_with("[task]\nttl = \"11000d\""), ":6: task.ttl" + kDurationHint},
      {"TtlOverflow", device_with("[task]\nttl = \"18446744073709551617s\""),
       ":6: task.ttl" + kDurationHint},
      {"TtlWithoutUnit", device_with("[task]\nttl = \"15\""), ":6: task.ttl" + kDurationHint},
      {"MaxTtlUnit", device_with("[task]\nmax-ttl = \"2w\""), ":6: task.max-ttl" + kDurationHint},
      {"TtlOverMaxTtl", device_with("[task]\nmax-ttl = \"1h\"\nttl = \"90m\""),
       ":7: task.ttl (90m) is longer than task.max-ttl (1h); shorten the one or lengthen the "
       "other"},
      {"DefaultTtlOverMaxTtl", device_with("[task]\nmax-ttl = \"5m\""),
       ":6: task.ttl (15m unless set) is longer than task.max-ttl (5m); shorten the one or "
       "lengthen "
       "the other"},
      {"TtlOverDefaultMaxTtl", device_with("[task]\nttl = \"2d\""),
       ":6: task.ttl (2d) is longer than task.max-ttl (1d unless set); shorten the one or lengthen "
       "the other"},
  };
}

/// Where an issuer's key can't be, or is not said to be.
std::vector<BadFile> issuers() {
  const std::string token = "[issuer]\ntoken = \"pkcs11:token=ca\"\n";
  const std::string named = "trust-domain = \"a.example\"\ncertificate = \"c.pem\"\n";
  return {
      {"IssuerTwice", device_with(token + named + "pin-source = \"file:p\"\nkey-file = \"k.pem\""),
       ":10: issuer.key-file stands beside issuer.token, but there is one key; take one of the two "
       "out"},
      {"IssuerWithoutPin", device_with(token + named),
       ":6: issuer.token needs a PIN, but issuer.pin-source is missing; add pin-source = "
       "\"file:PATH\" under [issuer]"},
      {"IssuerOnTheDevice",
       device_with("[issuer]\ntoken = \"pkcs11:token=mayfly\"\npin-source = \"file:p\"\n" + named),
       ":6: issuer.token is the token that tasks' keys are made in, whose PIN the broker has; keep "
       "the issuer's key on another"},
      {"IssuerWithoutModule",
       "[device]\ntype = \"tpm\"\n" + token + named + "pin-source = \"file:p\"",
       ":4: issuer.token is a PKCS#11 token's, but issuer.module is missing; add module = \"PATH\" "
       "under [issuer]"},
      {"IssuerWithoutName", device_with("[issuer]\nkey-file = \"k.pem\""),
       ":6: issuer.key-file names a key, but issuer.trust-domain is missing; add trust-domain = "
       "\"agents.example\" under [issuer]"},
      {"IssuerWithoutKey", device_with("[issuer]\ntrust-domain = \"a.example\""),
       ":6: issuer.trust-domain is set, but no key of the issuer is; add token and pin-source, or "
       "key-file, under [issuer]"},
      {"IssuerWithoutCertificate",
       device_with("[issuer]\nkey-file = \"k.pem\"\ntrust-domain = \"a.example\""),
       ":6: issuer.key-file names a key, but issuer.certificate is missing; add certificate = "
       "\"issuer.pem\" under [issuer]"},
  };
}

/// Status lists that nobody could sign, or find, and servers that the whole world would reach.
std::vector<BadFile> status_lists() {
  const std::string issuer =
      "[issuer]\nkey-file = \"k.pem\"\ntrust-domain = \"a.example\"\ncertificate = \"c.pem\"\n";
  const std::string list = "[status]\nfolder = \"s\"\nuri = \"https://a.example/1\"";
  const auto status = [](const std::string& line) { return device_with("[status]\n" + line); };
  return {
      {"StatusWithoutUri", status("folder = \"s\""),
       ":6: status.folder stands alone; a status list needs both folder and uri under [status]"},
      {"StatusWithoutFolder", status("uri = \"https://a.example/1\""),
       ":6: status.uri stands alone; a status list needs both folder and uri under [status]"},
      {"StatusWithoutIssuer", device_with(list),
       ":6: status.folder is set, but there is no issuer, who signs status lists; fill in "
       "[issuer]"},
      {"StatusWithoutRegistry", device_with(issuer + list),
       ":10: status.folder is set, but registry.file is missing, where tasks have the numbers that "
       "stand in the list; add file = \"/var/lib/mayfly/registry.db\" under [registry]"},
      {"StatusUriOfAnotherKind", status("uri = \"ftp://a.example/1\""),
       ":6: status.uri is no URI of at most 1024 bytes with http or https; write "
       "\"https://HOST/PATH\""},
      {"StatusTtlTooShort", status("ttl = \"1s\""), ":6: status.ttl is 1s; choose 2s to 1h"},
      {"StatusTtlTooLong", status("ttl = \"2h\""), ":6: status.ttl is 2h; choose 2s to 1h"},
      {"ListenWithoutPort", status("listen = \"127.0.0.1\""),
       ":6: status.listen is no address with a port; write it in digits, such as "
       "\"127.0.0.1:9464\""},
      {"ListenByName", status("listen = \"localhost:9464\""),
       ":6: status.listen is no address with a port; write it in digits, such as "
       "\"127.0.0.1:9464\""},
      {"ListenToPortTooLarge", status("listen = \"127.0.0.1:65536\""),
       ":6: status.listen is no address with a port; write it in digits, such as "
       "\"127.0.0.1:9464\""},
      {"ListenToOthers", status("listen = \"0.0.0.0:9464\""),
       ":6: status.listen is no address of this machine alone, and what is served there has no TLS "
       "and no login; take 127.0.0.1, or set listen-to-others = true under [status]"},
      {"ListenToOthersByMappedAddress", status("listen = \"[::ffff:127.0.0.1]:9464\""),
       ":6: status.listen is no address of this machine alone, and what is served there has no TLS "
       "and no login; take 127.0.0.1, or set listen-to-others = true under [status]"},
  };
}

/// The first error in the file counts, not the first in the alphabet.
std::vector<BadFile> order_of_lines() {
  return {
      {"FirstLineFirst", device_with("[task]\nttl = 1\nmax-ttl = 2\n[limits]\ntasks = 0"),
       ":6: task.ttl must be a length of time in quotes, not a whole number; put it in quotes"},
  };
}

class BadFileTest : public testing::TestWithParam<BadFile> {};

TEST_P(BadFileTest, SaysWhereWhatAndHowToMend) {
  const test::TempFolder folder;
  const auto file = folder.write("mayfly.toml", GetParam().content);
  EXPECT_EQ(test::message_of([&] { return Config::load(file); }),
            file.string() + GetParam().message);
}

std::string name_of(const testing::TestParamInfo<BadFile>& bad) { return bad.param.name; }

INSTANTIATE_TEST_SUITE_P(UnknownNames, BadFileTest, testing::ValuesIn(unknown_names()), name_of);
INSTANTIATE_TEST_SUITE_P(Registries, BadFileTest, testing::ValuesIn(registries()), name_of);
INSTANTIATE_TEST_SUITE_P(Issuers, BadFileTest, testing::ValuesIn(issuers()), name_of);
INSTANTIATE_TEST_SUITE_P(StatusLists, BadFileTest, testing::ValuesIn(status_lists()), name_of);
INSTANTIATE_TEST_SUITE_P(MissingKeys, BadFileTest, testing::ValuesIn(missing_keys()), name_of);
INSTANTIATE_TEST_SUITE_P(KeysOfAnotherDevice, BadFileTest,
                         testing::ValuesIn(keys_of_another_device()), name_of);
INSTANTIATE_TEST_SUITE_P(WrongTypes, BadFileTest, testing::ValuesIn(wrong_types()), name_of);
INSTANTIATE_TEST_SUITE_P(WrongTexts, BadFileTest, testing::ValuesIn(wrong_texts()), name_of);
INSTANTIATE_TEST_SUITE_P(OutOfRange, BadFileTest, testing::ValuesIn(out_of_range()), name_of);
INSTANTIATE_TEST_SUITE_P(OrderOfLines, BadFileTest, testing::ValuesIn(order_of_lines()), name_of);

/// What the TOML parser complains about is its own wording; the line and the frame are ours.
struct BadSyntax {
  const char* name;
  std::string content;
  int line;
};

class BadSyntaxTest : public testing::TestWithParam<BadSyntax> {};

TEST_P(BadSyntaxTest, NamesTheLine) {
  const test::TempFolder folder;
  const auto file = folder.write("mayfly.toml", GetParam().content);
  const std::string message = test::message_of([&] { return Config::load(file); });
  EXPECT_THAT(message, testing::StartsWith(file.string() + ":" + std::to_string(GetParam().line) +
                                           ": is no valid TOML: "));
  EXPECT_THAT(message, testing::EndsWith("; mend this line or the one before it"));
  EXPECT_THAT(message, testing::Not(testing::HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(
    Syntax, BadSyntaxTest,
    testing::Values(BadSyntax{"NoQuotes", "[device]\nmodule = /usr/lib/m.so\n", 2},
                    BadSyntax{"OpenQuote", "[device]\nmodule = \"/usr/lib/m.so\n", 2},
                    BadSyntax{"OpenTable", "[device\n", 1},
                    BadSyntax{"NoValue", "[device]\nmodule =\n", 2},
                    BadSyntax{"DuplicateKey", device_with("token = \"pkcs11:token=t\""), 5},
                    BadSyntax{"DuplicateTable", device_with("[device]"), 5},
                    BadSyntax{"NotUtf8", "[device]\nmodule = \"/\xff\"\n", 2},
                    BadSyntax{"BadEscape", "[device]\nmodule = \"\\q\"\n", 2},
                    BadSyntax{"TwoOnOneLine", "[device]\nmodule = \"a\" token = \"b\"\n", 2},
                    BadSyntax{"Nested", "a = " + std::string(10'000, '['), 1}),
    [](const auto& bad) { return std::string(bad.param.name); });

TEST(BadFile, NeverRepeatsWhatMayBeAPin) {
  const test::TempFolder folder;
  for (const std::string line :
       {"pin-source = \"s3cret\"", "pin-source = \"s3cret:x\"", "pin = \"s3cret\"",
        "pin-source = s3cret", "token = \"s3cret\"", "[login]\npin-source = \"fd:s3cret\"",
        "[login]\npin-source = \"command:s3cret\""}) {
    const auto file = folder.write("mayfly.toml", "[device]\n" + line + "\n");
    const std::string message = test::message_of([&] { return Config::load(file); });
    EXPECT_NE(message, "no error");
    EXPECT_THAT(message, testing::Not(testing::HasSubstr("s3cret"))) << line;
  }
}

}  // namespace
}  // namespace mayfly
