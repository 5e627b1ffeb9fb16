# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tuneshift_dbus_glue(XML): generates tuneshift_adaptor.h and tuneshift_proxy.h with this
# distribution's own sdbus-c++-xml2cpp, so that one tree serves its 1.x and 2.x.

find_program(SDBUS_XML2CPP NAMES sdbus-c++-xml2cpp REQUIRED)

function(tuneshift_dbus_glue xml)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${xml})
  set(out ${CMAKE_CURRENT_BINARY_DIR})
  add_custom_command(
    OUTPUT ${out}/tuneshift_adaptor.h ${out}/tuneshift_proxy.h
    COMMAND ${SDBUS_XML2CPP} --adaptor=${out}/tuneshift_adaptor.h
            --proxy=${out}/tuneshift_proxy.h ${source}
    DEPENDS ${source}
    COMMENT "D-Bus glue ${xml}"
    VERBATIM)
  add_custom_target(dbus_glue_headers DEPENDS ${out}/tuneshift_adaptor.h ${out}/tuneshift_proxy.h)
  add_dependencies(generated dbus_glue_headers)
  add_library(dbus_glue INTERFACE)
  add_dependencies(dbus_glue dbus_glue_headers)
  target_include_directories(dbus_glue SYSTEM INTERFACE ${out})
  target_link_libraries(dbus_glue INTERFACE PkgConfig::SDBUSCPP)
endfunction()
