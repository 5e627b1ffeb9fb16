# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tuneshift_bpf_skeleton(NAME): compiles bpf/NAME.bpf.c with clang and generates NAME.skel.h.
# Link against the interface library bpf_NAME to include it (as a system header: generated code is
# not held to our warnings). bpftool writes through -o files that CMake removes when it fails.
# The prefix map is for the lines of source that BTF names.
# -mcpu=v3 has atomics that return a value (Linux 5.12); BPF_PROG() leaves its context unused.

find_program(CLANG NAMES clang clang-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)
find_program(LLVM_STRIP NAMES llvm-strip llvm-strip-14 REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
  set(bpf_target_arch x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
  set(bpf_target_arch arm64)
else()
  message(FATAL_ERROR "no BPF register layout for ${CMAKE_SYSTEM_PROCESSOR}")
endif()

function(tuneshift_bpf_skeleton name)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CLANG} -g -O2 -Wall -Wextra -Wno-unused-parameter -Werror -target bpf -mcpu=v3
            -D__TARGET_ARCH_${bpf_target_arch}
            -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=
            -I${CMAKE_CURRENT_SOURCE_DIR} -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${object}.d -c ${source} -o ${object}
    COMMAND ${LLVM_STRIP} -g ${object}
    DEPENDS ${source}
    DEPFILE ${object}.d
    COMMENT "BPF ${name}"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${CMAKE_COMMAND} -DBPFTOOL=${BPFTOOL} -DOBJECT=${object} -DNAME=${name}_bpf
            -DOUTPUT=${skeleton} -P ${PROJECT_SOURCE_DIR}/cmake/write_skeleton.cmake
    DEPENDS ${object} ${PROJECT_SOURCE_DIR}/cmake/write_skeleton.cmake
    COMMENT "skeleton ${name}"
    VERBATIM)
  add_custom_target(bpf_${name}_skeleton DEPENDS ${skeleton})
  add_dependencies(generated bpf_${name}_skeleton)
  add_library(bpf_${name} INTERFACE)
  add_dependencies(bpf_${name} bpf_${name}_skeleton)
  target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(bpf_${name} INTERFACE PkgConfig::LIBBPF)
endfunction()
