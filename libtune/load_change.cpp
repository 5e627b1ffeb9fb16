// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/load_change.h"

namespace tuneshift {

const char* to_string(LoadChangeKind kind) {
  switch (kind) {
    case LoadChangeKind::suspected:
      return "suspected";
    case LoadChangeKind::look_again:
      return "look again";
    case LoadChangeKind::recognised:
      return "recognised";
    case LoadChangeKind::dormant:
      return "dormant";
    case LoadChangeKind::forgotten:
      return "forgotten";
    case LoadChangeKind::rejected:
      return "rejected";
    case LoadChangeKind::started:
      return "started";
    case LoadChangeKind::joined:
      return "joined";
    case LoadChangeKind::progress:
      return "progress";
    case LoadChangeKind::finished:
      return "finished";
    case LoadChangeKind::abandoned:
      return "abandoned";
    case LoadChangeKind::serving:
      break;
  }
  return "serving";
}

const char* to_string(Load::State state) {
  switch (state) {
    case Load::State::loading:
      return "loading";
    case Load::State::finished:
      return "finished";
    case Load::State::abandoned:
      break;
  }
  return "abandoned";
}

}  // namespace tuneshift
