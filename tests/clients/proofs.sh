#!/bin/bash
# Identity tokens of tasks and proofs of their keys, from the token's issue to its verifier, who has
# nothing but the issuer's public key.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

export TRUST_DOMAIN=agents.example
URL=https://api.example/orders

# verify FILE OPTIONS...: as a relying party that lets in every task of the trust domain.
verify() {
  mayfly token verify "$@" --keys keys.json --no-status --subject "spiffe://$TRUST_DOMAIN/*" \
    --issuer "spiffe://$TRUST_DOMAIN"
}

publish_keys() {
  mayfly issuer show --jwks > keys.json
}

# Makes a key of a kind and gets a token for it.
identify() {
  case $1 in
    rsa) generate_rsa key 01 ;;
    ed25519)
      succeeds pkcs11_tool --keypairgen --key-type EC:edwards25519 --label key --id 01
      ;;
    *) generate_ec key 01 "$1" ;;
  esac
  succeeds mayfly credential issue --type wit --out wit
}

prove_with_all() {
  identify "$1"
  mayfly proof dpop --method GET --url "$URL?page=2" > dpop
  succeeds verify wit --dpop dpop --method GET --url "$URL" --seen seen
  says '^verified     but not whether the task goes on$'
  refused '\(proof, replayed\)' verify wit --dpop dpop --method GET --url "$URL" --seen seen
  refused '\(proof, wrong-method\)' verify wit --dpop dpop --method POST --url "$URL" --seen seen

  mayfly proof wpt --wit wit --url "$URL?page=2" > wpt
  succeeds verify wit --wpt wpt --url "$URL" --seen seen
  refused '\(proof, wrong-audience\)' verify wit --wpt wpt --url "$URL/1" --seen seen
  refused 'for which request' verify wit --wpt wpt --seen seen

  printf '{"hello": "world"}' > body
  mayfly proof http --method POST --url "$URL" --body body > fields
  local input signature digest
  input=$(sed -n 's/^Signature-Input: //p' fields)
  signature=$(sed -n 's/^Signature: //p' fields)
  digest=$(sed -n '/^Content-Digest: /p' fields)
  succeeds verify wit --signature-input "$input" --signature "$signature" --field "$digest" \
    --body body --method POST --url "$URL" --seen seen
  refused '\(proof, replayed\)' verify wit --signature-input "$input" --signature "$signature" \
    --field "$digest" --body body --method POST --url "$URL" --seen seen

  printf 'the.access-token\n' > token
  mayfly proof http --method GET --url "$URL" --access-token token --nonce 'of the server' > fields
  grep --quiet '^Authorization: Bearer the.access-token$' fields || fail 'the token was not added'
  input=$(sed -n 's/^Signature-Input: //p' fields)
  signature=$(sed -n 's/^Signature: //p' fields)
  local -a proof=(--signature-input "$input" --signature "$signature" --method GET --url "$URL")
  refused '\(proof, wrong-nonce\)' verify wit "${proof[@]}" --access-token token --nonce x \
    --seen seen
  succeeds verify wit "${proof[@]}" --access-token token --nonce 'of the server' --seen seen
  printf 'another\n' > token
  refused '\(proof, bad-signature\)' verify wit "${proof[@]}" --access-token token --no-replay-check
}

test_of_p256_hold() {
  publish_keys
  in_task demo prove_with_all prime256v1
}

test_of_rsa_hold() {
  publish_keys
  in_task demo prove_with_all rsa
}

test_of_ed25519_hold() {
  publish_keys
  CLIENT_DOOR=own in_task demo prove_with_all ed25519
}

# With what there was in the task, from outside of it.
test_can_not_be_made_after_the_task() {
  publish_keys
  in_task demo capture
  refused 'no task' mayfly proof dpop --task demo --method GET --url "$URL"
  source ./environment
  refused '.' mayfly proof dpop --method GET --url "$URL"
  # The one that was made before holds for a minute at most, once, for its one request.
  refused '\(proof, wrong-target\)' verify wit --dpop dpop --method GET --url "$URL/1" --seen seen
  refused '\(proof, (expired|too-old)\)' verify wit --dpop dpop --method GET --url "$URL" \
    --seen seen --at "$(($(date +%s) + 60))"
  refused '\(credential, expired\)' verify wit --dpop dpop --method GET --url "$URL" --seen seen \
    --at "$(($(date +%s) + 86400))"
  # A thief's key makes proofs, but not for this token.
  openssl ecparam -name prime256v1 -genkey -noout -out thief.key
  /usr/bin/python3 - "$URL" > thief.dpop << 'END'
import base64, sys, time, jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
key = load_pem_private_key(open("thief.key", "rb").read(), None)
numbers = key.public_key().public_numbers()
text = lambda n: base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode()
jwk = {"kty": "EC", "crv": "P-256", "x": text(numbers.x), "y": text(numbers.y)}
claims = {"jti": "1", "htm": "GET", "htu": sys.argv[1], "iat": int(time.time())}
print(jwt.encode(claims, key, "ES256", {"typ": "dpop+jwt", "jwk": jwk}))
END
  refused '\(proof, other-key\)' verify wit --dpop thief.dpop --method GET --url "$URL" --seen seen
  # Without the safeguard, that proofs are remembered, the captured one is taken again and again.
  succeeds verify wit --dpop dpop --method GET --url "$URL" --no-replay-check
  succeeds verify wit --dpop dpop --method GET --url "$URL" --no-replay-check
}

capture() {
  identify prime256v1
  mayfly proof dpop --method GET --url "$URL" > dpop
  export -p > environment
}

prove_near_the_deadline() {
  identify prime256v1
  mayfly proof dpop --method GET --url "$URL" > dpop
  mayfly proof http --method GET --url "$URL" > fields
}

