#include "fault/fault_device.h"

#include <algorithm>
#include <array>
#include <dlfcn.h>
#include <stdexcept>

#include "conformance/key_kinds.h"

namespace mayfly::test {
namespace {

constexpr const char* kBystander = "bystander";

std::string read_attribute(const RawModule& module, CK_SESSION_HANDLE session,
                           CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  std::array<char, 512> value;
  CK_ATTRIBUTE attribute{type, value.data(), value.size()};
  if (module->C_GetAttributeValue(session, object, &attribute, 1) != CKR_OK) return {};
  return {value.data(), attribute.ulValueLen};
}

std::vector<CK_OBJECT_HANDLE> find_all(const RawModule& module, CK_SESSION_HANDLE session,
                                       Template wanted) {
  std::array<CK_OBJECT_HANDLE, 256> handles;
  CK_ULONG count = 0;
  expect_ok(module->C_FindObjectsInit(session, wanted.data(), wanted.size()), "C_FindObjectsInit");
  expect_ok(module->C_FindObjects(session, handles.data(), handles.size(), &count),
            "C_FindObjects");
  expect_ok(module->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  return {handles.begin(), handles.begin() + count};
}

/// A session that sees private objects, and leaves the login as it found it.
class Probe {
 public:
  explicit Probe(const SoftHsmToken& token)
      : module_(SoftHsmToken::module_path()), session_(module_, module_.slot_of(token.label())) {
    SecretBuffer pin = token.pin();
    const CK_RV rv = module_->C_Login(session_.handle(), CKU_USER, pin.span().data(), pin.size());
    logged_in_ = rv == CKR_OK;
    if (rv != CKR_USER_ALREADY_LOGGED_IN) expect_ok(rv, "C_Login");
  }
  ~Probe() {
    if (logged_in_) module_->C_Logout(session_.handle());
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  [[nodiscard]] const RawModule& module() const noexcept { return module_; }
  [[nodiscard]] CK_SESSION_HANDLE session() const noexcept { return session_.handle(); }

 private:
  RawModule module_;
  RawSession session_;
  bool logged_in_ = false;
};

bool signs(const Probe& probe, CK_OBJECT_HANDLE key) {
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  std::array<CK_BYTE, 32> digest{};
  std::array<CK_BYTE, 64> signature;
  CK_ULONG size = signature.size();
  return probe.module()->C_SignInit(probe.session(), &mechanism, key) == CKR_OK &&
         probe.module()->C_Sign(probe.session(), digest.data(), digest.size(), signature.data(),
                                &size) == CKR_OK;
}

}  // namespace

FaultDevice::FaultDevice(const KeyKeeping& keeping, Bystander bystander,
                         const std::string& device_config)
    : token_("fault-device"),
      log_file_(folder_.path() / "mayfly.log"),
      library_(dlopen(MAYFLY_FAULTY_MODULE, RTLD_NOW | RTLD_LOCAL)) {
  if (library_ == nullptr) throw std::runtime_error(dlerror());
  module_ = static_cast<FaultyModule*>(dlsym(library_, "faulty_module"));
  module_->reset();
  if (bystander == Bystander::there) make_bystander();
  std::string text = std::string("[device]\nmodule = \"") + MAYFLY_FAULTY_MODULE + "\"\n";
  text += "token = \"" + token_.uri() + "\"\n";
  text += "pin-source = \"file:" + token_.pin_file().string() + "\"\n";
  text += keeping.config_lines + device_config + keeping.config_tables;
  text += "[log]\nlevel = \"warn\"\nfile = \"" + log_file_.string() + "\"\n";
  config_file_ = folder_.write("mayfly.toml", text);
}

FaultDevice::~FaultDevice() {
  up_.reset();
  module_->reset();
  dlclose(library_);
}

void FaultDevice::stay_up() {
  up_ = std::make_unique<RawModule>(SoftHsmToken::module_path());
  module_->stays_up = true;
}

void FaultDevice::make_bystander() {
  const Probe probe(token_);
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  Template public_template = kP256.public_template();
  public_template.append({{CKA_TOKEN, true}, {CKA_LABEL, kBystander}});
  Template private_template = {{CKA_TOKEN, true}, {CKA_SIGN, true}, {CKA_LABEL, kBystander}};
  CK_OBJECT_HANDLE keys[2];
  expect_ok(probe.module()->C_GenerateKeyPair(probe.session(), &mechanism, public_template.data(),
                                              public_template.size(), private_template.data(),
                                              private_template.size(), &keys[0], &keys[1]),
            "C_GenerateKeyPair");
  for (const char* value : {"one", "two"}) {
    Template data = {{CKA_CLASS, CK_ULONG{CKO_DATA}},
                     {CKA_TOKEN, true},
                     {CKA_PRIVATE, true},
                     {CKA_LABEL, kBystander},
                     {CKA_VALUE, value}};
    CK_OBJECT_HANDLE object;
    expect_ok(probe.module()->C_CreateObject(probe.session(), data.data(), data.size(), &object),
              "C_CreateObject");
  }
  bystander_ = objects();
}

std::vector<DeviceObject> FaultDevice::objects() const {
  const Probe probe(token_);
  std::vector<DeviceObject> all;
  for (const CK_OBJECT_HANDLE handle : find_all(probe.module(), probe.session(), {})) {
    const auto read = [&](CK_ATTRIBUTE_TYPE type) {
      return read_attribute(probe.module(), probe.session(), handle, type);
    };
    DeviceObject object{};
    const std::string object_class = read(CKA_CLASS);
    object_class.copy(reinterpret_cast<char*>(&object.object_class), sizeof object.object_class);
    object.label = read(CKA_LABEL);
    if (object.object_class == CKO_DATA) object.value = read(CKA_VALUE);
    if (object.object_class == CKO_PUBLIC_KEY) object.value = read(CKA_EC_POINT);
    all.push_back(object);
  }
  std::ranges::sort(all);
  return all;
}

KeyCount FaultDevice::keys() const {
  const Probe probe(token_);
  const auto count = [&](CK_OBJECT_CLASS object_class) {
    return find_all(probe.module(), probe.session(), {{CKA_CLASS, object_class}}).size();
  };
  // The bystander has one of each, at which bystander_unharmed() looks closely.
  const std::size_t bystanders = bystander_.empty() ? 0 : 1;
  return {count(CKO_PRIVATE_KEY) - bystanders, count(CKO_PUBLIC_KEY) - bystanders};
}

std::size_t FaultDevice::sessions_left() const {
  const RawModule module(SoftHsmToken::module_path());
  const auto opened = script().sessions();
  return static_cast<std::size_t>(std::ranges::count_if(opened, [&](CK_SESSION_HANDLE session) {
    CK_SESSION_INFO info;
    return module->C_GetSessionInfo(session, &info) == CKR_OK;
  }));
}

bool FaultDevice::bystander_unharmed() const {
  std::vector<DeviceObject> now = objects();
  std::erase_if(now, [](const DeviceObject& object) { return object.label != kBystander; });
  if (now != bystander_) return false;
  const Probe probe(token_);
  const auto keys = find_all(probe.module(), probe.session(),
                             {{CKA_CLASS, CK_ULONG{CKO_PRIVATE_KEY}}, {CKA_LABEL, kBystander}});
  return keys.size() == 1 && signs(probe, keys.front());
}

}  // namespace mayfly::test
