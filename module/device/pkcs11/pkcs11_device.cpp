#include "device/pkcs11/pkcs11_device.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "base/fork_epoch.h"
#include "base/log.h"
#include "device/pkcs11/device_context.h"
#include "device/pkcs11/pkcs11_scope.h"
#include "device/pkcs11/start_lock.h"
#include "device/pkcs11/stored_scope.h"

namespace mayfly {
namespace pkcs11 {
namespace {

void check_environment(const std::map<std::string, std::string>& expected) {
  for (const auto& [name, value] : expected) {
    const char* actual = std::getenv(name.c_str());
    if (actual != nullptr && value == actual) continue;
    throw Error(CKR_GENERAL_ERROR, "the environment variable " + name +
                                       (actual == nullptr ? " is not set" : " has another value") +
                                       "; the device's module needs the one that device.env gives: "
                                       "start this program with it");
  }
}

/// How many sessions may be open at once; 0 for no limit.
std::size_t session_limit(std::size_t wanted, const Token& token, KeyStorage storage) {
  // Token objects are made and destroyed in read-write sessions only.
  const CK_ULONG most =
      storage == KeyStorage::stored ? token.info.ulMaxRwSessionCount : token.info.ulMaxSessionCount;
  const bool unlimited = most == CK_EFFECTIVELY_INFINITE || most == CK_UNAVAILABLE_INFORMATION;
  std::size_t limit = wanted;
  if (!unlimited) limit = wanted == 0 ? most : std::min<std::size_t>(wanted, most);
  if (limit == 1) {
    throw Error(CKR_GENERAL_ERROR, "one session on the token \"" + token.label() +
                                       "\" is not enough: one is for keys and one for signing; set "
                                       "device.max-sessions to 2 or more, if the token allows it");
  }
  return limit;
}

DeviceInfo describe_token(const CK_TOKEN_INFO& info, bool hardware) {
  return {
      padded_text(info.manufacturerID, sizeof info.manufacturerID),
      padded_text(info.model, sizeof info.model),
      padded_text(info.serialNumber, sizeof info.serialNumber),
      std::to_string(info.firmwareVersion.major) + "." + std::to_string(info.firmwareVersion.minor),
      hardware};
}

class Pkcs11Device final : public Device {
 public:
  explicit Pkcs11Device(const std::filesystem::path& module) : module_(module.string()) {}

  /// The rest of opening. If it throws, close() gives back what was taken.
  void start(Pkcs11DeviceOptions options);

  [[nodiscard]] const DeviceInfo& info() const noexcept override { return info_; }

  [[nodiscard]] bool supports(const KeySpec& spec) const noexcept override {
    return context_->mechanisms.supports(spec);
  }

  [[nodiscard]] SignInput sign_input(Scheme scheme, Hash hash) const noexcept override {
    return context_->mechanisms.plan(scheme, hash).input;
  }

  std::shared_ptr<KeyScope> open_scope(const ScopeOwner& owner) override {
    if (storage_ == KeyStorage::stored) return std::make_shared<StoredScope>(context_, owner);
    return std::make_shared<Pkcs11Scope>(context_);
  }

  std::size_t retry_pending() noexcept override;
  ReapReport reap(ReapReach reach, EarlierBoots earlier_boots) override;
  ReapReport reap_tasks(const std::set<std::string>& serials) override;
  [[nodiscard]] DeviceHealth health() noexcept override;
  void close() noexcept override;

 private:
  [[nodiscard]] std::size_t pending() const noexcept;
  void log_out() noexcept;

