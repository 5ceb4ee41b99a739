#!/bin/bash
# shellcheck source=page.sh
source "$(dirname -- "$0")/page.sh"

# Into a folder of the test's own, from the build that is tested.
follow_page() {
  local component
  for component in runtime verify dev; do
    succeeds cmake --install "$(dirname -- "$MAYFLY_COMMAND")/.." --prefix "$WORK/usr" --component "$component"
  done
  PKG_CONFIG_PATH=$(dirname -- "$(find usr -name mayfly.pc)")
  export PKG_CONFIG_PATH=$WORK/$PKG_CONFIG_PATH
  cat > agent.c << 'END'
#include <p11-kit/pkcs11.h>
#include <mayfly/mayfly.h>
int main(void) { return sizeof(MAYFLY_FUNCTION_LIST) == 0; }
END
  run_example '## Building with it'
  cmp "$OUTPUT" "$MAYFLY_LIBRARY" || fail "mayfly.pc does not name the library: $OUTPUT"
  find_it_by_cmake
}

find_it_by_cmake() {
  printf '#include <mayfly/proof.h>\nint main(void) { return 0; }\n' > service.c
  {
    printf 'cmake_minimum_required(VERSION 3.25)\nproject(agent C)\n'
    printf 'add_executable(agent agent.c)\nadd_executable(service service.c)\n'
    example_of cmake 'or with CMake'
    # shellcheck disable=SC2016  # CMake's
    printf 'file(READ ${mayfly_MODULE} module LIMIT 4)\n'
    pkg-config --cflags-only-I p11-kit-1 | sed 's/ *-I\([^ ]*\)/target_include_directories(agent PRIVATE \1)/g'
  } > CMakeLists.txt
  succeeds cmake -S . -B build -DCMAKE_PREFIX_PATH="$WORK/usr"
  succeeds cmake --build build
}

follow "$@"
