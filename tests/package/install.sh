#!/bin/bash
# What `cmake --install` installs is whole, and works wherever it is put.
#
#   install.sh BUILD-FOLDER
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../clients/lib.sh
source "$(dirname -- "$0")/../clients/lib.sh"
build=$1

work=$(mktemp --directory --tmpdir mayfly-install.XXXXXX)
trap 'rm --recursive --force -- "$work"' EXIT
cd -- "$work"
export HOME=$work XDG_RUNTIME_DIR=$work
unset XDG_CONFIG_HOME MAYFLY_CONF MAYFLY_SOCKET MAYFLY_TASK MAYFLY_GRANT_FILE

# install_component NAME: installs it below /usr in the folder NAME.
install_component() {
  DESTDIR=$work/$1 succeeds cmake --install "$build" --prefix /usr --component "$1"
}

files_of() {
  OUTPUT=$(cd -- "$1" && find . -type f | sort)
}

# Each line is the end of a file's path. The folder of libraries is named for the machine at times.
must_have() {
  local end
  for end; do grep --quiet -- "/$end\$" <<< "$OUTPUT" || fail "$end is not installed: $OUTPUT"; done
}

install_component runtime
files_of runtime
must_have usr/bin/mayfly pkcs11/libmayfly.so p11-kit/modules/mayfly.module \
  usr/lib/systemd/system/mayfly.{service,socket} usr/lib/systemd/system/mayfly-reap{,-at-boot}.service \
  usr/lib/{sysusers,tmpfiles}.d/mayfly.conf share/bash-completion/completions/mayfly _mayfly \
  man1/mayfly{,-run,-serve}.1 man5/mayfly.toml.5 man7/libmayfly.7 examples/tpm.toml docs/running.md \
  usr/share/mayfly/approval/ask-at-terminal
[[ -x runtime/usr/share/mayfly/approval/ask-at-terminal ]] || fail 'ask-at-terminal can not be run'
says_not '\.(h|pc|cmake|a)$'

install_component verify
files_of verify
must_have 'libmayfly-verify\.so\.[0-9.]*'
says_not '\.(h|pc|cmake)$|bin/'

install_component dev
files_of dev
must_have usr/include/mayfly/{mayfly,proof,verify}.h pkgconfig/mayfly{,-verify}.pc \
  cmake/mayfly/mayfly-{config,config-version,targets}.cmake
says_not '\.(so|toml|1)$'

# Somewhere else than it was installed to.
mkdir moved
cp --recursive --archive runtime/usr/. verify/usr/. dev/usr/. moved
rm --recursive runtime verify dev
library=$(find "$work/moved" -name libmayfly.so)
for file in moved/bin/mayfly "$library" "$(find moved -name libmayfly-verify.so)"; do
  succeeds readelf --dynamic "$file"
  says_not 'RPATH|RUNPATH'
done

mayfly=$work/moved/bin/mayfly
succeeds "$mayfly" init --folder device
export MAYFLY_CONF=$work/device/mayfly.toml
succeeds "$mayfly" doctor
says "libmayfly.so +$library$"
# The shell inside has the variables.
# shellcheck disable=SC2016
succeeds "$mayfly" run --task installed -- sh -c '
  pkcs11-tool --module "$MAYFLY_PKCS11_MODULE" --keypairgen --key-type EC:prime256v1 --id 01 &&
  pkcs11-tool --module "$MAYFLY_PKCS11_MODULE" --list-objects'
says 'Private Key Object'
# shellcheck disable=SC2016
succeeds "$mayfly" run --task installed --module-only -- sh -c 'echo "$MAYFLY_PKCS11_MODULE"'
says "^$library$"

# What is built with it.
cat > program.c << END
#include <p11-kit/pkcs11.h>
#include <mayfly/mayfly.h>
int main(void) { return sizeof(MAYFLY_FUNCTION_LIST) == 0; }
END
PKG_CONFIG_PATH=$(dirname -- "$(find "$work/moved" -name mayfly.pc)")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags mayfly p11-kit-1)
# shellcheck disable=SC2086
succeeds cc $flags -o program program.c
succeeds ./program
printf '#include <mayfly/proof.h>\nint main(void) { return 0; }\n' > relying.c
# shellcheck disable=SC2046
succeeds cc -o relying relying.c -Wl,--no-as-needed $(pkg-config --cflags --libs mayfly-verify)
succeeds env LD_LIBRARY_PATH="$(pkg-config --variable=libdir mayfly-verify)" ./relying
module=$(pkg-config --variable=module mayfly)
[[ $(realpath -- "$module") == "$library" ]] || fail "mayfly.pc names the module $module"
cat > CMakeLists.txt << END
cmake_minimum_required(VERSION 3.25)
project(program C)
find_package(mayfly 0.1 REQUIRED)
get_target_property(folders mayfly::headers INTERFACE_INCLUDE_DIRECTORIES)
if(NOT TARGET mayfly::verify)
  message(FATAL_ERROR "there is no mayfly::verify")
endif()
if(NOT EXISTS \${mayfly_MODULE} OR NOT EXISTS \${folders}/mayfly/mayfly.h)
  message(FATAL_ERROR "\${mayfly_MODULE} \${folders}")
endif()
END
succeeds cmake -S . -B consumer -DCMAKE_PREFIX_PATH="$work/moved"
