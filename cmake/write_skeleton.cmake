# SPDX-License-Identifier: LGPL-2.1-or-later
# bpftool prints the skeleton; keep it only when it succeeded.
execute_process(
  COMMAND ${BPFTOOL} gen skeleton ${OBJECT} name ${NAME}
  OUTPUT_VARIABLE text
  RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "bpftool gen skeleton ${OBJECT} failed: ${failed}")
endif()
file(WRITE ${OUTPUT} "${text}")
