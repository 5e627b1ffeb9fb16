# SPDX-License-Identifier: LGPL-2.1-or-later
# tuneshift_helper(NAME [SOURCE...]) makes the program tuneshift-NAME of this folder, which the
# daemon starts, and of what it shares with the daemon. All but its main.cpp is in the library
# NAME_core, for tests.
function(tuneshift_helper name)
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/main.cpp)
  add_library(${name}_core STATIC ${sources} ${ARGN})
  target_link_libraries(${name}_core PUBLIC helper_core)

  # Started once a reader, a file or a load: few shared libraries keep that quick.
  add_executable(tuneshift-${name} main.cpp)
  target_link_libraries(tuneshift-${name} PRIVATE ${name}_core)
  target_link_options(tuneshift-${name} PRIVATE -Wl,--as-needed -static-libgcc -static-libstdc++)
  # Beside tuneshiftd, which looks for it there first.
  set_target_properties(tuneshift-${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/..)
  install(TARGETS tuneshift-${name} DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/tuneshift)
endfunction()
