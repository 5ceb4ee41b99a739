#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

follow_page() {
  example_of toml '# Policies' | configure
  run_example 'What a task opened now'
  says '^max-signatures +20 '
  says '^max-ttl +10m '
  RUN_POLICY=ci in_task demo follow_inside
}

follow_inside() {
  generate_ec agent 01
  refused 'CKR_DEVICE_MEMORY' pkcs11_tool --keypairgen --key-type EC:prime256v1 --id 02
  refused '0x140' pkcs11_tool --keypairgen --key-type EC:secp384r1 --id 02
}

follow "$@"
