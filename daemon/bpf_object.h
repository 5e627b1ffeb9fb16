// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/unique_fd.h"
#include "libtune/result.h"

namespace tuneshift {

/// Descriptors by map name.
using BpfMaps = std::map<std::string, UniqueFd, std::less<>>;

/// What stays of a loaded object: descriptors. libbpf's own memory is given back.
struct BpfObject {
  std::vector<UniqueFd> programs;
  BpfMaps maps;
};

/// The entries of an LRU map on a machine with so many possible CPUs: as many as were declared, or
/// more, for 512 CPUs at most. Each CPU takes 128 free ones at a time for itself
/// (LOCAL_FREE_TARGET, kernel/bpf/bpf_lru_list.c); where none are left for the others, kernels
/// without d4adf1c9ee77 (June 2025) drop entries that are in use, however few those are.
uint32_t lru_entries(uint32_t declared, int possible_cpus);

/// Loads a compiled object; a map whose name is in `shared` is that map, not a new one, and LRU
/// maps have lru_entries(). The error's message is one line that a person understands ("not
/// permitted: …", "no BTF: …").
Result<BpfObject> load_bpf_object(const char* name, std::span<const char> image,
                                  const BpfMaps& shared);

/// Starts a loaded BTF tracepoint program; closing the descriptor stops it.
Result<UniqueFd> attach_bpf_program(const UniqueFd& program);

/// Starts a loaded program of type cgroup/sysctl for everything in a cgroup, beside any other;
/// closing the descriptor stops it.
Result<UniqueFd> attach_to_cgroup(const UniqueFd& program, const UniqueFd& cgroup);

/// Which of these tracepoints the running kernel lacks; an error when it has no BTF.
Result<std::vector<std::string>> missing_tracepoints(const std::vector<std::string>& names);

}  // namespace tuneshift
