// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// O_DIRECT reads of NFS, by process and file: they pass both the page cache and any disk of this
// machine. Runs once for each request to a server, in the reading task. The tracepoint is in the
// client's module, which a loaded program pins: see Probes::watch_nfs_reads().
#include "count_reader.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/nfs_initiate_read")
int BPF_PROG(on_nfs_read, struct nfs_pgio_header* request) {
  // The verifier of newer kernels takes whatever a module's tracepoint gives for possibly NULL.
  // Without a direct request these are pages for the cache: cache_fills counts them.
  if (!request || !request->dreq) return 0;
  const struct tuneshift_settings* set = get_settings();
  struct file_facts file = {};
  if (!set || !describe_file(request->inode, set, &file) || !describe_process(set, &file)) return 0;
  count_miss(&file, request->args.offset, request->args.count, TUNESHIFT_DIRECT_READ);
  return 0;
}
