#!/bin/bash
# The commands of docs/start.md, as they stand there.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=docs/start.md

# What somebody who owns an HSM has: a library, a token that is called agents, a file with its PIN.
make_hsm() {
  mkdir bin
  ln -s "$MAYFLY_COMMAND" bin/mayfly
  PATH=$PWD/bin:$PATH
  LIBRARY=$(device_module)
  export SOFTHSM2_CONF=$PWD/softhsm2.conf
  mkdir tokens
  printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$PWD/tokens" > softhsm2.conf
  succeeds softhsm2-util --init-token --free --label agents --pin 123456 --so-pin 12345678
  PIN_FILE=$PWD/pin
  (umask 077 && printf '123456\n' > pin)
}

test_page_examples() {
  make_hsm
  run_example '<!-- test: hsm -->'
  says '^ok +device login'
  says '^sign +device alone'
  says '^task +broker, libmayfly.so'
  run_example '<!-- test: task -->'
  (($(stat --format=%s signature) == 64)) || fail 'there is no signature'
  run_example '<!-- test: drill -->'
  says '2 attacks: 2 failed'
  start_tpm
  export TCTI=$TPM
  run_example '<!-- test: tpm -->'
  says '^ok +test key'
  run_example '<!-- test: task -->'
  (($(stat --format=%s signature) == 64)) || fail 'there is no signature'
}

test_bench_draws_what_it_measures() {
  succeeds mayfly bench --seconds 0.05 --threads 2 --svg picture.svg --json
  python3 - "$OUTPUT" << 'END'
import json, sys
import xml.dom.minidom as xml
ways = json.loads(sys.argv[1])
names = [way["way"] for way in ways]
assert names == ["device alone", "in process", "broker, libmayfly.so", "broker, p11-kit-client.so"], names
for way in ways:
    assert "problem" not in way, way
    for figures in way["operations"].values():
        assert figures["count"] >= 3 and 0 < figures["median_us"] <= figures["p99_us"], way
picture = xml.parse("picture.svg")
bars = len(picture.getElementsByTagName("line"))
assert bars == sum(len(way["operations"]) for way in ways) == 14, bars
END
  expect_empty_device
  # A way that can't be measured is told, and the others are measured all the same.
  sed -i.good 's|^module = .*|module = "/nonexistent.so"|' "$DEVICE/mayfly.toml"
  refused '^device alone: .* exit status 72' mayfly bench --seconds 0.05
  says 'nonexistent.so can.t be loaded'
  mv "$DEVICE/mayfly.toml.good" "$DEVICE/mayfly.toml"
}

run_test "$@"
