// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/writeback.h"

#include "libtune/knob_text.h"
#include "libtune/meminfo.h"

namespace tuneshift {

bool writeback_allows(const KernelFs& kernel, const Knob& knob, const std::string& current,
                      const std::string& wanted) {
  if (!knob.kind->waits_for_writeback) return true;
  const auto from = parse_number(current);
  const auto to = parse_number(wanted);
  // 0 means that the other of the two forms is in force: a change of form counts as lowering.
  if (!from || !to || *to == 0 || (*from != 0 && *to >= *from)) return true;
  const auto dirty = read_meminfo(kernel, "Dirty");
  if (!dirty) return true;
  if (knob.kind->unit == "bytes") return dirty.value() < *to / 1024;
  // The ratio is one of dirtyable memory: free, and the page cache of files.
  int64_t dirtyable = 0;
  for (const char* part : {"MemFree", "Active(file)", "Inactive(file)"}) {
    const auto kib = read_meminfo(kernel, part);
    if (!kib) return true;
    dirtyable += kib.value();
  }
  return dirty.value() < dirtyable / 100 * *to;
}

}  // namespace tuneshift
