# Debian packages, by `cpack -G DEB`; tools/package does it. mayfly has the component runtime,
# libmayfly-verify0 the component verify, libmayfly-dev the component dev. What only a Debian package has is in debian/; stage.cmake puts it
# in.
set(debian ${CMAKE_CURRENT_SOURCE_DIR}/debian)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${debian}/changelog)
file(STRINGS ${debian}/changelog maintainer REGEX "^ -- " LIMIT_COUNT 1)
string(REGEX REPLACE "^ -- (.*>)  .*$" "\\1" CPACK_PACKAGE_CONTACT "${maintainer}")
file(STRINGS ${debian}/changelog head LIMIT_COUNT 1)
if(NOT head MATCHES "^mayfly \\(${PROJECT_VERSION}-([0-9]+)\\)")
  message(FATAL_ERROR "tools/packaging/debian/changelog must begin with mayfly ${PROJECT_VERSION}")
endif()
set(CPACK_DEBIAN_PACKAGE_RELEASE ${CMAKE_MATCH_1})

set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PACKAGE_NAME mayfly)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime verify dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/stage.cmake)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)

# The first line of each description is its summary.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")

# What is loaded at run time only is named by hand, as tools/packages names it for the build tree.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME mayfly)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS
  "p11-kit-modules, systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS "libtss2-tcti-device0, softhsm2")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "jq, libcurl4, libpq5, opensc")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
  "${debian}/postinst;${debian}/prerm;${debian}/postrm")
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
"PKCS#11 keys that live exactly as long as the task they were made for
Each task of an agent gets a PKCS#11 token of its own. Keys that are made in it
are made in an HSM or a TPM 2.0, can't leave it, and are destroyed when the
task ends, in whatever way it ends. Unmodified PKCS#11 clients use the token as
they would a smart card; a broker holds the device and its PIN, so that the
task's processes hold neither.

This package has the mayfly command, the broker as a service, which waits for
a configuration, and the PKCS#11 module libmayfly.so.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libmayfly-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
  "mayfly (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "libp11-kit-dev | libnss3-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION
"PKCS#11 keys that live as long as their task - development files
mayfly gives each task of an agent a PKCS#11 token of its own, whose keys are
destroyed with the task.

This package has the headers of its vendor interface, by which a program opens
and ends tasks in the module libmayfly.so, and of the library for relying
parties, for pkg-config and CMake.")

# A library that programs link to is named for the version of its interface.
get_target_property(interface mayfly_verifier SOVERSION)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_VERIFY_PACKAGE_NAME libmayfly-verify${interface})
set(CPACK_DEBIAN_VERIFY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_VERIFY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_VERIFY_PACKAGE_CONTROL_EXTRA ${debian}/triggers)
string(APPEND CPACK_DEBIAN_DEV_PACKAGE_DEPENDS ", ${CPACK_DEBIAN_VERIFY_PACKAGE_NAME}"
  " (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
set(CPACK_COMPONENT_VERIFY_DESCRIPTION
"PKCS#11 keys that live as long as their task - library for relying parties
mayfly gives each task of an agent a PKCS#11 token of its own, whose keys are
destroyed with the task.

This package has the library that verifies what such keys signed, for programs
that rely on it and need nothing else of mayfly.")

include(CPack)
