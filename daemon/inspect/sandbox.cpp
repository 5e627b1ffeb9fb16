// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/inspect/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace tuneshift {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

bool limit(decltype(RLIMIT_CORE) resource, rlim_t value) {
  const rlimit both{value, value};
  return setrlimit(resource, &both) == 0;
}

bool drop_capabilities() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return syscall(SYS_capset, &header, none) == 0;
}

}  // namespace

Status become(const Credentials& credentials) {
  const bool limited = limit(RLIMIT_NOFILE, 64) && limit(RLIMIT_FSIZE, 0) &&
                       limit(RLIMIT_CORE, 0) && limit(RLIMIT_CPU, 5) &&
                       (sanitized || limit(RLIMIT_AS, 1ULL << 30));
  if (!limited) return errno_error(errno, "setrlimit");
  // The groups first: setting them takes the capability that the others give up.
  if (setgroups(credentials.groups.size(), credentials.groups.data()) != 0 ||
      setresgid(credentials.gid, credentials.gid, credentials.gid) != 0 ||
      setresuid(credentials.uid, credentials.uid, credentials.uid) != 0) {
    return errno_error(errno, "become the reader's user");
  }
  // Changing the user forgets the death signal.
  if (!drop_capabilities() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    return errno_error(errno, "give up privileges");
  }
  return {};
}

Status restrict_system_calls() {
  if (sanitized) return {};
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (filter == nullptr) return errno_error(ENOMEM, "seccomp_init");
  int failed = 0;
  for (const int call :
       {SCMP_SYS(read),      SCMP_SYS(pread64),    SCMP_SYS(preadv2),      SCMP_SYS(close),
        SCMP_SYS(fstat),     SCMP_SYS(newfstatat), SCMP_SYS(statx),        SCMP_SYS(getdents64),
        SCMP_SYS(lseek),     SCMP_SYS(fadvise64),  SCMP_SYS(mincore),      SCMP_SYS(munmap),
        SCMP_SYS(mremap),    SCMP_SYS(brk),        SCMP_SYS(madvise),      SCMP_SYS(futex),
        SCMP_SYS(getrandom), SCMP_SYS(sendto),     SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group)}) {
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
  }
  constexpr int writing = O_ACCMODE | O_CREAT | O_TRUNC;
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
  for (const unsigned command : {F_GETFL, F_SETFD}) {
    failed |=
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, command));
  }
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  if (failed == 0) failed = seccomp_load(filter);
  seccomp_release(filter);
  if (failed != 0) return errno_error(-failed, "install the system call filter");
  return {};
}

}  // namespace tuneshift
