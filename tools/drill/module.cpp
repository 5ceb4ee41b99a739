#include "tools/drill/module.h"

#include <array>
#include <cstdlib>
#include <dlfcn.h>
#include <stdexcept>

#include "device/pkcs11/vendor_module.h"
#include "tools/broker/own_library.h"
#include "tools/configuration.h"
#include "tools/vendor_interface.h"

namespace mayfly::drill {
namespace {

constexpr SignatureScheme ecdsa(Hash hash) { return {Scheme::ecdsa, hash, Hash::none, 0}; }

constexpr std::array<Kind, 4> kKinds = {{
    {{CKK_EC, 256}, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA_SHA256, ecdsa(Hash::sha256)},
    {{CKK_EC, 384}, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA_SHA384, ecdsa(Hash::sha384)},
    {{CKK_RSA, 2048},
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     CKM_SHA256_RSA_PKCS,
     {Scheme::rsa_pkcs1, Hash::sha256, Hash::none, 0}},
    {{CKK_RSA, 3072},
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     CKM_SHA256_RSA_PKCS,
     {Scheme::rsa_pkcs1, Hash::sha256, Hash::none, 0}},
}};

bool makes(const Module& module, CK_SLOT_ID slot, const Kind& kind) {
  CK_MECHANISM_INFO info{};
  return module->C_GetMechanismInfo(slot, kind.sign, &info) == CKR_OK &&
         module->C_GetMechanismInfo(slot, kind.generate, &info) == CKR_OK &&
         info.ulMinKeySize <= kind.spec.bits && kind.spec.bits <= info.ulMaxKeySize;
}

Kind find_kind(const Module& module, CK_SLOT_ID slot) {
  for (const Kind& kind : kKinds) {
    if (makes(module, slot, kind)) return kind;
  }
  throw NotTried("the policy and the device leave no kind of key that the drill knows");
}

constexpr std::array<CK_BYTE, 5> kMessage = {'d', 'r', 'i', 'l', 'l'};

CK_BYTE* message() { return const_cast<CK_BYTE*>(kMessage.data()); }

}  // namespace

std::string answered(const std::string& call, CK_RV rv) {
  return call + " answered: " + (rv == CKR_OK ? "OK" : pkcs11::describe(rv));
}

void expect_ok(const std::string& call, CK_RV rv) {
  if (rv != CKR_OK) throw std::runtime_error(answered(call, rv));
}

Outcome must_refuse(const std::string& call, CK_RV rv) {
  for (const CK_RV fault : {CKR_HOST_MEMORY, CKR_GENERAL_ERROR, CKR_DEVICE_ERROR}) {
    if (rv == fault) throw NotTried(answered(call, rv) + ", which is a fault and no refusal");
  }
  return {rv == CKR_OK ? Result::broken : Result::held, answered(call, rv)};
}

Module::Module(const Ground& ground) {
  tools::set_device_environment(ground.config().device.environment);
  setenv("MAYFLY_CONF", ground.config_file().c_str(), 1);
  load();
}

Module::Module(const std::filesystem::path& door) {
  setenv("MAYFLY_SOCKET", door.c_str(), 1);
  load();
}

void Module::load() {
  const auto path = broker::find_own_library();
  if (!path) throw NotTried("there is no libmayfly.so; see: mayfly doctor");
  if (dlopen(path->c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) throw std::runtime_error(dlerror());
  functions_ = static_cast<const CK_FUNCTION_LIST_3_0*>(tools::library_interface(*path, "PKCS 11"));
  vendor_ = tools::vendor_interface(*path);
  expect_ok("C_Initialize", initialize());
}

CK_RV Module::initialize() const {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  return functions_->C_Initialize(&arguments);
}

void Module::finalize() const { expect_ok("C_Finalize", functions_->C_Finalize(nullptr)); }

CK_SLOT_ID Module::slot() const {
  CK_SLOT_ID slot = 0;
  CK_ULONG count = 1;
  expect_ok("C_GetSlotList", functions_->C_GetSlotList(CK_TRUE, &slot, &count));
  if (count == 0) throw std::runtime_error("there is no token");
  return slot;
}

CK_RV try_open_task(const Module& module, const Ground& ground, const TaskWish& wish,
                    CK_SLOT_ID& slot) {
  std::string grant = wish.grant;
  if (grant.empty() && ground.wants_grant(wish.policy)) grant = ground.grant_for(wish.id);
  const MAYFLY_TASK_REQUEST request{wish.id.c_str(), wish.ttl_seconds,
                                    wish.policy.empty() ? nullptr : wish.policy.c_str(),
                                    grant.empty() ? nullptr : grant.c_str(), nullptr};
  return module.vendor().MAYFLY_OpenTask(&request, &slot);
}

CK_SLOT_ID open_task(const Module& module, const Ground& ground, const TaskWish& wish) {
  CK_SLOT_ID slot = 0;
  expect_ok("MAYFLY_OpenTask", try_open_task(module, ground, wish, slot));
  return slot;
}

Template& Template::flag(CK_ATTRIBUTE_TYPE type, bool value) {
  values_.emplace_back(type, Bytes{value ? CK_BBOOL{CK_TRUE} : CK_BBOOL{CK_FALSE}});
  return *this;
}

Template& Template::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  const auto* const start = reinterpret_cast<const std::uint8_t*>(&value);
  values_.emplace_back(type, Bytes(start, start + sizeof value));
  return *this;
}

Template& Template::bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
  values_.emplace_back(type, Bytes(value.begin(), value.end()));
  return *this;
}

