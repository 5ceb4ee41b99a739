/* Proving that an agent has its key, for one request: DPoP (RFC 9449), workload proof tokens
 * (draft-ietf-wimse-wpt), HTTP message signatures (RFC 9421). For agents; link with -lmayfly-verify.
 *
 * The library puts the proof together and looks at the signature; the agent signs, say by C_SignInit
 * and C_Sign of libmayfly.so:
 *
 *     static int sign(void *task, unsigned long mechanism, const void *message, size_t message_size,
 *                     unsigned char *signature, size_t *signature_size);
 *
 *     mayfly_proof_key key = {.size = sizeof key, .sign = sign, .context = &task};
 *     key.public_key = …; key.public_key_size = …;      // CKA_PUBLIC_KEY_INFO
 *     key.deadline_seconds = …;                         // of the task: MAYFLY_TaskInfo
 *     mayfly_proof_request request = {.size = sizeof request, .method = "GET", .url = url};
 *     mayfly_proof proof = {.size = sizeof proof};
 *     if (mayfly_prove_dpop(&key, &request, &proof) == MAYFLY_VERIFIED) send("DPoP", proof.token);
 *
 * Each proof is for one request, and holds for a minute at most and never past the task's deadline.
 * What verify.h says of texts, sizes and results goes for this header, too. */
#ifndef MAYFLY_PROOF_H
#define MAYFLY_PROOF_H

#include <mayfly/verify.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest proofs, with their zero. */
#define MAYFLY_PROOF_TOKEN_SIZE 8193
#define MAYFLY_PROOF_FIELD_SIZE 8193

/* Signs a message with the task's key, by a mechanism of PKCS#11 that hashes it: CKM_ECDSA_SHA256,
 * _SHA384 or _SHA512, CKM_EDDSA, CKM_SHA256_RSA_PKCS_PSS, _SHA384 or _SHA512 (MGF1 with the same
 * hash, a salt of its size). *signature_size is the room in `signature`, and after the call how
 * much of it is used: r and s one after the other for ECDSA.
 * Returns 0; anything else when it could not be done. */
typedef int (*mayfly_sign)(void *context, unsigned long mechanism, const void *message,
                           size_t message_size, unsigned char *signature, size_t *signature_size);

typedef struct mayfly_proof_key {
  size_t size;
  const void *public_key; /* SubjectPublicKeyInfo, in DER */
  size_t public_key_size;
  uint64_t deadline_seconds; /* of the task, in seconds since 1970 */
  mayfly_sign sign;
  void *context; /* for sign */
} mayfly_proof_key;

typedef struct mayfly_proof_request {
  size_t size;
  const char *method;       /* DPoP, RFC 9421 */
  const char *url;          /* absolute; of a workload proof token, unless there is an audience */
  const char *audience;     /* of a workload proof token */
  const char *wit;          /* of a workload proof token: the identity token that it goes with */
  const char *access_token; /* that goes along; NULL for none. RFC 9421: put Authorization among
                             * the fields */
  const char *nonce;        /* that the server gave out; NULL for none */
  const mayfly_http_field *fields; /* RFC 9421: those that are signed, besides the request */
  size_t field_count;
  const void *body; /* RFC 9421: what content_digest is made for, and signed */
  size_t body_size;
  uint64_t now_seconds; /* when it is made, in seconds since 1970; 0 is now */
} mayfly_proof_request;

typedef struct mayfly_proof {
  size_t size;
  int status; /* what the call returned */
  char message[MAYFLY_VERIFY_MESSAGE_SIZE];
  char token[MAYFLY_PROOF_TOKEN_SIZE]; /* DPoP and workload proof tokens */
  /* RFC 9421: the fields that are to be added to the request; content_digest for a body. */
  char signature_input[MAYFLY_PROOF_FIELD_SIZE];
  char signature[MAYFLY_PROOF_FIELD_SIZE];
  char content_digest[128];
} mayfly_proof;

/* Each returns MAYFLY_VERIFIED for a proof that was made, MAYFLY_VERIFY_FAILED for one that was not
 * (the key could not sign, or the task has ended), MAYFLY_VERIFY_BAD_CALL. */
int mayfly_prove_dpop(const mayfly_proof_key *key, const mayfly_proof_request *request,
                      mayfly_proof *proof);
int mayfly_prove_wpt(const mayfly_proof_key *key, const mayfly_proof_request *request,
                     mayfly_proof *proof);
int mayfly_prove_http(const mayfly_proof_key *key, const mayfly_proof_request *request,
                      mayfly_proof *proof);

#ifdef __cplusplus
}
#endif

#endif
