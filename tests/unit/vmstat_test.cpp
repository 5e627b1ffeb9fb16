// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/vmstat.h"

#include "tests/catch.h"
#include "tests/unit/memory_kernel_fs.h"

using namespace tuneshift;

TEST_CASE("the counters of the page cache are found by their whole names", "[vmstat]") {
  const VmStat stat = parse_vmstat(
      "nr_free_pages 1\npgpgin 400\npgmajfault 30\nworkingset_refault_anon 7\n"
      "workingset_refault_file 20\npgsteal_anon 8\npgsteal_file 10\npgsteal_file_more 9\n"
      "pgalloc_dma32 3\npgalloc_normal 50\npgalloc_movable 600\npgalloc_costly 7000\n");
  CHECK(stat.refaulted_pages == 20);
  CHECK(stat.evicted_pages == 10);
  CHECK(stat.major_faults == 30);
  CHECK(stat.paged_in_kib == 400);
  CHECK(stat.allocated_pages == 653);
}

TEST_CASE("what the kernel does not count is 0", "[vmstat]") {
  const VmStat stat = parse_vmstat("pgmajfault\npgpgin x\npgsteal_file -1\n\nworkingset 5");
  CHECK(stat.refaulted_pages == 0);
  CHECK(stat.evicted_pages == 0);
  CHECK(stat.major_faults == 0);
  CHECK(stat.paged_in_kib == 0);
}

TEST_CASE("between two readings counters only grow", "[vmstat]") {
  const VmStat change = VmStat{.refaulted_pages = 9, .evicted_pages = 3} -
                        VmStat{.refaulted_pages = 4, .evicted_pages = 5};
  CHECK(change.refaulted_pages == 5);
  CHECK(change.evicted_pages == 0);
}

TEST_CASE("a machine without proc/vmstat is an error", "[vmstat]") {
  test::MemoryKernelFs kernel;
  CHECK_FALSE(read_vmstat(kernel).ok());
  kernel.files["proc/vmstat"] = "pgmajfault 5";
  CHECK(read_vmstat(kernel).value().major_faults == 5);
}
