/* A client in plain C that uses most of what libmayfly.so offers, for memory checkers.
 *
 *     main_flow LIBRARY
 *
 * Twice over: start, make keys, sign in each way, verify, find, be refused, open and close a second
 * task, and stop while keys live and an operation is under way. Exits with 0 if each call answered
 * as it should. The library stays loaded, so that a leak's stack has names.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nss/pkcs11.h>

#include "mayfly/mayfly.h"

static CK_FUNCTION_LIST_PTR functions;
static CK_BYTE kYes = CK_TRUE;
static CK_BYTE kP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_BYTE kMessage[] = "a digest of thirty-two bytes...";

static void expect(CK_RV wanted, CK_RV got, const char* call) {
  if (wanted == got) return;
  fprintf(stderr, "%s: expected 0x%lx, got 0x%lx\n", call, wanted, got);
  exit(1);
}

/* EXPECT(CKR_OK, C_Sign, session, ...): calls a function of the module and checks its answer. */
#define EXPECT(wanted, call, ...) expect(wanted, functions->call(__VA_ARGS__), #call)

static void load(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  CK_C_GetFunctionList get_list = NULL;
  if (library != NULL) *(void**)&get_list = dlsym(library, "C_GetFunctionList");
  if (get_list == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  expect(CKR_OK, get_list(&functions), "C_GetFunctionList");
}

static CK_SLOT_ID only_slot(void) {
  CK_SLOT_ID slots[4];
  CK_ULONG count = 4;
  EXPECT(CKR_OK, C_GetSlotList, CK_TRUE, slots, &count);
  expect(1, count, "number of slots");
  return slots[0];
}

static void look_at(CK_SLOT_ID slot) {
  CK_INFO info;
  CK_SLOT_INFO slot_info;
  CK_TOKEN_INFO token;
  CK_MECHANISM_TYPE mechanisms[64];
  CK_ULONG count = 64;
  EXPECT(CKR_OK, C_GetInfo, &info);
  EXPECT(CKR_OK, C_GetSlotInfo, slot, &slot_info);
  EXPECT(CKR_OK, C_GetTokenInfo, slot, &token);
  EXPECT(CKR_OK, C_GetMechanismList, slot, mechanisms, &count);
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_MECHANISM_INFO mechanism;
    EXPECT(CKR_OK, C_GetMechanismInfo, slot, mechanisms[i], &mechanism);
  }
}

static void generate_ec(CK_SESSION_HANDLE session, CK_BYTE token, CK_OBJECT_HANDLE* public_key,
                        CK_OBJECT_HANDLE* private_key) {
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
  CK_ATTRIBUTE public_template[] = {{CKA_TOKEN, &token, 1},
                                    {CKA_EC_PARAMS, kP256, sizeof kP256},
                                    {CKA_LABEL, "ec", 2},
                                    {CKA_VERIFY, &kYes, 1}};
  CK_ATTRIBUTE private_template[] = {
      {CKA_TOKEN, &token, 1}, {CKA_LABEL, "ec", 2}, {CKA_SIGN, &kYes, 1}};
  EXPECT(CKR_OK, C_GenerateKeyPair, session, &mechanism, public_template, 4, private_template, 3,
         public_key, private_key);
}

static void generate_rsa(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* public_key,
                         CK_OBJECT_HANDLE* private_key) {
  CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
  CK_ULONG bits = 2048;
  CK_ATTRIBUTE public_template[] = {{CKA_MODULUS_BITS, &bits, sizeof bits}};
  EXPECT(CKR_OK, C_GenerateKeyPair, session, &mechanism, public_template, 1, NULL, 0, public_key,
         private_key);
}

/* One part, as most clients do it: the size first, then a buffer too small, then the signature. */
static void sign_ec(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE public_key,
                    CK_OBJECT_HANDLE private_key) {
  CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
  CK_BYTE signature[64];
  CK_ULONG size = 0;
  EXPECT(CKR_OK, C_SignInit, session, &mechanism, private_key);
  EXPECT(CKR_OK, C_Sign, session, kMessage, 32, NULL, &size);
  expect(sizeof signature, size, "size of a signature");
  size = 10;
  EXPECT(CKR_BUFFER_TOO_SMALL, C_Sign, session, kMessage, 32, signature, &size);
  EXPECT(CKR_OK, C_Sign, session, kMessage, 32, signature, &size);
  EXPECT(CKR_OK, C_VerifyInit, session, &mechanism, public_key);
  EXPECT(CKR_OK, C_Verify, session, kMessage, 32, signature, size);
  signature[40] ^= 1;
  EXPECT(CKR_OK, C_VerifyInit, session, &mechanism, public_key);
  EXPECT(CKR_SIGNATURE_INVALID, C_Verify, session, kMessage, 32, signature, size);
}