CK_ATTRIBUTE* Template::data() {
  attributes_.clear();
  for (auto& [type, value] : values_) attributes_.push_back({type, value.data(), value.size()});
  return attributes_.data();
}

Session::Session(const Module& module, const Ground& ground, CK_SLOT_ID slot)
    : module_(&module), kind_(find_kind(module, slot)) {
  expect_ok("C_OpenSession", module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                                   nullptr, nullptr, &handle_));
  CK_TOKEN_INFO info{};
  expect_ok("C_GetTokenInfo", module->C_GetTokenInfo(slot, &info));
  if ((info.flags & CKF_LOGIN_REQUIRED) == 0) return;
  std::string pin = ground.login_pin();
  const CK_RV rv =
      module->C_Login(handle_, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(pin.data()), pin.size());
  if (rv != CKR_USER_ALREADY_LOGGED_IN) expect_ok("C_Login", rv);
}

CK_RV Session::try_generate(Template& wanted, KeyPair& made) const {
  Template public_half;
  if (kind_.spec.type == CKK_RSA) {
    public_half.number(CKA_MODULUS_BITS, kind_.spec.bits);
  } else {
    public_half.bytes(CKA_EC_PARAMS, ec_params(kind_.spec));
  }
  CK_MECHANISM mechanism = {kind_.generate, nullptr, 0};
  return (*module_)->C_GenerateKeyPair(handle_, &mechanism, public_half.data(), public_half.size(),
                                       wanted.data(), wanted.size(), &made.public_key,
                                       &made.private_key);
}

KeyPair Session::generate(bool on_token) const {
  Template wanted;
  wanted.flag(CKA_TOKEN, on_token);
  KeyPair made;
  expect_ok("C_GenerateKeyPair", try_generate(wanted, made));
  return made;
}

CK_RV Session::sign_init(CK_OBJECT_HANDLE key) const {
  CK_MECHANISM mechanism = {kind_.sign, nullptr, 0};
  return (*module_)->C_SignInit(handle_, &mechanism, key);
}

CK_RV Session::sign_update() const {
  return (*module_)->C_SignUpdate(handle_, message(), kMessage.size());
}

CK_RV Session::sign_final() const {
  std::array<CK_BYTE, kMaxSignatureSize> signature{};
  CK_ULONG size = signature.size();
  return (*module_)->C_SignFinal(handle_, signature.data(), &size);
}

CK_RV Session::sign(CK_OBJECT_HANDLE key) const {
  if (const CK_RV rv = sign_init(key); rv != CKR_OK) return rv;
  std::array<CK_BYTE, kMaxSignatureSize> signature{};
  CK_ULONG size = signature.size();
  return (*module_)->C_Sign(handle_, message(), kMessage.size(), signature.data(), &size);
}

std::optional<Bytes> Session::get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
  Bytes room(2048);
  CK_ATTRIBUTE wanted = {type, room.data(), room.size()};
  if ((*module_)->C_GetAttributeValue(handle_, object, &wanted, 1) != CKR_OK) return std::nullopt;
  room.resize(wanted.ulValueLen);
  return room;
}

bool Session::is_true(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
  const auto value = get(object, type);
  return value && value->size() == 1 && value->front() != CK_FALSE;
}

PublicKey Session::public_key(CK_OBJECT_HANDLE object) const {
  const auto value = get(object, CKA_PUBLIC_KEY_INFO);
  if (!value) throw std::runtime_error("the public key can't be read");
  return PublicKey::from_subject_public_key_info(*value);
}

std::vector<CK_OBJECT_HANDLE> Session::find(CK_OBJECT_CLASS object_class) const {
  Template wanted;
  wanted.number(CKA_CLASS, object_class);
  expect_ok("C_FindObjectsInit",
            (*module_)->C_FindObjectsInit(handle_, wanted.data(), wanted.size()));
  std::vector<CK_OBJECT_HANDLE> found(256);
  CK_ULONG count = 0;
  expect_ok("C_FindObjects",
            (*module_)->C_FindObjects(handle_, found.data(), found.size(), &count));
  (*module_)->C_FindObjectsFinal(handle_);
  found.resize(count);
  return found;
}

}  // namespace mayfly::drill
