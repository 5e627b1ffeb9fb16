// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace tuneshift::test {

/// Ways to read a whole file once; for a forked reader: true on success, no Catch2 in them.
bool read_mapped(const std::string& path);
bool read_sequentially(const std::string& path);
bool read_in_threads(const std::string& path);
bool read_directly(const std::string& path);
bool read_by_io_uring(const std::string& path);

}  // namespace tuneshift::test
