/* mayfly's vendor face of PKCS#11: attributes, return codes and the "Vendor mayfly" interface.
 *
 * Include a PKCS#11 header before this one (Debian: <nss/pkcs11.h> or <p11-kit/pkcs11.h>); only the
 * types CK_RV, CK_ULONG, CK_SLOT_ID and CK_VERSION are needed from it.
 *
 * Get the interface from a module that is loaded already:
 *
 *     CK_INTERFACE *interface;
 *     C_GetInterface((CK_UTF8CHAR *)MAYFLY_INTERFACE_NAME, NULL, &interface, 0);
 *     MAYFLY_FUNCTION_LIST *mayfly = interface->pFunctionList;
 */
#ifndef MAYFLY_H
#define MAYFLY_H

#ifdef __cplusplus
extern "C" {
#endif

#define MAYFLY_INTERFACE_NAME "Vendor mayfly"

/* Vendor-defined numbers: the bit that PKCS#11 reserves, and a base that spells "MF". */
#define CKA_MAYFLY_BASE (0x80000000UL | 0x4d460000UL)

/* The task's whole ID, UTF-8 without a terminating zero, 1 to 255 bytes. On every object of a task.
 * The token's label has the first 32 bytes only. Read-only. */
#define CKA_MAYFLY_TASK_ID (CKA_MAYFLY_BASE | 0x01UL)

/* The longest task ID, in bytes. */
#define MAYFLY_TASK_ID_MAX 255UL

/* The most bytes of a text of evidence. */
#define MAYFLY_EVIDENCE_MAX 262144UL

/* States of a task, after NIST SP 800-57. All but the first two are final. */
#define MAYFLY_TASK_OPEN 0UL      /* open, no key made yet */
#define MAYFLY_TASK_ACTIVE 1UL    /* has or had keys */
#define MAYFLY_TASK_CLOSED 2UL    /* ended by its owner */
#define MAYFLY_TASK_EXPIRED 3UL   /* ended by its deadline */
#define MAYFLY_TASK_REVOKED 4UL   /* ended by an operator */
#define MAYFLY_TASK_EXHAUSTED 5UL /* ended because its quota was spent */
#define MAYFLY_TASK_LOST 6UL      /* its owner died or its device went away */

typedef struct MAYFLY_TASK_REQUEST {
  const char *task_id;    /* zero-terminated UTF-8, 1 to 255 bytes, no control characters */
  CK_ULONG ttl_seconds;   /* seconds until the deadline; 0 takes the configuration's default */
  const char *policy;     /* the NAME of a [policy.NAME] that confines it further; NULL for none */
  const char *grant;      /* a grant, or a ticket for one, zero-terminated; NULL for none */
  const CK_SLOT_ID *parent; /* the slot of the task to open it below; NULL for none */
} MAYFLY_TASK_REQUEST;

typedef struct MAYFLY_TASK_INFO {
  CK_SLOT_ID slot;            /* the slot of the task's token */
  CK_ULONG state;             /* MAYFLY_TASK_… */
  CK_ULONG seconds_left;      /* until the deadline, rounded up; 0 once the task has ended */
  CK_ULONG keys;              /* key pairs that live now */
  char serial[17];            /* the token's serial number, zero-terminated */
  char task_id[256];          /* the whole ID, zero-terminated */
} MAYFLY_TASK_INFO;

typedef struct MAYFLY_FUNCTION_LIST {
  CK_VERSION version; /* 1.0 */

  /* Opens a task: its token appears in a new slot, whose number is written to *slot. Members of the
   * request that are not needed must be zero.
   * CKR_ARGUMENTS_BAD for a NULL, a bad ID, an unknown policy, or a ttl over the most allowed;
   * CKR_PIN_INCORRECT or CKR_PIN_EXPIRED for a grant that does not hold, or was used before;
   * CKR_FUNCTION_REJECTED if a task of that ID is open, or the policy or the task above do not
   * allow it; CKR_SLOT_ID_INVALID for a parent that is none; CKR_SESSION_COUNT at the limit of
   * tasks; CKR_FUNCTION_FAILED if the registry can't be written; CKR_FUNCTION_NOT_SUPPORTED in a
   * client of a broker, which opens its tasks itself. */
  CK_RV (*MAYFLY_OpenTask)(const MAYFLY_TASK_REQUEST *request, CK_SLOT_ID *slot);

  /* Ends the task in the slot, and the tasks below it before: their keys are destroyed, their
   * sessions closed, their tokens gone.
   * CKR_OK only if the device confirmed that every key is gone; CKR_DEVICE_ERROR if some are still
   * owed (they can't be used any more, and their destruction is retried);
   * CKR_SLOT_ID_INVALID if no such task is open; CKR_FUNCTION_NOT_SUPPORTED in a client of a
   * broker, which ends its tasks itself. */
  CK_RV (*MAYFLY_CloseTask)(CK_SLOT_ID slot);

  /* Evidence from the device that a private key lives in it and is bound to the task: the JSON text
   * that docs/attestation.md describes and `mayfly attest verify` checks. `key` is the private key's
   * handle; the nonce, 8 to 64 bytes, is the verifier's.
   * CKR_FUNCTION_NOT_SUPPORTED for devices that give none; CKR_KEY_HANDLE_INVALID;
   * CKR_USER_NOT_LOGGED_IN; CKR_ARGUMENTS_BAD for a nonce of another length. With evidence NULL,
   * *evidence_size becomes a size that is enough, MAYFLY_EVIDENCE_MAX; CKR_BUFFER_TOO_SMALL, and the
   * same, if it was less. The device is asked nothing then. On return it is the size of the text,
   * which has no zero at its end. */
  CK_RV (*MAYFLY_Attest)(CK_SLOT_ID slot, CK_ULONG key, const unsigned char *nonce,
                         CK_ULONG nonce_size, unsigned char *evidence, CK_ULONG *evidence_size);

  /* What is known of the task in the slot. CKR_SLOT_ID_INVALID if there is none. */
  CK_RV (*MAYFLY_TaskInfo)(CK_SLOT_ID slot, MAYFLY_TASK_INFO *info);
} MAYFLY_FUNCTION_LIST;

#ifdef __cplusplus
}
#endif

#endif /* MAYFLY_H */
