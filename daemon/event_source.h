// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <systemd/sd-event.h>

namespace tuneshift {

/// One reference to an event source; dropping it disables the source.
class EventSource {
 public:
  EventSource() = default;
  EventSource(const EventSource&) = delete;
  EventSource& operator=(const EventSource&) = delete;
  ~EventSource() { reset(); }
  void reset() { source_ = sd_event_source_disable_unref(source_); }
  sd_event_source** out() { return &source_; }

 private:
  sd_event_source* source_ = nullptr;
};

}  // namespace tuneshift
