/* A relying party in C: says whom a credential and a DPoP proof are of.
 *
 *     relying_party KEYS ISSUER STATUS CREDENTIAL PROOF METHOD URL
 *
 * KEYS, STATUS, CREDENTIAL and PROOF are files; STATUS is - for a credential without one. The exit
 * status is what mayfly_verify() returned.
 */
#include <mayfly/verify.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All of a file, without a newline at its end. */
static char* content_of(const char* path) {
  FILE* file = fopen(path, "rb");
  char* text = calloc(1, 1 << 20);
  size_t size;
  if (file == NULL || text == NULL) {
    fprintf(stderr, "%s can't be read\n", path);
    exit(66);
  }
  size = fread(text, 1, (1 << 20) - 1, file);
  if (size > 0 && text[size - 1] == '\n') text[size - 1] = '\0';
  fclose(file);
  return text;
}

int main(int count, char** words) {
  char *keys, *wit, *dpop;
  int status;
  if (count != 8) return 64;
  keys = content_of(words[1]);
  wit = content_of(words[4]);
  dpop = content_of(words[5]);

  mayfly_verifier* verifier = NULL;
  mayfly_verify_result result = {.size = sizeof result};
  mayfly_verify_settings settings = {.size = sizeof settings, .issuer_keys = keys};
  settings.issuer = words[2];
  if (strcmp(words[3], "-") == 0) {
    settings.flags = MAYFLY_NO_STATUS;
  } else {
    settings.status_file = words[3];
  }
  status = mayfly_verifier_new(&settings, &verifier, &result);
  if (status == MAYFLY_VERIFIED) {
    mayfly_verify_request request = {.size = sizeof request, .credential = wit, .dpop = dpop};
    request.method = words[6];
    request.url = words[7];
    status = mayfly_verify(verifier, &request, &result);
  }
  if (status == MAYFLY_VERIFIED) {
    printf("verified %s\n", result.subject);
  } else {
    printf("not verified: %s, %s: %s\n", result.part, result.reason, result.message);
  }
  mayfly_verifier_free(verifier);
  free(keys);
  free(wit);
  free(dpop);
  return status;
}
