// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect/system_calls.h"

#include <fcntl.h>

#include "daemon/helper/sandbox.h"

namespace tuneshift {

Status restrict_system_calls() {
  constexpr int writing = O_ACCMODE | O_CREAT | O_TRUNC;
  return allow_only({
      {SCMP_SYS(read)},
      {SCMP_SYS(pread64)},
      {SCMP_SYS(preadv2)},
      {SCMP_SYS(fstat)},
      {SCMP_SYS(newfstatat)},
      {SCMP_SYS(statx)},
      {SCMP_SYS(getdents64)},
      {SCMP_SYS(lseek)},
      {SCMP_SYS(fadvise64)},
      {SCMP_SYS(mincore)},
      {SCMP_SYS(openat), {SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY)}},
      {SCMP_SYS(fcntl), {SCMP_A1(SCMP_CMP_EQ, F_GETFL)}},
      {SCMP_SYS(fcntl), {SCMP_A1(SCMP_CMP_EQ, F_SETFD)}},
  });
}

}  // namespace tuneshift
