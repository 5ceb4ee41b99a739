#include "support/faulty_module.h"

#include <algorithm>
#include <dlfcn.h>
#include <thread>

#include "base/public_key.h"
#include "support/scripted_calls.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

// The switches; see faulty_module.h.
EXPORTED mayfly::test::FaultyModule faulty_module;
mayfly::test::FaultyModule faulty_module;

namespace mayfly::test {
namespace {

CK_FUNCTION_LIST_PTR real = nullptr;

/// CKR_OK, or what the switch says the call must answer.
CK_RV fault(Call call) noexcept {
  FaultyModule::Switch& lever = faulty_module[call];
  ++lever.calls;
  unsigned left = lever.failures;
  while (left > 0) {
    const unsigned next = left == FaultyModule::kAlways ? left : left - 1;
    if (lever.failures.compare_exchange_weak(left, next)) return lever.answer;
  }
  return CKR_OK;
}

void wait_while_life_is_held() {
  ++faulty_module.held_lives;
  while (faulty_module.hold_life) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  --faulty_module.held_lives;
}

CK_RV initialize(void* arguments) {
  wait_while_life_is_held();
  return faulty_module.stays_up ? CKR_OK : real->C_Initialize(arguments);
}

CK_RV finalize(void* reserved) {
  wait_while_life_is_held();
  return faulty_module.stays_up ? CKR_OK : real->C_Finalize(reserved);
}

CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void* application, CK_NOTIFY notify,
                   CK_SESSION_HANDLE* session) {
  if (const CK_RV rv = fault(Call::open_session)) return rv;
  const CK_ULONG limit = faulty_module.session_limit;
  if (++faulty_module.open_sessions > limit && limit != 0) {
    --faulty_module.open_sessions;
    return CKR_SESSION_COUNT;
  }
  if (const CK_SESSION_HANDLE old = faulty_module.repeat_session.exchange(0)) {
    *session = old;
    return CKR_OK;
  }
  const CK_RV rv = real->C_OpenSession(slot, flags, application, notify, session);
  faulty_module.last_session = *session;
  return rv;
}

CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
  if (const CK_RV rv = fault(Call::get_session_info)) return rv;
  const CK_RV rv = real->C_GetSessionInfo(session, info);
  if (rv == CKR_OK && faulty_module.logged_out) info->state = CKS_RW_PUBLIC_SESSION;
  return rv;
}

CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE* wanted, CK_ULONG count) {
  const CK_RV rv = fault(Call::find_objects_init);
  return rv != CKR_OK ? rv : real->C_FindObjectsInit(session, wanted, count);
}

CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* objects, CK_ULONG most,
                   CK_ULONG* count) {
  if (const CK_RV rv = fault(Call::find_objects)) return rv;
  const CK_RV rv = real->C_FindObjects(session, objects, most, count);
  if (faulty_module.find_nothing) *count = 0;
  return rv;
}

CK_RV close_session(CK_SESSION_HANDLE session) {
  if (const CK_RV rv = fault(Call::close_session)) return rv;
  const CK_RV rv = real->C_CloseSession(session);
  if (rv == CKR_OK) --faulty_module.open_sessions;
  return rv;
}

CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG size) {
  const CK_RV rv = fault(Call::login);
  return rv != CKR_OK ? rv : real->C_Login(session, user, pin, size);
}

CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  if (const CK_RV rv = fault(Call::get_token_info)) return rv;
  const CK_RV rv = real->C_GetTokenInfo(slot, info);
  const CK_ULONG most = faulty_module.max_sessions;
  if (rv == CKR_OK && most != 0) info->ulMaxSessionCount = most;
  return rv;
}

CK_RV get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  return type == faulty_module.hidden ? CKR_MECHANISM_INVALID
                                      : real->C_GetMechanismInfo(slot, type, info);
}

/// Hands the OID on to SoftHSM2, which knows Ed25519 by nothing else, if the caller gave the name.
CK_RV translate_curve(CK_ATTRIBUTE* attributes, CK_ULONG count) {
  static const Bytes oid = {0x06, 0x03, 0x2b, 0x65, 0x70};
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_ATTRIBUTE& attribute = attributes[i];
    if (attribute.type != CKA_EC_PARAMS) continue;
    const auto* der = static_cast<const std::uint8_t*>(attribute.pValue);
    if (der[0] != 0x13) return CKR_CURVE_NOT_SUPPORTED;
    attribute.pValue = const_cast<std::uint8_t*>(oid.data());
    attribute.ulValueLen = oid.size();
  }
  return CKR_OK;
}