static void sign_rsa(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE public_key,
                     CK_OBJECT_HANDLE private_key) {
  CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
  CK_MECHANISM multi_part = {CKM_SHA256_RSA_PKCS, NULL, 0};
  CK_MECHANISM one_part = {CKM_RSA_PKCS_PSS, &pss, sizeof pss};
  CK_BYTE signature[256];
  CK_ULONG size = sizeof signature;
  EXPECT(CKR_OK, C_SignInit, session, &multi_part, private_key);
  EXPECT(CKR_OK, C_SignUpdate, session, kMessage, 10);
  EXPECT(CKR_OK, C_SignUpdate, session, kMessage + 10, 22);
  EXPECT(CKR_OK, C_SignFinal, session, signature, &size);
  EXPECT(CKR_OK, C_VerifyInit, session, &multi_part, public_key);
  EXPECT(CKR_OK, C_VerifyUpdate, session, kMessage, 32);
  EXPECT(CKR_OK, C_VerifyFinal, session, signature, size);
  EXPECT(CKR_OK, C_SignInit, session, &one_part, private_key);
  EXPECT(CKR_OK, C_Sign, session, kMessage, 32, signature, &size);
  EXPECT(CKR_OK, C_VerifyInit, session, &one_part, public_key);
  EXPECT(CKR_OK, C_Verify, session, kMessage, 32, signature, size);
}

static void digest(CK_SESSION_HANDLE session) {
  CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
  CK_BYTE value[32];
  CK_ULONG size = sizeof value;
  EXPECT(CKR_OK, C_DigestInit, session, &mechanism);
  EXPECT(CKR_OK, C_DigestUpdate, session, kMessage, 32);
  EXPECT(CKR_OK, C_DigestFinal, session, value, &size);
  EXPECT(CKR_OK, C_GenerateRandom, session, value, sizeof value);
}

static void find_and_read(CK_SESSION_HANDLE session, CK_ULONG keys) {
  CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE wanted = {CKA_CLASS, &class, sizeof class};
  CK_OBJECT_HANDLE found[16];
  CK_ULONG count = 0;
  EXPECT(CKR_OK, C_FindObjectsInit, session, &wanted, 1);
  EXPECT(CKR_OK, C_FindObjects, session, found, 16, &count);
  EXPECT(CKR_OK, C_FindObjectsFinal, session);
  expect(keys, count, "number of private keys");
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_BYTE id[256];
    CK_BYTE sensitive = 0;
    CK_BYTE value[256];
    CK_ATTRIBUTE readable[] = {
        {CKA_SENSITIVE, &sensitive, 1}, {CKA_MAYFLY_TASK_ID, id, sizeof id}, {CKA_ID, NULL, 0}};
    CK_ATTRIBUTE secret = {CKA_VALUE, value, sizeof value};
    EXPECT(CKR_OK, C_GetAttributeValue, session, found[i], readable, 3);
    expect(CK_TRUE, sensitive, "CKA_SENSITIVE");
    if (functions->C_GetAttributeValue(session, found[i], &secret, 1) == CKR_OK) {
      expect(1, 0, "reading CKA_VALUE");
    }
  }
}