# payload FILE: the claims of a token.
payload() {
  cut --delimiter=. --fields=2 "$1" | tr '_-' '/+' | sed 's/$/===/' | base64 --decode 2> /dev/null ||
    true
}

test_end_with_the_deadline() {
  publish_keys
  local begin
  begin=$(date +%s)
  "$MAYFLY_COMMAND" run --task demo --ttl 20s -- "$BASH" "$TEST_SCRIPT" --inside \
    prove_near_the_deadline
  local end
  end=$(payload dpop | grep --only-matching '"exp":[0-9]*' | cut --delimiter=: --fields=2)
  ((end <= $(date +%s) + 20 && end > begin)) || fail "the proof ends at $end, begun at $begin"
  end=$(payload wit | grep --only-matching '"exp":[0-9]*' | cut --delimiter=: --fields=2)
  ((end <= $(date +%s) + 20 && end > begin)) || fail "the token ends at $end, begun at $begin"
  end=$(grep --only-matching 'expires=[0-9]*' fields | cut --delimiter== --fields=2)
  ((end <= $(date +%s) + 20 && end > begin)) || fail "the signature ends at $end"
}

certificate_and_proof() {
  generate_ec key 01
  succeeds mayfly credential issue --type x509 --out certificate
  mayfly proof dpop --method GET --url "$URL" > dpop
}

test_go_with_certificates() {
  mayfly issuer show --certificate > issuer.pem
  in_task demo certificate_and_proof
  succeeds mayfly token verify certificate --root issuer.pem --no-status --dpop dpop --method GET \
    --url "$URL" --seen seen --subject "spiffe://$TRUST_DOMAIN/task/demo/*"
  says "^subject      spiffe://$TRUST_DOMAIN/task/demo/"
  refused '\(credential, wrong-subject\)' mayfly token verify certificate --root issuer.pem \
    --no-status --no-proof --subject "spiffe://$TRUST_DOMAIN/task/other/*"
  refused '\(credential, expired\)' mayfly token verify certificate --root issuer.pem --no-status \
    --no-proof --at "$(($(date +%s) + 86400))"
  refused '\(credential, too-early\)' mayfly token verify certificate --root issuer.pem \
    --no-status --no-proof --at "$(($(date +%s) - 3600))"
  # Of another issuer, and the issuer's own.
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout other.key \
    -subj "/CN=issuer of agents.example" -out other.pem 2> other.log
  refused '\(credential, chain\)' mayfly token verify certificate --root other.pem --no-status \
    --no-proof
  refused '\(credential, bad-claim\)' mayfly token verify issuer.pem --root issuer.pem \
    --no-status --no-proof
  refused '\(credential, malformed\)' mayfly token verify dpop --root issuer.pem --no-status \
    --no-proof
}

NONCE=00112233445566778899aabbccddeeff

identify_with_evidence() {
  identify prime256v1
  mayfly proof dpop --method GET --url "$URL" > dpop
  mayfly attest --nonce "$NONCE" > evidence
}

# On a TPM.
test_go_with_evidence() {
  publish_keys
  in_task demo identify_with_evidence
  local -a unanswered=(--evidence evidence --evidence-key "$DEVICE/attestation-key.json")
  local -a evidence=("${unanswered[@]}" --evidence-nonce "$NONCE")
  succeeds verify wit --dpop dpop --method GET --url "$URL" --seen seen "${evidence[@]}"
  refused '\(attestation, not-attested\)' verify wit --no-proof "${unanswered[@]}" \
    --evidence-nonce "${NONCE//0/1}"
  refused '\(attestation, not-attested\)' verify wit --no-proof "${evidence[@]}" \
    --evidence-came "$(($(date +%s) + 86400))"
  mv wit first
  in_task demo identify_with_evidence
  refused '\(attestation, other-key\)' verify first --no-proof "${evidence[@]}"
}

# relying_party CREDENTIAL PROOF METHOD URL: the program in C.
relying_party() {
  "$RELYING_PARTY" keys.json "spiffe://$TRUST_DOMAIN" - "$@"
}

test_are_verified_in_c() {
  publish_keys
  in_task demo capture
  succeeds relying_party wit dpop GET "$URL"
  says "^verified spiffe://$TRUST_DOMAIN/"
  refused '^not verified: proof, wrong-method: ' relying_party wit dpop POST "$URL"
  refused '^not verified: proof, type: ' relying_party wit wit GET "$URL"
  sed 's/"x":"./"x":"A/' keys.json > other.json
  mv other.json keys.json
  refused '^not verified: ' relying_party wit dpop GET "$URL"
}

test_status_lists_are_signed_and_replaced() {
  publish_keys
  printf '# tasks\n7 valid\n8 invalid\n' > entries
  succeeds mayfly status list entries --uri https://status.example/1 --output list
  succeeds jose jws ver -i list -k keys.json -O -
  says '"sub":"https://status.example/1"'
  says '"bits":1'
  [[ $(stat --format=%a list) == 644 ]] || fail 'others can not read the list'
  cp list old
  succeeds mayfly status list entries --uri https://status.example/1 --output list
  cmp --silent list old && fail 'the list was not replaced'
  [[ $(ls list*) == list ]] || fail "a draft was left: $(ls list*)"
  printf '7 perhaps\n' > entries
  refused 'entries, line 1' mayfly status list entries --uri https://status.example/1
  printf -- '-1 valid\n' > entries
  refused 'entries, line 1' mayfly status list entries --uri https://status.example/1
  printf '1 valid\n' > entries
  refused 'none/list: can.t be written' mayfly status list entries --uri https://status.example/1 \
    --output none/list
}

run_test "$@"
