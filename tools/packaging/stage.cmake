# What Debian's packages have beside the installed files. CPack runs this before it builds the
# packages, with a folder for each component below ${CPACK_TEMPORARY_DIRECTORY}.
set(debian ${CMAKE_CURRENT_LIST_DIR}/debian)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# gzip FILE: at its best, and without a time.
function(gzip)
  run(gzip -9n ${ARGN})
endfunction()

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${component} upper)
  set(name ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  set(root ${CPACK_TEMPORARY_DIRECTORY}/${component})
  set(docs ${root}/usr/share/doc/${name})
  file(MAKE_DIRECTORY ${docs})
  file(COPY ${debian}/copyright DESTINATION ${docs})
  configure_file(${debian}/changelog ${docs}/changelog.Debian COPYONLY)
  if(component STREQUAL runtime)
    file(MAKE_DIRECTORY ${root}/etc/mayfly)
    file(RENAME ${docs}/CHANGELOG.md ${docs}/changelog)
    gzip(${docs}/changelog)
  endif()
  gzip(${docs}/changelog.Debian)
  file(GLOB pages ${root}/usr/share/man/man*/*.[1-9])
  if(pages)
    gzip(${pages})
  endif()
  if(EXISTS ${debian}/${name}.lintian-overrides)
    file(MAKE_DIRECTORY ${root}/usr/share/lintian/overrides)
    configure_file(${debian}/${name}.lintian-overrides
      ${root}/usr/share/lintian/overrides/${name} COPYONLY)
  endif()
  # Modes and times say nothing of who built it, and when.
  run(chmod -R u=rwX,go=rX ${root})
  if(DEFINED ENV{SOURCE_DATE_EPOCH})
    run(find ${root} -exec touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} {} +)
  endif()
endforeach()
