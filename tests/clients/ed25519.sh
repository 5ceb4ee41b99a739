#!/bin/bash
# Ed25519 keys: what agents sign tokens and files with, through the task's own door. p11-kit's client
# can't carry them.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

generate_ed25519() {
  succeeds pkcs11_tool --keypairgen --key-type EC:edwards25519 --label "$1" --id "$2"
  succeeds pkcs11_tool --read-object --type pubkey --id "$2" --output-file "$1.pem"
}

# sign_ed25519 ID FILE SIGNATURE
sign_ed25519() {
  succeeds pkcs11_tool --sign --mechanism EDDSA --id "$1" --input-file "$2" --output-file "$3"
}

base64url() {
  openssl base64 -A | tr '+/' '-_' | tr -d '='
}

test_pkcs11_tool_signs() {
  in_task demo sign_with_pkcs11_tool
}

sign_with_pkcs11_tool() {
  make_message message
  generate_ed25519 agent 01
  sign_ed25519 01 message signature
  succeeds openssl pkeyutl -verify -rawin -pubin -inkey agent.pem -in message -sigfile signature
  printf 'x' >> message
  refused 'Signature Verification Failure' \
    openssl pkeyutl -verify -rawin -pubin -inkey agent.pem -in message -sigfile signature
}

# A message of many packets: the device hashes Ed25519's messages itself.
test_signs_a_long_message() {
  in_task demo sign_long_message
}

sign_long_message() {
  head --bytes 3000000 /dev/urandom > message
  generate_ed25519 agent 01
  sign_ed25519 01 message signature
  succeeds openssl pkeyutl -verify -rawin -pubin -inkey agent.pem -in message -sigfile signature
}

test_jwt_is_verified() {
  in_task demo make_and_verify_jwt
}

make_and_verify_jwt() {
  generate_ed25519 agent 01
  {
    printf '{"alg":"EdDSA","typ":"JWT"}' | base64url
    printf '.'
    printf '{"iss":"agent","aud":"service","exp":%d}' $(($(date +%s) + 60)) | base64url
  } > input
  sign_ed25519 01 input signature
  printf '%s.%s' "$(< input)" "$(base64url < signature)" > token
  succeeds verify_jwt token
  says "'iss': 'agent'"
  sed 's/\..*\././' token | sed "s/\./.$(printf '{"iss":"other","aud":"service"}' | base64url)./" > forged
  refused 'InvalidSignatureError' verify_jwt forged
}

# Debian's own interpreter, for which its packages are.
verify_jwt() {
  /usr/bin/python3 - "$1" << 'END'
import sys
import jwt
key = open("agent.pem", "rb").read()
print(jwt.decode(open(sys.argv[1]).read(), key, algorithms=["EdDSA"], audience="service"))
END
}

# OpenSSH 9.2 takes no Ed25519 key from a token, but verifies what such a key signs in its format.
test_ssh_keygen_verifies() {
  in_task demo make_and_verify_ssh_signature
}

# ssh_string: what comes in, with its length before it (RFC 4251, section 5).
ssh_string() {
  local file
  file=$(mktemp --tmpdir="$PWD")
  cat > "$file"
  # shellcheck disable=SC2059
  printf "$(printf '%08x' "$(stat --format %s "$file")" | sed 's/../\\x&/g')"
  cat "$file"
}

# The public key as OpenSSH writes it: the last 32 bytes of a SubjectPublicKeyInfo are the point.
ssh_public_key() {
  printf 'ssh-ed25519' | ssh_string
  openssl pkey -pubin -in agent.pem -outform DER | tail --bytes 32 | ssh_string
}

make_and_verify_ssh_signature() {
  make_message message
  generate_ed25519 agent 01
  # OpenSSH's PROTOCOL.sshsig: what is signed, and what wraps the signature.
  {
    printf 'SSHSIG'
    printf 'file' | ssh_string
    printf '' | ssh_string
    printf 'sha512' | ssh_string
    openssl dgst -sha512 -binary message | ssh_string
  } > input
  sign_ed25519 01 input signature
  {
    printf 'SSHSIG\0\0\0\1'
    ssh_public_key | ssh_string
    printf 'file' | ssh_string
    printf '' | ssh_string
    printf 'sha512' | ssh_string
    { printf 'ssh-ed25519' | ssh_string && ssh_string < signature; } | ssh_string
  } > wrapped
  {
    printf -- '-----BEGIN SSH SIGNATURE-----\n'
    openssl base64 -in wrapped
    printf -- '-----END SSH SIGNATURE-----\n'
  } > message.sig
  printf 'agent ssh-ed25519 %s\n' "$(ssh_public_key | openssl base64 -A)" > allowed
  succeeds ssh-keygen -Y verify -n file -f allowed -I agent -s message.sig < message
  make_message message
  refused 'incorrect signature|verification failed' \
    ssh-keygen -Y verify -n file -f allowed -I agent -s message.sig < message
}

test_p11tool_signs() {
  in_task demo sign_with_p11tool
}

# GnuTLS 3.7 can't have such a key generated: it names a mechanism for it that only signs.
sign_with_p11tool() {
  generate_ed25519 agent 01
  succeeds p11tool --provider "$MAYFLY_PKCS11_MODULE" --batch --hash=SHA512 --test-sign \
    'pkcs11:token=demo;object=agent;type=private'
  says 'ok'
}

# The other door of the same task must not show such a key: OpenSSL's engine would crash of it.
test_other_door_is_spared() {
  CLIENT_DOOR=both in_task demo meet_both_doors
}

meet_both_doors() {
  generate_ec ec 01
  make_message message
  MAYFLY_PKCS11_MODULE=$MAYFLY_LIBRARY LD_PRELOAD=${CLIENT_PRELOAD-} generate_ed25519 agent 02
  succeeds pkcs11_tool --list-objects
  says 'label: *ec'
  says_not 'EDWARDS|label: *agent'
  use_engine
  succeeds openssl dgst -engine pkcs11 -keyform engine -sign 'pkcs11:token=demo;object=ec;type=private' \
    -sha256 -out signature message
  succeeds openssl dgst -verify ec.pem -sha256 -signature signature message
}

run_test "$@"
