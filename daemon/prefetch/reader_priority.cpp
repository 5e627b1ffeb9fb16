// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/reader_priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tuneshift {

namespace {

// include/uapi/linux/ioprio.h, which is not C++ in every version.
constexpr int who_process = 1;
constexpr int class_shift = 13;
constexpr int class_best_effort = 2;
constexpr int class_idle = 3;
constexpr int levels = 8;
constexpr int normal_level = 4;

}  // namespace

void take_priority_of(pid_t reader) {
  errno = 0;
  const int nice = getpriority(PRIO_PROCESS, static_cast<id_t>(reader));
  if (errno == 0) setpriority(PRIO_PROCESS, 0, std::max(nice, 0));

  const long io = syscall(SYS_ioprio_get, who_process, reader);
  if (io < 0) return;
  const long io_class = io >> class_shift;
  long level = levels - 1;
  if (io_class == class_best_effort) {
    level = std::max<long>(io % levels, normal_level);
  } else if (io_class != class_idle) {
    return;
  }
  syscall(SYS_ioprio_set, who_process, 0, class_best_effort << class_shift | level);
}

}  // namespace tuneshift
