// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/helper/sandbox.h"

#include <grp.h>
#include <linux/capability.h>
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

Status set_limits(uint64_t cpu_s) {
  if (limit(RLIMIT_NOFILE, 64) && limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_CORE, 0) &&
      limit(RLIMIT_CPU, cpu_s) && (sanitized || limit(RLIMIT_AS, 1ULL << 30))) {
    return {};
  }
  return errno_error(errno, "setrlimit");
}

bool set_capabilities(const std::vector<int>& wanted) {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  for (const int capability : wanted) {
    auto& set = sets[CAP_TO_INDEX(capability)];
    set.effective |= CAP_TO_MASK(capability);
    set.permitted |= CAP_TO_MASK(capability);
  }
  return syscall(SYS_capset, &header, sets) == 0;
}

Status give_up_privileges(const std::vector<int>& capabilities) {
  // The death signal again: changing the user forgets it.
  if (!set_capabilities(capabilities) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    return errno_error(errno, "give up privileges");
  }
  return {};
}

}  // namespace

Status become(const Credentials& credentials, uint64_t cpu_s) {
  if (Status limited = set_limits(cpu_s); !limited.ok()) return limited;
  // The groups first: setting them takes the capability that the others give up.
  if (setgroups(credentials.groups.size(), credentials.groups.data()) != 0 ||
      setresgid(credentials.gid, credentials.gid, credentials.gid) != 0 ||
      setresuid(credentials.uid, credentials.uid, credentials.uid) != 0) {
    return errno_error(errno, "become the reader's user");
  }
  return give_up_privileges({});
}

Status keep_capabilities(const std::vector<int>& capabilities, uint64_t cpu_s) {
  if (Status limited = set_limits(cpu_s); !limited.ok()) return limited;
  return give_up_privileges(capabilities);
}

Status allow_only(const std::vector<AllowedCall>& calls) {
  if (sanitized) return {};
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (filter == nullptr) return errno_error(ENOMEM, "seccomp_init");
  int failed = 0;
  for (const int call : {SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
                         SCMP_SYS(futex), SCMP_SYS(getrandom), SCMP_SYS(close), SCMP_SYS(sendto),
                         SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group)}) {
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
  }
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  for (const AllowedCall& call : calls) {
    failed |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call.number,
                                     static_cast<unsigned>(call.when.size()), call.when.data());
  }
  if (failed == 0) failed = seccomp_load(filter);
  seccomp_release(filter);
  if (failed != 0) return errno_error(-failed, "install the system call filter");
  return {};
}

}  // namespace tuneshift
