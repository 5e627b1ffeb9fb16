// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "libtune/result.h"

namespace tuneshift {

/// Replaces `path` by one with this content, mode 0644: who reads it meanwhile sees the old file or
/// the new one, whole. The new one is made under another name in the same folder, which does not
/// end in .prom, so that node_exporter does not take it.
Status replace_text_file(const std::string& path, const std::string& content);

}  // namespace tuneshift