static void be_refused(CK_SESSION_HANDLE session) {
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
  CK_ATTRIBUTE public_template[] = {{CKA_EC_PARAMS, kP256, sizeof kP256}};
  CK_ATTRIBUTE extractable[] = {{CKA_EXTRACTABLE, &kYes, 1}};
  CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
  CK_KEY_TYPE type = CKK_EC;
  CK_ATTRIBUTE imported[] = {{CKA_CLASS, &class, sizeof class},
                             {CKA_KEY_TYPE, &type, sizeof type},
                             {CKA_EC_PARAMS, kP256, sizeof kP256},
                             {CKA_VALUE, kMessage, 32}};
  CK_OBJECT_HANDLE one;
  CK_OBJECT_HANDLE other;
  EXPECT(CKR_ATTRIBUTE_VALUE_INVALID, C_GenerateKeyPair, session, &mechanism, public_template, 1,
         extractable, 1, &one, &other);
  EXPECT(CKR_ATTRIBUTE_VALUE_INVALID, C_CreateObject, session, imported, 4, &one);
  EXPECT(CKR_KEY_HANDLE_INVALID, C_SignInit, session, &(CK_MECHANISM){CKM_ECDSA, NULL, 0}, 4711);
}

static void use_second_task(const MAYFLY_FUNCTION_LIST* mayfly) {
  MAYFLY_TASK_REQUEST request = {.task_id = "second", .ttl_seconds = 60};
  MAYFLY_TASK_INFO info;
  CK_SLOT_ID slot;
  CK_SESSION_HANDLE session;
  CK_OBJECT_HANDLE public_key;
  CK_OBJECT_HANDLE private_key;
  expect(CKR_OK, mayfly->MAYFLY_OpenTask(&request, &slot), "MAYFLY_OpenTask");
  EXPECT(CKR_OK, C_OpenSession, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
  generate_ec(session, CK_TRUE, &public_key, &private_key);
  sign_ec(session, public_key, private_key);
  expect(CKR_OK, mayfly->MAYFLY_TaskInfo(slot, &info), "MAYFLY_TaskInfo");
  expect(MAYFLY_TASK_ACTIVE, info.state, "state of the task");
  expect(CKR_OK, mayfly->MAYFLY_CloseTask(slot), "MAYFLY_CloseTask");
  EXPECT(CKR_SESSION_HANDLE_INVALID, C_SignInit, session, &(CK_MECHANISM){CKM_ECDSA, NULL, 0},
         private_key);
}

static const MAYFLY_FUNCTION_LIST* vendor_functions(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  CK_C_GetInterface get_interface = NULL;
  CK_INTERFACE* interface = NULL;
  *(void**)&get_interface = dlsym(library, "C_GetInterface");
  expect(CKR_OK, get_interface((CK_UTF8CHAR*)MAYFLY_INTERFACE_NAME, NULL, &interface, 0),
         "C_GetInterface");
  dlclose(library);
  return interface->pFunctionList;
}

/* Making an RSA key takes a memory checker most of the time: once is enough. */
static void run(const char* path, int with_rsa) {
  CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
  CK_SESSION_HANDLE session;
  CK_SESSION_HANDLE other;
  CK_OBJECT_HANDLE keys[6];
  EXPECT(CKR_OK, C_Initialize, &arguments);
  const CK_SLOT_ID slot = only_slot();
  look_at(slot);
  EXPECT(CKR_OK, C_OpenSession, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
  EXPECT(CKR_OK, C_OpenSession, slot, CKF_SERIAL_SESSION, NULL, NULL, &other);
  generate_ec(session, CK_FALSE, &keys[0], &keys[1]);
  generate_ec(session, CK_TRUE, &keys[2], &keys[3]);
  sign_ec(session, keys[0], keys[1]);
  sign_ec(other, keys[2], keys[3]);
  if (with_rsa) {
    generate_rsa(session, &keys[4], &keys[5]);
    sign_rsa(session, keys[4], keys[5]);
  }
  digest(session);
  find_and_read(session, 2 + (CK_ULONG)with_rsa);
  be_refused(session);
  use_second_task(vendor_functions(path));
  EXPECT(CKR_OK, C_DestroyObject, session, keys[1]);
  find_and_read(session, 1 + (CK_ULONG)with_rsa);
  EXPECT(CKR_OK, C_CloseSession, session);
  find_and_read(other, 1);
  EXPECT(CKR_OK, C_SignInit, other, &(CK_MECHANISM){CKM_ECDSA, NULL, 0}, keys[3]);
  EXPECT(CKR_OK, C_Finalize, NULL);
  EXPECT(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetInfo, &(CK_INFO){0});
}

int main(int count, char** arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: main_flow LIBRARY\n");
    return 2;
  }
  load(arguments[1]);
  run(arguments[1], 1);
  run(arguments[1], 0);
  return 0;
}
