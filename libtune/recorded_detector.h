// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <utility>

#include "libtune/detector.h"
#include "libtune/trace.h"

namespace tuneshift {

/// A Detector whose inputs and decisions can be listened to. It hides the base on purpose: an input
/// that is added there does not compile for the callers until it is recorded here too, and one that
/// is not recorded would not replay.
class RecordedDetector : private Detector {
 public:
  using Listener = std::function<void(const TraceEntry&)>;

  using Detector::active_readers;
  using Detector::bytes_before;
  using Detector::Changes;
  using Detector::facts;
  using Detector::is_undecided_or_loading;
  using Detector::known_reader;
  using Detector::knows;
  using Detector::latest;
  using Detector::load;
  using Detector::next_deadline_ns;
  using Detector::set_settings;  // the listener asks for them before each entry
  using Detector::wants_sample;
  using Detector::watches;

  explicit RecordedDetector(DetectorSettings settings) : Detector(settings) {}

  /// Tells of each input before it is taken, and of each decision; empty: of nothing, at no cost.
  void listen(Listener listener) { listener_ = std::move(listener); }

  Changes on_event(const Event& event);
  Changes on_facts(const Reader& reader, const Result<Facts>& facts, uint64_t now_ns);
  Changes on_sample(const Reader& reader, const ProcessSample& sample, uint64_t now_ns);
  Changes on_bytes(const Reader& reader, uint64_t bytes, uint64_t now_ns);
  Changes on_consumed(const Reader& reader, uint64_t bytes, uint64_t now_ns);
  Changes on_process_gone(const ProcessId& process, uint64_t now_ns);
  Changes on_timer(uint64_t now_ns);
  Changes cancel(uint32_t load, uint64_t now_ns);

 private:
  Changes told(Changes changes, uint64_t now_ns) const;
  Listener listener_;
};

}  // namespace tuneshift