CK_RV generate_key_pair(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism,
                        CK_ATTRIBUTE* public_template, CK_ULONG public_count,
                        CK_ATTRIBUTE* private_template, CK_ULONG private_count,
                        CK_OBJECT_HANDLE* public_key, CK_OBJECT_HANDLE* private_key) {
  if (const CK_RV rv = fault(Call::generate_key_pair)) return rv;
  CK_SESSION_INFO info{};
  if (const CK_RV rv = real->C_GetSessionInfo(session, &info)) return rv;
  if (faulty_module.wants_read_write && (info.flags & CKF_RW_SESSION) == 0) {
    return CKR_SESSION_READ_ONLY;
  }
  if (faulty_module.wants_curve_name) {
    if (const CK_RV rv = translate_curve(public_template, public_count)) return rv;
  }
  return real->C_GenerateKeyPair(session, mechanism, public_template, public_count,
                                 private_template, private_count, public_key, private_key);
}

void spoil(CK_ATTRIBUTE& attribute) {
  auto* value = static_cast<std::uint8_t*>(attribute.pValue);
  if (attribute.ulValueLen == sizeof(CK_BBOOL)) {
    *value = *value == CK_TRUE ? CK_FALSE : CK_TRUE;
  } else if (attribute.ulValueLen > 2) {
    value[attribute.ulValueLen / 2] ^= 0xff;
  }
  if (faulty_module.lie_size != 0) attribute.ulValueLen = faulty_module.lie_size;
}

CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE* attributes, CK_ULONG count) {
  if (const CK_RV rv = fault(Call::get_attribute_value)) return rv;
  const CK_RV rv = real->C_GetAttributeValue(session, object, attributes, count);
  std::for_each(attributes, attributes + count, [](CK_ATTRIBUTE& attribute) {
    if (attribute.type == faulty_module.lie_about) spoil(attribute);
  });
  return rv;
}

CK_RV destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  const CK_RV rv = fault(Call::destroy_object);
  return rv != CKR_OK ? rv : real->C_DestroyObject(session, object);
}

CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  const CK_RV rv = fault(Call::sign_init);
  return rv != CKR_OK ? rv : real->C_SignInit(session, mechanism, key);
}

CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG data_size, CK_BYTE* signature,
           CK_ULONG* size) {
  const unsigned place = ++faulty_module.held;
  while (faulty_module.hold_signing && place <= faulty_module.most_held) std::this_thread::yield();
  --faulty_module.held;
  const CK_ULONG longest = faulty_module.longest_data;
  if (longest != 0 && data_size > longest) return CKR_DATA_LEN_RANGE;
  const CK_RV rv = fault(Call::sign);
  return rv != CKR_OK ? rv : real->C_Sign(session, data, data_size, signature, size);
}

CK_FUNCTION_LIST_PTR load_real_module() {
  void* library = dlopen(MAYFLY_SOFTHSM2_MODULE, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  const auto get_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST_PTR list = nullptr;
  return get_list != nullptr && get_list(&list) == CKR_OK ? list : nullptr;
}

CK_FUNCTION_LIST make_list() {
  real = load_real_module();
  if (real == nullptr) return {};
  CK_FUNCTION_LIST list = *real;
  list.C_Initialize = initialize;
  list.C_Finalize = finalize;
  list.C_OpenSession = open_session;
  list.C_CloseSession = close_session;
  list.C_GetSessionInfo = get_session_info;
  list.C_Login = login;
  list.C_GetTokenInfo = get_token_info;
  list.C_GetMechanismInfo = get_mechanism_info;
  list.C_GenerateKeyPair = generate_key_pair;
  list.C_GetAttributeValue = get_attribute_value;
  list.C_DestroyObject = destroy_object;
  list.C_FindObjectsInit = find_objects_init;
  list.C_FindObjects = find_objects;
  list.C_SignInit = sign_init;
  list.C_Sign = sign;
  return script_calls(faulty_module.script, list, *real);
}

}  // namespace
}  // namespace mayfly::test

EXPORTED CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions = mayfly::test::make_list();
  if (mayfly::test::real == nullptr) return CKR_GENERAL_ERROR;
  *list = &functions;
  return CKR_OK;
}
