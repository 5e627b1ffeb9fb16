// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/prefetch/worker.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "daemon/helper/find_file.h"
#include "daemon/helper/process_dir.h"
#include "daemon/helper/sandbox.h"
#include "daemon/prefetch/control_group.h"
#include "daemon/prefetch/descriptor_engine.h"
#include "daemon/prefetch/large_windows.h"
#include "daemon/prefetch/mapping_engine.h"
#include "daemon/prefetch/reader_priority.h"

namespace tuneshift {

namespace {

constexpr size_t max_cgroup_bytes = 16384;
// What end_large_windows() reads is little beside it.
constexpr uint64_t well_budgeted = uint64_t{64} << 20;

Error refused(const char* message) {
  return {ErrorCode::not_found, message, {}, 0};
}

// What all of a file costs at most, with much to spare.
uint64_t cpu_limit_s(uint64_t file_size) {
  return 10 + 2 * (file_size >> 30);
}

class Worker {
 public:
  Worker(int root_fd, const PrefetchOrder& order, DaemonLink& link)
      : root_fd_(root_fd), order_(order), link_(link) {}

  Status run() {
    auto process = ProcessDir::open(root_fd_, order_.reader.process);
    if (!process) return process.error();
    take_priority_of(order_.reader.process.pid);
    if (order_.account == PrefetchOrder::Account::reader) {
      // Never on somebody else's account than was decided: without this there is no reading.
      const std::string groups = process.value().read("cgroup", max_cgroup_bytes);
      if (groups.size() == max_cgroup_bytes) return refused("its control group's name is too long");
      if (Status joined = join_groups(root_fd_, charged_groups(groups)); !joined.ok()) {
        return joined;
      }
    }
    auto found = find_file(process.value(), order_.reader.file);
    if (!found) return found.error();
    if (link_.is_paced() && link_.budget_bytes() >= std::min(order_.file_size, well_budgeted)) {
      const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, order_.reader.process.pid, 0)));
      if (process.value().alive()) {
        end_large_windows(root_fd_, pidfd.get(), found.value(), order_.reader.file,
                          order_.file_size);
      }
    }
    return order_.way == PrefetchOrder::Way::descriptor
               ? by_descriptor(process.value(), found.value())
               : by_mapping(process.value(), found.value());
  }

 private:
  Status by_descriptor(const ProcessDir& process, const FoundFile& found) {
    if (found.fuse) return refused("one more open may throw out the pages of a FUSE file");
    auto credentials = process.credentials();
    if (!credentials) return credentials.error();
    const UniqueFd own_descriptors(
        openat(root_fd_, "proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!process.alive()) return refused("the process has gone");

    // As the reader's user from here on: what it may not open is not read.
    Status status = become(credentials.value(), cpu_limit_s(order_.file_size));
    if (!status.ok()) return status;
    status = check(found.file.get(), found.stacked);
    if (!status.ok()) return status;
    const UniqueFd file(openat(own_descriptors.get(), std::to_string(found.file.get()).c_str(),
                               O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file) return errno_error(errno, "open as the reader's user");
    status = check(file.get(), found.stacked);
    if (status.ok()) {
      status = allow_only({{SCMP_SYS(fadvise64)},
                           {SCMP_SYS(pread64)},
                           {SCMP_SYS(ppoll)},
                           {SCMP_SYS(recvfrom)},
                           {SCMP_SYS(clock_gettime)},
                           {SCMP_SYS(getrusage)}});
    }
    if (!status.ok()) return status;
    return read_ahead(file.get(), order_, link_);
  }

  [[nodiscard]] Status check(int fd, bool stacked) const {
    struct statx status {};
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &status) != 0) {
      return errno_error(errno, "stat");
    }
    const FileId shown{status.stx_dev_major, status.stx_dev_minor, status.stx_ino};
    const FileId& wanted = order_.reader.file;
    if (!S_ISREG(status.stx_mode)) return refused("not a regular file");
    if (shown.inode != wanted.inode || (!stacked && shown != wanted)) {
      return refused("the file is another one by now");
    }
    if (status.stx_size != order_.file_size) return refused("the file has another size by now");
    return {};
  }

  Status by_mapping(const ProcessDir& process, const FoundFile& found) {
    MappedFile file;
    file.pid = order_.reader.process.pid;
    file.size = order_.file_size;
    file.start_bytes = order_.start_bytes;
    file.step_bytes = order_.step_bytes;
    file.unit_bytes = order_.unit_bytes;
    file.shown = shown_in_maps(found, order_.reader.file);
    const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, file.pid, 0)));
    // It goes on showing this process's memory, also when the pid is used again.
    const UniqueFd maps(openat(process.fd(), "maps", O_RDONLY | O_CLOEXEC));
    if (!pidfd || !maps) return errno_error(errno, "open the reader's mappings");
    if (!process.alive()) return refused("the process has gone");
    file.pidfd = pidfd.get();
    file.maps_fd = maps.get();
    std::optional<FuseConnection> fuse;
    if (found.fuse) {
      auto connection = FuseConnection::open(root_fd_, order_.reader.file);
      if (!connection) return connection.error();
      fuse = std::move(connection.value());
      file.fuse = &*fuse;
      setfsuid(fuse->owner());
    }
    Status status =
        keep_capabilities({CAP_SYS_PTRACE, CAP_SYS_NICE}, cpu_limit_s(order_.file_size));
    if (status.ok()) {
      constexpr int writing = O_ACCMODE | O_CREAT | O_TRUNC;
      status = allow_only({{SCMP_SYS(process_madvise)},
                           {SCMP_SYS(process_vm_readv)},
                           {SCMP_SYS(read)},
                           {SCMP_SYS(pread64)},
                           {SCMP_SYS(lseek)},
                           {SCMP_SYS(openat), {SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY)}},
                           {SCMP_SYS(ppoll)},
                           {SCMP_SYS(recvfrom)},
                           {SCMP_SYS(clock_gettime)},
                           {SCMP_SYS(getrusage)}});
    }
    if (!status.ok()) return status;
    return advise_ahead(file, link_);
  }

  const int root_fd_;
  const PrefetchOrder& order_;
  DaemonLink& link_;
};

}  // namespace

Status read_ahead_of(int root_fd, const PrefetchOrder& order, DaemonLink& link) {
  return Worker(root_fd, order, link).run();
}

}  // namespace tuneshift
