#!/bin/bash
# mayfly bench: what it measures and draws.
# shellcheck source=lib.sh
source "$(dirname -- "$0")/lib.sh"

test_draws_what_it_measures() {
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
