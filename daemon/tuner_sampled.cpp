// SPDX-License-Identifier: LGPL-2.1-or-later
// The tuner's part for readers that no probe sees: sampled from proc(5), late and coarse.
#include "daemon/tuner.h"

namespace tuneshift {

bool Tuner::on_sampled(Event event, bool from_birth) {
  if (policy_.mode() == Mode::paused || policy_.mode() == Mode::manual) return true;
  event.reader = detector_.known_reader(event.reader);
  if (from_birth && detector_.latest(event.reader) == nullptr) {
    // All that it has read and kept is its own doing: judged from nothing on, as it may be done.
    Event birth = event;
    birth.bytes = 0;
    carry_out(detector_.on_event(birth));
    carry_out(detector_.on_sample(event.reader, {}, birth.time_ns));
  }
  on_event(event);
  return detector_.watches(event.reader);
}

}  // namespace tuneshift
