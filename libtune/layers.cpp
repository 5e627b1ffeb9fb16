// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/layers.h"

#include <utility>

namespace tuneshift {

void add_mistake(const Error& error, Diagnostics& mistakes) {
  mistakes.push_back({error.path, 0, 0, error.message});
}

void Layers::add(const std::string& path) {
  Result<TrustedDirectory> directory = TrustedDirectory::open(path);
  if (!directory) {
    if (directory.error().code != ErrorCode::not_found) add_mistake(directory.error(), mistakes_);
    return;
  }
  const auto names = directory.value().list(suffix_, most_files_);
  if (!names) {
    add_mistake(names.error(), mistakes_);
    return;
  }
  for (const std::string& file : names.value()) last_with_[file] = opened_.size();
  opened_.push_back(std::move(directory).value());
}

}  // namespace tuneshift
