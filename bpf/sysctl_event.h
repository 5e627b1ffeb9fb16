// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the sysctl_writes probe shares with user space.
#pragma once

#define TUNESHIFT_SYSCTL_NAME_LENGTH 96  // with its end; a longer name is cut
#define TUNESHIFT_SYSCTL_COMM_LENGTH 16

// One process that is about to write one sysctl.
struct tuneshift_sysctl_event {
  __u64 start_ns;  // of the thread group leader, as in tuneshift_reader_key
  __u32 pid;
  __u32 padding;
  char command[TUNESHIFT_SYSCTL_COMM_LENGTH];
  char name[TUNESHIFT_SYSCTL_NAME_LENGTH];  // "vm/swappiness"
};
