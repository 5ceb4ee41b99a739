/* Verifying what an agent brings: its credential, the proof that it has the key, and that its task
 * goes on. For relying parties; link with -lmayfly-verify.
 *
 *     mayfly_verify_settings settings = {.size = sizeof settings};
 *     settings.issuer_keys = jwk_set;              // as the issuer publishes it
 *     settings.issuer = "https://issuer.example.org";
 *     settings.status_file = "/var/cache/issuer/status.jwt";
 *     mayfly_verifier *verifier;
 *     if (mayfly_verifier_new(&settings, &verifier, &result) != MAYFLY_VERIFIED) …
 *
 *     mayfly_verify_request request = {.size = sizeof request};
 *     request.credential = wit;  request.dpop = proof;  request.method = "GET";  request.url = url;
 *     if (mayfly_verify(verifier, &request, &result) == MAYFLY_VERIFIED) serve(result.subject);
 *
 * All is checked that a relying party must check: signature, issuer, subject, times, status, proof
 * and whether the proof was seen before. What is not to be checked has to be said by a flag: a
 * setting that is missing is MAYFLY_VERIFY_BAD_CALL, never a check less.
 *
 * Texts are UTF-8 and end with a zero. A structure's `size` is sizeof it: a later version of this
 * header may have more members at the end, and a library reads those only that the caller knows.
 * One that the library does not know must be zero, as must all that are not set. Nothing that a
 * caller gives is kept after a call returns, but for a verifier's `fetch_status` and `context`. */
#ifndef MAYFLY_VERIFY_H
#define MAYFLY_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What came of a call. */
#define MAYFLY_VERIFIED 0        /* all holds that was to be checked */
#define MAYFLY_REFUSED 1         /* something does not hold: `part` and `reason` say what */
#define MAYFLY_VERIFY_FAILED 2   /* it can't be told: a file can't be read, no memory. To be taken
                                  * for a refusal */
#define MAYFLY_VERIFY_BAD_CALL 3 /* the call makes no sense: `message` says why */

/* What is not to be checked. */
#define MAYFLY_NO_STATUS 1u       /* whether the task goes on; the credential is believed to its end */
#define MAYFLY_NO_PROOF 2u        /* whether the bearer has the key: anybody may have copied it */
#define MAYFLY_NO_REPLAY_CHECK 4u /* whether the proof was seen before */

/* The longest texts of a result, with their zero. */
#define MAYFLY_VERIFY_NAME_SIZE 32
#define MAYFLY_VERIFY_TEXT_SIZE 2049
#define MAYFLY_VERIFY_TASK_SIZE 256
#define MAYFLY_VERIFY_MESSAGE_SIZE 512

typedef struct mayfly_verify_result {
  size_t size; /* as above; set by the caller, as everything else is by the call */
  int status;  /* what the call returned */
  /* Of a refusal: "credential", "proof", "status-list", "key-set"; and what is wrong with it, such
   * as "expired", "bad-signature", "other-key", "replayed", "revoked". docs/credentials.md has all. */
  char part[MAYFLY_VERIFY_NAME_SIZE];
  char reason[MAYFLY_VERIFY_NAME_SIZE];
  char message[MAYFLY_VERIFY_MESSAGE_SIZE]; /* the same for people, in one line; for the log */
  /* Of what was verified: empty and 0 otherwise. */
  char subject[MAYFLY_VERIFY_TEXT_SIZE]; /* whom the credential names, such as a SPIFFE ID */
  char issuer[MAYFLY_VERIFY_TEXT_SIZE];  /* empty for a certificate */
  char task[MAYFLY_VERIFY_TASK_SIZE];    /* the task's ID; empty for a certificate */
  char serial[17];                       /* of the task's token; empty for a certificate */
  char thumbprint[64];                   /* of the key (RFC 7638), in base64url */
  uint64_t expires;                      /* when the credential ends, in seconds since 1970 */
} mayfly_verify_result;

