// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A large file is about to be mapped: seen before its first page is read, and also when all of it
// is cached already. Most large mappings are anonymous memory; those end here.
#include "count_reader.h"

#define BUDGET_WINDOW_NS 1000000000ULL
#define BUDGET_EVENTS 128  // of one process in a window: the shards of a model, but no flood
#define MAX_ERRNO 4095UL

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct process_key {
  __u64 start_ns;
  __u64 pid;
};

struct budget {
  __u64 window_ns;  // when the present window began
  __u64 events;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, struct process_key);
  __type(value, struct budget);
} budgets SEC(".maps");

static __always_inline bool within_budget(const struct tuneshift_reader_key* reader, __u64 now_ns) {
  struct process_key key = {.start_ns = reader->start_ns, .pid = reader->pid};
  struct budget* budget = bpf_map_lookup_elem(&budgets, &key);
  if (!budget) {
    struct budget fresh = {.window_ns = now_ns, .events = 1};
    bpf_map_update_elem(&budgets, &key, &fresh, BPF_ANY);
    return true;
  }
  if (now_ns - budget->window_ns >= BUDGET_WINDOW_NS) {
    budget->window_ns = now_ns;
    budget->events = 0;
  }
  return __sync_fetch_and_add(&budget->events, 1) < BUDGET_EVENTS;
}

// The inode behind the descriptor of the mmap call that the current task is in; NULL when it is in
// another call or maps no file.
static __always_inline struct inode* mapped_inode(struct task_struct* task) {
  struct pt_regs* regs = (struct pt_regs*)bpf_task_pt_regs(task);
#if defined(__TARGET_ARCH_x86)
  if (regs->orig_ax != NR_MMAP) return NULL;
  __u64 flags = regs->r10;
  __u32 fd = (__u32)regs->r8;
#elif defined(__TARGET_ARCH_arm64)
  if (regs->syscallno != NR_MMAP) return NULL;
  __u64 flags = regs->regs[3];
  __u32 fd = (__u32)regs->regs[4];
#endif
  if (flags & MAP_ANONYMOUS) return NULL;
  struct fdtable* table = BPF_CORE_READ(task, files, fdt);
  if (!table || fd >= BPF_CORE_READ(table, max_fds)) return NULL;
  struct file* file = NULL;
  bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
  return file ? BPF_CORE_READ(file, f_inode) : NULL;
}

SEC("tp_btf/vm_unmapped_area")
int BPF_PROG(on_unmapped_area, unsigned long addr, struct vm_unmapped_area_info* info) {
  const struct tuneshift_settings* set = get_settings();
  if (!set || info->length < set->size_floor || addr >= -MAX_ERRNO) return 0;
  struct task_struct* task = bpf_get_current_task_btf();
  if (task->flags & PF_KTHREAD) return 0;
  struct inode* inode = mapped_inode(task);
  if (!inode) return 0;

  struct file_facts file = {};
  if (!describe_file(inode, set, &file) || !describe_process(set, &file)) return 0;
  __u64 now_ns = bpf_ktime_get_ns();
  struct tuneshift_reader_counts* counts = find_reader(&file.key, now_ns);
  // A file that is mapped again and again says nothing new within a second.
  if (!counts || (counts->mapping_ns && now_ns - counts->mapping_ns < BUDGET_WINDOW_NS)) return 0;
  if (!within_budget(&file.key, now_ns)) return 0;
  counts->mapping_ns = now_ns;
  emit_event(&file, counts, now_ns, TUNESHIFT_MAPPING);
  return 0;
}
