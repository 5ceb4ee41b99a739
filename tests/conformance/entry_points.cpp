#include "conformance/entry_points.h"

#include "conformance/key_kinds.h"
#include "conformance/provider.h"
#include "conformance/templates.h"

namespace mayfly::test {
namespace {

using enum Needs;

constexpr CK_RV kBad = CKR_ARGUMENTS_BAD;
constexpr CK_RV kIdle = CKR_OPERATION_NOT_INITIALIZED;
// What mayfly does not offer. Its arguments beyond the session are not looked at.
constexpr CK_RV kNever = CKR_FUNCTION_NOT_SUPPORTED;

CK_MECHANISM* mechanism(CK_MECHANISM_TYPE type) {
  thread_local CK_MECHANISM choice;
  choice = {type, nullptr, 0};
  return &choice;
}

Template& label_template() {
  thread_local Template labelled({{CKA_LABEL, "label"}});
  return labelled;
}

Template& certificate_template() {
  thread_local Template certificate({{CKA_CLASS, CKO_CERTIFICATE},
                                     {CKA_CERTIFICATE_TYPE, CKC_X_509},
                                     {CKA_SUBJECT, "subject"},
                                     {CKA_VALUE, "value"}});
  return certificate;
}

Template& curve_template() {
  thread_local Template curve(
      {{CKA_EC_PARAMS, Bytes{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}}});
  return curve;
}

#define ROW(name) Function::name, #name

// Function, needs, plain answer, what is begun before a NULL, answers to NULLs; the call.
// clang-format off
constexpr EntryPoint kEntryPoints[] = {
    {ROW(C_Initialize), nothing, CKR_CRYPTOKI_ALREADY_INITIALIZED, Begin::nothing, {},
     [](Call& c) { return c.p11.C_Initialize(nullptr); }},
    {ROW(C_Finalize), library, kBad, Begin::nothing, {},
     [](Call& c) { return c.p11.C_Finalize(&c.length); }},
    {ROW(C_GetInfo), library, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_INFO info;
       return c.p11.C_GetInfo(c.need(0, &info));
     }},
    {ROW(C_GetFunctionList), nothing, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_FUNCTION_LIST* list = nullptr;
       return c.p11.C_GetFunctionList(c.need(0, &list));
     }},
    {ROW(C_GetSlotList), library, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_SLOT_ID slots[64];
       c.length = 64;
       return c.p11.C_GetSlotList(CK_FALSE, slots, c.need(0, &c.length));
     }},
    {ROW(C_GetSlotInfo), slot, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_SLOT_INFO info;
       return c.p11.C_GetSlotInfo(c.slot, c.need(0, &info));
     }},
    {ROW(C_GetTokenInfo), slot, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_TOKEN_INFO info;
       return c.p11.C_GetTokenInfo(c.slot, c.need(0, &info));
     }},
    {ROW(C_GetMechanismList), slot, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_MECHANISM_TYPE list[128];
       c.length = 128;
       return c.p11.C_GetMechanismList(c.slot, list, c.need(0, &c.length));
     }},
    {ROW(C_GetMechanismInfo), slot, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_MECHANISM_INFO info;
       return c.p11.C_GetMechanismInfo(c.slot, CKM_ECDSA, c.need(0, &info));
     }},
    {ROW(C_InitToken), slot, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_InitToken(c.slot, c.data, sizeof c.data, c.out); }},
    {ROW(C_InitPIN), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_InitPIN(c.session, c.data, sizeof c.data); }},
    {ROW(C_SetPIN), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_SetPIN(c.session, c.data, sizeof c.data, c.data, sizeof c.data);
     }},
    {ROW(C_OpenSession), slot, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       return c.p11.C_OpenSession(c.slot, CKF_SERIAL_SESSION, nullptr, nullptr,
                                  c.need(0, &c.made[0]));
     }},
    {ROW(C_CloseSession), session, CKR_OK, Begin::nothing, {},
     [](Call& c) { return c.p11.C_CloseSession(c.session); }},
    {ROW(C_CloseAllSessions), slot, CKR_OK, Begin::nothing, {},
     [](Call& c) { return c.p11.C_CloseAllSessions(c.slot); }},
    {ROW(C_GetSessionInfo), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_SESSION_INFO info;
       return c.p11.C_GetSessionInfo(c.session, c.need(0, &info));
     }},
    {ROW(C_GetOperationState), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_GetOperationState(c.session, c.out, &c.length); }},
    {ROW(C_SetOperationState), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_SetOperationState(c.session, c.data, sizeof c.data, 0, 0); }},
    {ROW(C_Login), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) { return c.p11.C_Login(c.session, CKU_USER, c.need(0, c.data), sizeof c.data); }},
    {ROW(C_Logout), session, CKR_USER_NOT_LOGGED_IN, Begin::nothing, {},
     [](Call& c) { return c.p11.C_Logout(c.session); }},
    {ROW(C_CreateObject), session, CKR_OK, Begin::nothing, {kBad, kBad},
     [](Call& c) {
       Template& wanted = certificate_template();
       return c.p11.C_CreateObject(c.session, c.need(0, wanted.data()), wanted.size(),
                                   c.need(1, &c.made[0]));
     }},
    {ROW(C_CopyObject), session, CKR_OK, Begin::nothing, {kBad, kBad},
     [](Call& c) {
       return c.p11.C_CopyObject(c.session, c.public_key, c.need(0, label_template().data()), 1,
                                 c.need(1, &c.made[0]));
     }},
    {ROW(C_DestroyObject), session, CKR_OK, Begin::nothing, {},
     [](Call& c) { return c.p11.C_DestroyObject(c.session, c.public_key); }},
    {ROW(C_GetObjectSize), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) { return c.p11.C_GetObjectSize(c.session, c.public_key, c.need(0, &c.length)); }},
    {ROW(C_GetAttributeValue), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_ATTRIBUTE wanted{CKA_LABEL, nullptr, 0};
       return c.p11.C_GetAttributeValue(c.session, c.public_key, c.need(0, &wanted), 1);
     }},
    {ROW(C_SetAttributeValue), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       return c.p11.C_SetAttributeValue(c.session, c.public_key,
                                        c.need(0, label_template().data()), 1);
     }},
    {ROW(C_FindObjectsInit), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       return c.p11.C_FindObjectsInit(c.session, c.need(0, label_template().data()), 1);
     }},
    {ROW(C_FindObjects), session, kIdle, Begin::find, {kBad, kBad},
     [](Call& c) {
       return c.p11.C_FindObjects(c.session, c.need(0, c.made), 2, c.need(1, &c.length));
     }},
    {ROW(C_FindObjectsFinal), session, kIdle, Begin::nothing, {},
     [](Call& c) { return c.p11.C_FindObjectsFinal(c.session); }},
    {ROW(C_EncryptInit), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_EncryptInit(c.session, mechanism(CKM_RSA_PKCS), c.public_key); }},
    {ROW(C_Encrypt), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_Encrypt(c.session, c.data, sizeof c.data, c.out, &c.length); }},
    {ROW(C_EncryptUpdate), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_EncryptUpdate(c.session, c.data, sizeof c.data, c.out, &c.length);
     }},
    {ROW(C_EncryptFinal), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_EncryptFinal(c.session, c.out, &c.length); }},
    {ROW(C_DecryptInit), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_DecryptInit(c.session, mechanism(CKM_RSA_PKCS), c.private_key);
     }},
    {ROW(C_Decrypt), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_Decrypt(c.session, c.data, sizeof c.data, c.out, &c.length); }},
    {ROW(C_DecryptUpdate), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_DecryptUpdate(c.session, c.data, sizeof c.data, c.out, &c.length);
     }},
    {ROW(C_DecryptFinal), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_DecryptFinal(c.session, c.out, &c.length); }},
    {ROW(C_DigestInit), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) { return c.p11.C_DigestInit(c.session, c.need(0, mechanism(CKM_SHA256))); }},
    {ROW(C_Digest), session, kIdle, Begin::digest, {kBad, kBad},
     [](Call& c) {
       return c.p11.C_Digest(c.session, c.need(0, c.data), sizeof c.data, c.out,
                             c.need(1, &c.length));
     }},
    {ROW(C_DigestUpdate), session, kIdle, Begin::digest, {kBad},
     [](Call& c) { return c.p11.C_DigestUpdate(c.session, c.need(0, c.data), sizeof c.data); }},
    {ROW(C_DigestKey), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_DigestKey(c.session, c.private_key); }},
    {ROW(C_DigestFinal), session, kIdle, Begin::digest, {kBad},
     [](Call& c) { return c.p11.C_DigestFinal(c.session, c.out, c.need(0, &c.length)); }},
    {ROW(C_SignInit), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       return c.p11.C_SignInit(c.session, c.need(0, mechanism(kP256.hashing_mechanism)), c.private_key);
     }},
    {ROW(C_Sign), session, kIdle, Begin::sign, {kBad, kBad},
     [](Call& c) {
       return c.p11.C_Sign(c.session, c.need(0, c.data), sizeof c.data, c.out,
                           c.need(1, &c.length));
     }},
    {ROW(C_SignUpdate), session, kIdle, Begin::sign, {kBad},
     [](Call& c) { return c.p11.C_SignUpdate(c.session, c.need(0, c.data), sizeof c.data); }},
    {ROW(C_SignFinal), session, kIdle, Begin::sign, {kBad},
     [](Call& c) { return c.p11.C_SignFinal(c.session, c.out, c.need(0, &c.length)); }},
    {ROW(C_SignRecoverInit), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_SignRecoverInit(c.session, mechanism(CKM_RSA_PKCS), c.private_key);
     }},
    {ROW(C_SignRecover), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_SignRecover(c.session, c.data, sizeof c.data, c.out, &c.length);
     }},
    {ROW(C_VerifyInit), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       return c.p11.C_VerifyInit(c.session, c.need(0, mechanism(kP256.hashing_mechanism)), c.public_key);
     }},
    {ROW(C_Verify), session, kIdle, Begin::verify, {kBad, kBad},
     [](Call& c) {
       return c.p11.C_Verify(c.session, c.need(0, c.data), sizeof c.data, c.need(1, c.out), 64);
     }},
    {ROW(C_VerifyUpdate), session, kIdle, Begin::verify, {kBad},
     [](Call& c) { return c.p11.C_VerifyUpdate(c.session, c.need(0, c.data), sizeof c.data); }},
    {ROW(C_VerifyFinal), session, kIdle, Begin::verify, {kBad},
     [](Call& c) { return c.p11.C_VerifyFinal(c.session, c.need(0, c.out), 64); }},
    {ROW(C_VerifyRecoverInit), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_VerifyRecoverInit(c.session, mechanism(CKM_RSA_PKCS), c.public_key);
     }},
    {ROW(C_VerifyRecover), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_VerifyRecover(c.session, c.data, sizeof c.data, c.out, &c.length);
     }},
    {ROW(C_DigestEncryptUpdate), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_DigestEncryptUpdate(c.session, c.data, sizeof c.data, c.out, &c.length);
     }},
    {ROW(C_DecryptDigestUpdate), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_DecryptDigestUpdate(c.session, c.data, sizeof c.data, c.out, &c.length);
     }},
    {ROW(C_SignEncryptUpdate), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_SignEncryptUpdate(c.session, c.data, sizeof c.data, c.out, &c.length);
     }},
    {ROW(C_DecryptVerifyUpdate), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_DecryptVerifyUpdate(c.session, c.data, sizeof c.data, c.out, &c.length);
     }},
    {ROW(C_GenerateKey), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_GenerateKey(c.session, mechanism(CKM_AES_KEY_GEN), label_template().data(),
                                  1, &c.made[0]);
     }},
    {ROW(C_GenerateKeyPair), session, CKR_OK, Begin::nothing, {kBad, kBad, kBad, kBad},
     [](Call& c) {
       return c.p11.C_GenerateKeyPair(c.session, c.need(0, mechanism(CKM_EC_KEY_PAIR_GEN)),
                                      c.need(1, curve_template().data()), 1, nullptr, 0,
                                      c.need(2, &c.made[0]), c.need(3, &c.made[1]));
     }},
    {ROW(C_WrapKey), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_WrapKey(c.session, mechanism(CKM_RSA_PKCS), c.public_key, c.private_key,
                              c.out, &c.length);
     }},
    {ROW(C_UnwrapKey), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_UnwrapKey(c.session, mechanism(CKM_RSA_PKCS), c.private_key, c.data,
                                sizeof c.data, label_template().data(), 1, &c.made[0]);
     }},
    {ROW(C_DeriveKey), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_DeriveKey(c.session, mechanism(CKM_ECDSA), c.private_key,
                                label_template().data(), 1, &c.made[0]);
     }},
    {ROW(C_SeedRandom), session, CKR_RANDOM_SEED_NOT_SUPPORTED, Begin::nothing, {kBad},
     [](Call& c) { return c.p11.C_SeedRandom(c.session, c.need(0, c.data), sizeof c.data); }},
    {ROW(C_GenerateRandom), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) { return c.p11.C_GenerateRandom(c.session, c.need(0, c.data), sizeof c.data); }},
    {ROW(C_GetFunctionStatus), session, CKR_FUNCTION_NOT_PARALLEL, Begin::nothing, {},
     [](Call& c) { return c.p11.C_GetFunctionStatus(c.session); }},
    {ROW(C_CancelFunction), session, CKR_FUNCTION_NOT_PARALLEL, Begin::nothing, {},
     [](Call& c) { return c.p11.C_CancelFunction(c.session); }},
    {ROW(C_WaitForSlotEvent), library, CKR_NO_EVENT, Begin::nothing, {kBad},
     [](Call& c) { return c.p11.C_WaitForSlotEvent(CKF_DONT_BLOCK, c.need(0, &c.slot), nullptr); }},
    {ROW(C_GetInterfaceList), nothing, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_INTERFACE interfaces[16];
       c.length = 16;
       return c.p11.C_GetInterfaceList(interfaces, c.need(0, &c.length));
     }},
    {ROW(C_GetInterface), nothing, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       CK_INTERFACE* found = nullptr;
       return c.p11.C_GetInterface(nullptr, nullptr, c.need(0, &found), 0);
     }},
    {ROW(C_LoginUser), session, CKR_OK, Begin::nothing, {kBad, kBad},
     [](Call& c) {
       // The user's name may be left out; a length without a name may not be given.
       return c.p11.C_LoginUser(c.session, CKU_USER, c.need(0, c.data), sizeof c.data,
                                c.need(1, c.out), c.null == 1 ? 3 : 0);
     }},
    {ROW(C_SessionCancel), session, CKR_OK, Begin::nothing, {},
     [](Call& c) { return c.p11.C_SessionCancel(c.session, CKF_SIGN); }},
    {ROW(C_MessageEncryptInit), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_MessageEncryptInit(c.session, mechanism(CKM_AES_GCM), c.public_key);
     }},
    {ROW(C_EncryptMessage), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_EncryptMessage(c.session, nullptr, 0, nullptr, 0, c.data, sizeof c.data,
                                     c.out, &c.length);
     }},
    {ROW(C_EncryptMessageBegin), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_EncryptMessageBegin(c.session, nullptr, 0, nullptr, 0); }},
    {ROW(C_EncryptMessageNext), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_EncryptMessageNext(c.session, nullptr, 0, c.data, sizeof c.data, c.out,
                                         &c.length, CKF_END_OF_MESSAGE);
     }},
    {ROW(C_MessageEncryptFinal), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_MessageEncryptFinal(c.session); }},
    {ROW(C_MessageDecryptInit), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_MessageDecryptInit(c.session, mechanism(CKM_AES_GCM), c.private_key);
     }},
    {ROW(C_DecryptMessage), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_DecryptMessage(c.session, nullptr, 0, nullptr, 0, c.data, sizeof c.data,
                                     c.out, &c.length);
     }},
    {ROW(C_DecryptMessageBegin), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_DecryptMessageBegin(c.session, nullptr, 0, nullptr, 0); }},
    {ROW(C_DecryptMessageNext), session, kNever, Begin::nothing, {},
     [](Call& c) {
       return c.p11.C_DecryptMessageNext(c.session, nullptr, 0, c.data, sizeof c.data, c.out,
                                         &c.length, CKF_END_OF_MESSAGE);
     }},
    {ROW(C_MessageDecryptFinal), session, kNever, Begin::nothing, {},
     [](Call& c) { return c.p11.C_MessageDecryptFinal(c.session); }},
    {ROW(C_MessageSignInit), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       return c.p11.C_MessageSignInit(c.session, c.need(0, mechanism(kP256.hashing_mechanism)),
                                      c.private_key);
     }},
    {ROW(C_SignMessage), session, kIdle, Begin::message_sign, {kBad, kBad},
     [](Call& c) {
       return c.p11.C_SignMessage(c.session, nullptr, 0, c.need(0, c.data), sizeof c.data, c.out,
                                  c.need(1, &c.length));
     }},
    {ROW(C_SignMessageBegin), session, kIdle, Begin::nothing, {},
     [](Call& c) { return c.p11.C_SignMessageBegin(c.session, nullptr, 0); }},
    {ROW(C_SignMessageNext), session, kIdle, Begin::sign_message, {kBad},
     [](Call& c) {
       return c.p11.C_SignMessageNext(c.session, nullptr, 0, c.need(0, c.data), sizeof c.data,
                                      c.out, &c.length);
     }},
    {ROW(C_MessageSignFinal), session, kIdle, Begin::nothing, {},
     [](Call& c) { return c.p11.C_MessageSignFinal(c.session); }},
    {ROW(C_MessageVerifyInit), session, CKR_OK, Begin::nothing, {kBad},
     [](Call& c) {
       return c.p11.C_MessageVerifyInit(c.session, c.need(0, mechanism(kP256.hashing_mechanism)),
                                        c.public_key);
     }},
    {ROW(C_VerifyMessage), session, kIdle, Begin::message_verify, {kBad, kBad},
     [](Call& c) {
       return c.p11.C_VerifyMessage(c.session, nullptr, 0, c.need(0, c.data), sizeof c.data,
                                    c.need(1, c.out), 64);
     }},
    {ROW(C_VerifyMessageBegin), session, kIdle, Begin::nothing, {},
     [](Call& c) { return c.p11.C_VerifyMessageBegin(c.session, nullptr, 0); }},
    {ROW(C_VerifyMessageNext), session, kIdle, Begin::verify_message, {kBad},
     [](Call& c) {
       return c.p11.C_VerifyMessageNext(c.session, nullptr, 0, c.need(0, c.data), sizeof c.data,
                                        nullptr, 0);
     }},
    {ROW(C_MessageVerifyFinal), session, kIdle, Begin::nothing, {},
     [](Call& c) { return c.p11.C_MessageVerifyFinal(c.session); }},
};
// clang-format on
#undef ROW

constexpr bool is_complete() {
  if (std::size(kEntryPoints) != kFunctions) return false;
  for (std::size_t i = 0; i < kFunctions; ++i) {
    if (kEntryPoints[i].function != static_cast<Function>(i)) return false;
  }
  return true;
}
static_assert(is_complete(), "each function of the standard's header has one row, in its order");

}  // namespace

std::span<const EntryPoint> entry_points() {
  constexpr auto kFunctionsOf240 = static_cast<std::size_t>(Function::C_WaitForSlotEvent) + 1;
  const std::span all(kEntryPoints);
  return door_under_test() == "p11kit" ? all.first(kFunctionsOf240) : all;
}

}  // namespace mayfly::test