/* Takes a text from a mayfly_fetch_status. It is copied. */
typedef void (*mayfly_take_text)(void *sink, const char *text, size_t length);

/* Fetches the status list of a URI, out of a cache if it is fresh there, and hands it to `take`,
 * with `sink`. Called in the thread that verifies, once the credential's signature holds.
 * Returns 0; anything else when there is none: then the call is MAYFLY_VERIFY_FAILED. */
typedef int (*mayfly_fetch_status)(void *context, const char *uri, mayfly_take_text take,
                                   void *sink);

typedef struct mayfly_verify_settings {
  size_t size;
  unsigned flags; /* MAYFLY_NO_… */
  /* Whom to trust: one of these, or both for tokens and certificates. */
  const char *issuer_keys; /* a JWK Set, for tokens */
  const char *roots;       /* PEM, for certificates, which have no status list: MAYFLY_NO_STATUS */
  /* What a credential must say. NULL says nothing. */
  const char *issuer;  /* iss of a token */
  const char *subject; /* with a slash and a star at its end, all below it */
  /* Where the status list comes from: one of these, but with MAYFLY_NO_STATUS. */
  const char *status_file; /* a file that somebody fetches anew now and then; read each time */
  mayfly_fetch_status fetch_status;
  void *context; /* for fetch_status */
  uint32_t max_stale_seconds; /* how old the list may be; 0 is 60 */
  uint32_t skew_seconds;      /* how far ahead the clocks of others may be; 0 is 30 */
  /* A file that remembers proofs, for all processes that name it; made if it is not there. NULL
   * remembers them in memory: enough for a service of one process that is not started anew within a
   * minute. */
  const char *seen_file;
} mayfly_verify_settings;

/* A field of an HTTP message. */
typedef struct mayfly_http_field {
  const char *name;
  const char *value;
} mayfly_http_field;

typedef struct mayfly_verify_request {
  size_t size;
  const char *credential; /* a token; or a certificate in PEM, then those that it leads over */
  /* The proof that came with it: one of these, or none with MAYFLY_NO_PROOF. */
  const char *dpop;            /* the field DPoP (RFC 9449) */
  const char *wpt;             /* the field Workload-Proof-Token (draft-ietf-wimse-wpt) */
  const char *signature_input; /* the fields Signature-Input and Signature (RFC 9421) */
  const char *signature;
  /* The request that it came with. */
  const char *method;       /* DPoP, RFC 9421 */
  const char *url;          /* absolute; of a workload proof token, unless there is an audience */
  const char *audience;     /* of a workload proof token; NULL takes the URL without its query */
  const char *access_token; /* that came along; NULL for none */
  const char *nonce;        /* that was given out; NULL for none */
  const mayfly_http_field *fields; /* RFC 9421: those that the signature covers */
  size_t field_count;
  const void *body; /* RFC 9421 */
  size_t body_size;
  const char *task;     /* the ID of the task that is expected; NULL for any */
  uint64_t now_seconds; /* when to verify it for, in seconds since 1970; 0 is now */
} mayfly_verify_request;

/* A verifier: what is trusted, and which proofs were seen. May be used by many threads at once. */
typedef struct mayfly_verifier mayfly_verifier;

/* Makes one. On success *verifier is it, to be freed; else NULL, and *result says why.
 * `result` may be NULL. Returns MAYFLY_VERIFIED for success. */
int mayfly_verifier_new(const mayfly_verify_settings *settings, mayfly_verifier **verifier,
                        mayfly_verify_result *result);

/* Verifies one request. `result` may be NULL; its status is what is returned. */
int mayfly_verify(mayfly_verifier *verifier, const mayfly_verify_request *request,
                  mayfly_verify_result *result);

/* Frees one that no call uses any more. NULL is nothing. */
void mayfly_verifier_free(mayfly_verifier *verifier);

#ifdef __cplusplus
}
#endif

#endif
