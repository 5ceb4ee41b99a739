#include "tools/drill/ground.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "base/guarded_file.h"
#include "base/pem_signer.h"
#include "base/random.h"
#include "grant/approvers.h"
#include "grant/issue.h"
#include "tools/config_text.h"
#include "tools/failure.h"
#include "tools/new_files.h"

namespace mayfly::drill {
namespace {

constexpr char kApproverKey[] = "approver.pem";
constexpr char kIssuerKey[] = "issuer.pem";
constexpr char kLoginPin[] = "login-pin";
constexpr std::size_t kMostOfAFile = std::size_t{64} << 10;

std::string read_file(const std::filesystem::path& path) {
  return read_guarded(open_guarded(path.string(), Exposure::secret), path.string(), kMostOfAFile);
}

void require_pin_that_lasts(const Config& drilled) {
  if (drilled.device.type == DeviceType::tpm ||
      drilled.device.pin_source.kind != PinSource::Kind::descriptor) {
    return;
  }
  throw tools::Failure(tools::kWrongPin,
                       "device.pin-source is a descriptor, and each attack logs in to the device "
                       "anew; drill a configuration with file:, credential: or command:");
}

std::filesystem::path make_folder() {
  const char* const chosen = std::getenv("TMPDIR");
  const std::filesystem::path place = chosen != nullptr && *chosen == '/' ? chosen : "/tmp";
  std::string name = (place / "mayfly-drill.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw tools::file_failure(place.string(), errno);
  return name;
}

/// What a drill can't leave to chance: how many, how fast, who is asked, where it is written.
Config drilled_here(const Config& drilled, const std::filesystem::path& folder) {
  Config config = drilled;
  config.policy.max_keys.reset();
  config.policy.max_signatures.reset();
  config.policy.max_rate.reset();
  config.policy.users.reset();
  config.policy.groups.reset();
  config.named_policies.clear();
  config.registry.file = folder / "registry.db";
  config.registry.url.clear();
  config.registry.password_source.reset();
  config.login.pin_source = PinSource{PinSource::Kind::file, (folder / kLoginPin).string()};
  config.grants.approvers = folder / "approvers.json";
  if (config.grants.audience.empty()) config.grants.audience = "mayfly-drill";
  config.approval = {};
  config.issuer = {};
  config.ledger.folder = folder / "ledger";
  config.log.file = folder / "log";
  config.broker.socket.clear();
  config.broker.runtime_folder = folder / "run";
  config.serve = {};
  return config;
}

std::string policies() {
  const std::string few = std::to_string(kFew);
  const auto table = [](const char* name, const std::string& key) {
    return "\n[policy." + std::string(name) + "]\n" + key + "\n";
  };
  return table(kFewSignatures, "max-signatures = " + few) + table(kFewKeys, "max-keys = " + few) +
         table(kSlow, "max-rate = " + few) +
         table(kOneMechanism,
               "mechanisms = [\"CKM_ECDSA_SHA256\", \"CKM_ECDSA_SHA384\", "
               "\"CKM_SHA256_RSA_PKCS\"]\nkeys = [\"EC P-256\", \"RSA 2048\"]") +
         table(kShort, "max-ttl = \"10s\"") + table(kWithLogin, "login-required = true") +
         table(kWithGrant, "grant-required = true");
}

}  // namespace

std::string new_key_pem() {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> pem(BIO_new(BIO_s_mem()), BIO_free);
  if (key == nullptr || pem == nullptr ||
      PEM_write_bio_PrivateKey(pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    throw std::runtime_error("no key can be made");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(pem.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

Ground Ground::make(const Config& drilled) {
  require_pin_that_lasts(drilled);
  const std::filesystem::path folder = make_folder();
  const auto write = [&](const char* name, const std::string& text) {
    tools::write_new_file(folder / name, as_bytes(text));
  };
  for (const char* below : {"run", "ledger"}) {
    if (mkdir((folder / below).c_str(), 0700) != 0) {
      throw tools::file_failure(folder.string(), errno);
    }
  }
  const std::string approver = new_key_pem();
  write(kApproverKey, approver);
  write("approvers.json",
        "{\"keys\":[" + grant::to_jwk(signer_of_pem(as_bytes(approver))->public_key(), "drill") +
            "]}");
  write(kIssuerKey, new_key_pem());
  write(kLoginPin, random_hex(8, "a PIN"));
  write("mayfly.toml", tools::config_text(drilled_here(drilled, folder)) + policies());
  return Ground(folder);
}

Ground::Ground(std::filesystem::path folder)
    : folder_(std::move(folder)), config_(Config::load(folder_ / "mayfly.toml")) {}

std::string Ground::login_pin() const { return read_file(folder_ / kLoginPin); }

std::unique_ptr<Signer> Ground::approver() const {
  return signer_of_pem(as_bytes(read_file(folder_ / kApproverKey)));
}

std::unique_ptr<Signer> Ground::issuer() const {
  return signer_of_pem(as_bytes(read_file(folder_ / kIssuerKey)));
}

grant::Grant Ground::claims(const std::string& task) const {
  grant::Grant claims;
  claims.issuer = "mayfly drill";
  claims.agent = "drill";
  claims.id = random_id("the ID of a grant");
  claims.issued_at = unix_now_s();
  claims.expires = claims.issued_at + 60;
  claims.task = task;
  claims.ttl = std::min<std::chrono::seconds>(std::chrono::minutes(2), config_.task.max_ttl);
  claims.audience = {config_.grants.audience};
  return claims;
}

std::string Ground::grant_for(const std::string& task) const {
  const grant::Grant wanted = claims(task);
  return grant::issue(wanted, "drill", *approver(), wanted.issued_at);
}

bool Ground::wants_grant(const std::string& policy) const {
  if (config_.grants.required || config_.policy.grant_required) return true;
  const auto named = config_.named_policies.find(policy);
  return named != config_.named_policies.end() && named->second.grant_required;
}

}  // namespace mayfly::drill
