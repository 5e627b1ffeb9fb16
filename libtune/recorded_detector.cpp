// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/recorded_detector.h"

namespace tuneshift {

Detector::Changes RecordedDetector::told(Changes changes, uint64_t now_ns) const {
  if (!listener_) return changes;
  for (const LoadChange& change : changes) {
    if (change.kind != LoadChangeKind::progress) listener_({now_ns, TraceDecision{change}});
  }
  return changes;
}

Detector::Changes RecordedDetector::on_event(const Event& event) {
  if (listener_) listener_({event.time_ns, event});
  return told(Detector::on_event(event), event.time_ns);
}

Detector::Changes RecordedDetector::on_facts(const Reader& reader, const Result<Facts>& facts,
                                             uint64_t now_ns) {
  if (listener_ && facts.ok()) listener_({now_ns, TraceFacts{reader, facts.value()}});
  if (listener_ && !facts.ok()) {
    listener_({now_ns, TraceFailure{reader, facts.error().code, facts.error().message}});
  }
  return told(Detector::on_facts(reader, facts, now_ns), now_ns);
}

Detector::Changes RecordedDetector::on_sample(const Reader& reader, const ProcessSample& sample,
                                              uint64_t now_ns) {
  if (listener_) listener_({now_ns, TraceSample{reader, sample}});
  return told(Detector::on_sample(reader, sample, now_ns), now_ns);
}

Detector::Changes RecordedDetector::on_bytes(const Reader& reader, uint64_t bytes,
                                             uint64_t now_ns) {
  if (listener_) listener_({now_ns, TraceBytes{reader, bytes}});
  return told(Detector::on_bytes(reader, bytes, now_ns), now_ns);
}

Detector::Changes RecordedDetector::on_consumed(const Reader& reader, uint64_t bytes,
                                                uint64_t now_ns) {
  if (listener_) listener_({now_ns, TraceConsumed{reader, bytes}});
  return told(Detector::on_consumed(reader, bytes, now_ns), now_ns);
}

Detector::Changes RecordedDetector::on_process_gone(const ProcessId& process, uint64_t now_ns) {
  if (listener_) listener_({now_ns, TraceGone{process}});
  return told(Detector::on_process_gone(process, now_ns), now_ns);
}

Detector::Changes RecordedDetector::on_timer(uint64_t now_ns) {
  if (listener_) listener_({now_ns, TraceTimer{}});
  return told(Detector::on_timer(now_ns), now_ns);
}

Detector::Changes RecordedDetector::cancel(uint32_t load, uint64_t now_ns) {
  if (listener_) listener_({now_ns, TraceCancel{load}});
  return told(Detector::cancel(load, now_ns), now_ns);
}

}  // namespace tuneshift
