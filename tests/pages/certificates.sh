#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

export TRUST_DOMAIN=agents.example

follow_page() {
  run_example 'For a device that'
  [[ -s new/issuer.pem ]] || fail 'mayfly init made no issuer'
  have_an_hsm_sign
  run_example 'What others have to trust'
  succeeds openssl x509 -in issuer.pem -noout
  succeeds ssh-keygen -l -f issuer.pub
  grep --quiet '"kty":"EC"' issuer.json || fail 'no key set'
  start_web_server "$(example_of nginx '(without `--unix-socket web`' | sed '/ssl_client_certificate\|ssl_verify_client/d')"
  in_task demo follow_inside
}

have_an_hsm_sign() {
  (
    take_hsm ca
    export MAYFLY_CONF=$PWD/with-hsm.toml
    {
      sed '/^\[issuer\]/,$d; s|^module = .*|module = "'"$LIBRARY"'"|' "$DEVICE/mayfly.toml"
      example_of toml 'For an HSM, whose token' | sed "s|/etc/mayfly/issuer-pin|$PIN_FILE|"
      printf 'env = { SOFTHSM2_CONF = "%s" }\n' "$SOFTHSM2_CONF"
    } > "$MAYFLY_CONF"
    run_example 'and run'
    says '^Made a key'
    succeeds openssl x509 -in issuer.pem -noout -text
    says 'secp384r1'
    rm issuer.pem
  )
}

follow_inside() {
  generate_ec agent 01
  run_example 'Inside of a task'
  use_engine
  run_example 'A client takes key'
  says '^hello'
  unset OPENSSL_CONF
  USER=$(id -un)
  run_example '## SSH'
  write_server
  trust_issuer_file
  run_example 'In `sshd_config`'
}

follow "$@"
