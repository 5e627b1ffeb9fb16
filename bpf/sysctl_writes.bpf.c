// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Who writes a sysctl. Runs before the write has its effect, and lets every one pass.
#include "kernel_types.h"
// kernel_types.h goes first: the helpers below need its types.
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "shared_maps.h"
#include "sysctl_event.h"

#define ALLOW 1

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Its own: whoever writes sysctls in a loop keeps no reader's event out.
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 16 << 10);
} sysctl_events SEC(".maps");

// Records that found the ring buffer full.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} sysctl_lost SEC(".maps");

// Root of a container's own user namespace writes that container's settings alone.
static __always_inline bool may_write_the_machines(struct task_struct* task) {
  return BPF_CORE_READ(task, cred, euid.val) == 0 || BPF_CORE_READ(task, cred, user_ns, level) == 0;
}

SEC("cgroup/sysctl")
int on_sysctl(struct bpf_sysctl* context) {
  if (!context->write) return ALLOW;
  __u32 zero = 0;
  const struct tuneshift_settings* set = bpf_map_lookup_elem(&settings, &zero);
  struct task_struct* task = bpf_get_current_task_btf();
  if (!set || (__u32)task->tgid == set->own_pid || !may_write_the_machines(task)) return ALLOW;

  struct tuneshift_sysctl_event* event = bpf_ringbuf_reserve(&sysctl_events, sizeof(*event), 0);
  if (!event) {
    __u64* lost = bpf_map_lookup_elem(&sysctl_lost, &zero);
    if (lost) __sync_fetch_and_add(lost, 1);
    return ALLOW;
  }
  __builtin_memset(event, 0, sizeof(*event));
  event->pid = task->tgid;
  event->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
  BPF_CORE_READ_STR_INTO(&event->command, task, group_leader, comm);
  bpf_sysctl_get_name(context, event->name, sizeof(event->name), 0);
  bpf_ringbuf_submit(event, 0);
  return ALLOW;
}