  VendorModule module_;
  CK_SLOT_ID slot_ = 0;
  DeviceInfo info_;
  KeyStorage storage_ = KeyStorage::session;
  std::shared_ptr<DeviceContext> context_;
};

void Pkcs11Device::start(Pkcs11DeviceOptions options) {
  const StartLock lock(options.start_lock);
  module_.initialize();
  const Token token = find_token(module_, options.token);
  slot_ = token.slot;
  storage_ = options.storage;
  context_ = std::make_shared<DeviceContext>(
      module_.functions(), token, session_limit(options.max_sessions, token, options.storage),
      std::move(options.fetch_pin), std::move(options.journal), options.other_usages_off);
  info_ = describe_token(token.info, context_->mechanisms.hardware());
  const SessionPool::Lease lease = context_->sessions.lend();
  if (!lease) {
    throw Error(CKR_SESSION_COUNT,
                "the token \"" + token.label() +
                    "\" has no session left; close other applications' sessions");
  }
  if (context_->login.wanted()) context_->login.log_in(lease.session().handle);
}

std::size_t Pkcs11Device::pending() const noexcept {
  return context_->pending.count() + (context_->stored == nullptr ? 0 : context_->stored->owed());
}

std::size_t Pkcs11Device::retry_pending() noexcept {
  if (context_->usable()) {
    context_->sessions.close_abandoned();
    context_->pending.retry(context_->functions, context_->sessions);
    if (context_->stored != nullptr) context_->stored->retry();
  }
  return pending();
}

ReapReport Pkcs11Device::reap(ReapReach reach, EarlierBoots earlier_boots) {
  if (!context_->usable()) throw Error(CKR_DEVICE_REMOVED, "the device was closed");
  return context_->stored == nullptr ? ReapReport() : context_->stored->reap(reach, earlier_boots);
}

ReapReport Pkcs11Device::reap_tasks(const std::set<std::string>& serials) {
  if (!context_->usable()) throw Error(CKR_DEVICE_REMOVED, "the device was closed");
  return context_->stored == nullptr ? ReapReport() : context_->stored->reap_tasks(serials);
}

DeviceHealth Pkcs11Device::health() noexcept {
  DeviceHealth health;
  health.pending = pending();
  health.open_scopes = context_->open_scopes;
  try {
    CK_TOKEN_INFO info{};
    const CK_RV rv = context_->usable() ? context_->functions->C_GetTokenInfo(slot_, &info)
                                        : CKR_CRYPTOKI_NOT_INITIALIZED;
    health.reachable = rv == CKR_OK;
    if (!health.reachable) {
      health.message = "the device does not answer: " + describe(rv);
    } else if (health.pending > 0) {
      health.message = "the device still owes the destruction of some keys";
    }
  } catch (...) {  // no memory for a sentence; the numbers stand
  }
  return health;
}

void Pkcs11Device::close() noexcept {
  if (context_ != nullptr) {
    if (!context_->usable()) return;
    if (context_->stored != nullptr) context_->stored->destroy_all();
    context_->closed = true;
    context_->sessions.close_all();
    context_->functions->C_CloseAllSessions(slot_);
    log_out();
    context_->sessions.forget_all();
    context_->pending.clear();
  }
  module_.close();
}

/// The login went with our last session, unless others in this process have sessions too.
void Pkcs11Device::log_out() noexcept {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  if (context_->functions->C_OpenSession(slot_, CKF_SERIAL_SESSION, nullptr, nullptr, &session) !=
      CKR_OK) {
    return;
  }
  context_->login.log_out(session);
  context_->functions->C_CloseSession(session);
}

}  // namespace
}  // namespace pkcs11

std::unique_ptr<Device> open_pkcs11_device(Pkcs11DeviceOptions options) {
  if (options.storage == KeyStorage::stored && options.journal == nullptr) {
    throw Error(CKR_GENERAL_ERROR, "keys can't be stored on the device without a journal of them");
  }
  pkcs11::check_environment(options.environment);
  ForkEpoch::watch();
  auto device = std::make_unique<pkcs11::Pkcs11Device>(options.module);
  try {
    device->start(std::move(options));
  } catch (...) {
    device->close();
    throw;
  }
  return device;
}

}  // namespace mayfly
