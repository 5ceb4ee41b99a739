// What concerns objects on the device that are not mayfly's.
#include <memory>
#include <signal.h>

#include "base/pem_signer.h"
#include "base/process_identity.h"
#include "base/program_run.h"
#include "device/pkcs11/stored_key_name.h"
#include "device/pkcs11/token_search.h"
#include "tools/configuration.h"
#include "tools/drill/device_look.h"
#include "tools/drill/module.h"
#include "tools/drill/task_run.h"
#include "tools/token_session.h"

namespace mayfly::drill {
namespace {

constexpr char kBystander[] = "nothing: he is another user of the device";

/// Another application's object on the device, which looks as much like mayfly's own as anybody's
/// could who does not want that. It is taken away at the end.
class ForeignObject {
 public:
  explicit ForeignObject(const Config& config)
      : module_(config.device.module.string()), config_(config) {
    tools::set_device_environment(config.device.environment);
    module_.initialize();
    const pkcs11::Token token = pkcs11::find_token(module_, config.device.token);
    session_ = std::make_unique<tools::TokenSession>(module_, token.slot, CKF_RW_SESSION);
    SecretBuffer pin = config.device.pin_source.read();
    session_->log_in(CKU_USER, pin);
    create();
  }
  ~ForeignObject() {
    module_.functions()->C_DestroyObject(session_->handle(), object_);
    session_.reset();
    module_.close();
  }
  ForeignObject(const ForeignObject&) = delete;
  ForeignObject& operator=(const ForeignObject&) = delete;

  [[nodiscard]] bool is_there() const {
    CK_ULONG size = 0;
    return module_.functions()->C_GetObjectSize(session_->handle(), object_, &size) == CKR_OK;
  }

 private:
  void create() {
    // As a stored key is named whose task is long over; only the ID's checksum is not right.
    const auto name = pkcs11::StoredKeyName::make(
        {"000000000000", ProcessIdentity::self(), "0000000000000000", 1});
    Bytes id = name.id();
    id.back() ^= 1;
    const auto key = signer_of_pem(as_bytes(new_key_pem()));
    const Bytes point = encode_ec_point(key->public_key().point());
    Template wanted;
    wanted.number(CKA_CLASS, CKO_PUBLIC_KEY)
        .number(CKA_KEY_TYPE, CKK_EC)
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, false)
        .bytes(CKA_EC_PARAMS, ec_params({CKK_EC, 256}))
        .bytes(CKA_EC_POINT, point)
        .bytes(CKA_LABEL, as_bytes(name.label()))
        .bytes(CKA_ID, id);
    const CK_RV rv = module_.functions()->C_CreateObject(session_->handle(), wanted.data(),
                                                         wanted.size(), &object_);
    if (rv != CKR_OK) throw NotTried(answered("the device's C_CreateObject", rv));
  }

  pkcs11::VendorModule module_;
  const Config& config_;
  std::unique_ptr<tools::TokenSession> session_;
  CK_OBJECT_HANDLE object_ = CK_INVALID_HANDLE;
};

void reap(const Ground& ground) {
  Bytes output(std::size_t{64} << 10);
  static_cast<void>(run_program(
      {.what = "mayfly reap",
       .arguments = {"/proc/self/exe", "reap", "--config", ground.config_file().string()},
       .must_write = "what it found",
       .time_limit = std::chrono::seconds(30)},
      output));
}

Outcome spare_bystanders(const Ground& ground) {
  if (ground.config().device.type == DeviceType::tpm) {
    throw NotTried("keys are never stored in a TPM");
  }
  const ForeignObject foreign(ground.config());
  {
    TaskRun run(ground, "drill");
    const Module module(run.door());
    const Session session(module, ground, module.slot());
    expect_ok("signing", session.sign(session.generate(true).private_key));
    kill(run.worker(), SIGKILL);
    run.end();
  }
  reap(ground);
  if (!foreign.is_there()) return {Result::broken, "another application's object was destroyed"};
  return {Result::held, "another application's object is there after a kill, a sweep and a reap"};
}

}  // namespace

std::vector<Scenario> device_scenarios() {
  using enum Safeguard;
  return {
      {"reap-a-bystander",
       kBystander,
       "has an object on the device that looks like a dead task's key, while mayfly clears up",
       "it is left alone",
       {ownership_proof},
       spare_bystanders},
  };
}

}  // namespace mayfly::drill
