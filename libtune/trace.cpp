// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/trace.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libtune/escape.h"
#include "libtune/trace_fields.h"
#include "libtune/trace_text.h"

namespace tuneshift {

namespace {

constexpr std::string_view magic = "tuneshift-trace ";
constexpr size_t shown_bytes = 64;  // of what is wrong in a message

std::string quoted(std::string_view text) {
  return "'" + escape(text, shown_bytes) + "'";
}

std::string version_text(unsigned major, unsigned minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

/// What has no value needs no key.
template <typename T>
bool is_absent(const T& value) {
  if constexpr (requires { value.empty(); }) return value.empty();
  return false;
}

template <typename T>
bool is_absent(const std::optional<T>& value) {
  return !value;
}

class LineWriter {
 public:
  explicit LineWriter(std::string& line) : line_(line) {}

  template <typename T>
  void need(std::string_view key, const T& value) {
    line_ += ' ';
    line_ += key;
    line_ += '=';
    line_ += to_trace_text(value);
  }

  template <typename T>
  void operator()(std::string_view key, const T& value) {
    if (!is_absent(value)) need(key, value);
  }

  template <typename T>
  void operator()(std::string_view key, const std::optional<T>& value) {
    if (value) need(key, *value);
  }

 private:
  std::string& line_;
};

/// Hands out the values of one line; what is left at the end is not known.
class LineReader {
 public:
  /// Empty when it went well, else what is wrong.
  std::string split(std::string_view text) {
    while (!text.empty()) {
      const size_t end = std::min(text.find(' '), text.size());
      const std::string_view word = text.substr(0, end);
      const size_t equals = word.find('=');
      if (equals == std::string_view::npos || equals == 0) {
        return "expected key=value instead of " + quoted(word);
      }
      const std::string_view key = word.substr(0, equals);
      if (find(key) != values_.end()) return quoted(key) + " is there twice";
      values_.emplace_back(key, word.substr(equals + 1));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return {};
  }

  template <typename T>
  void operator()(std::string_view key, T& value) {
    const auto found = find(key);
    if (found == values_.end()) return;
    if (!from_trace_text(found->second, value))
      fail("has a wrong " + quoted(key) + ": " + quoted(found->second));
    values_.erase(found);
  }

  template <typename T>
  void need(std::string_view key, T& value) {
    if (find(key) == values_.end()) fail("needs " + quoted(key));
    (*this)(key, value);
  }

  [[nodiscard]] const std::string& mistake() const { return mistake_; }
  [[nodiscard]] std::optional<std::string_view> unknown() const {
    return values_.empty() ? std::nullopt : std::optional(values_.front().first);
  }

 private:
  using Values = std::vector<std::pair<std::string_view, std::string_view>>;

  Values::iterator find(std::string_view key) {
    return std::find_if(values_.begin(), values_.end(),
                        [key](const auto& value) { return value.first == key; });
  }

  void fail(std::string mistake) {
    if (mistake_.empty()) mistake_ = std::move(mistake);
  }

  Values values_;
  std::string mistake_;
};

/// An empty body of the kind that has this name.
template <size_t... Index>
std::optional<TraceBody> body_of(std::string_view kind, std::index_sequence<Index...>) {
  std::optional<TraceBody> body;
  const auto attempt = [&]<typename Body>(std::in_place_type_t<Body>) {
    if (kind == trace_kind<Body>) body.emplace(Body{});
  };
  (attempt(std::in_place_type<std::variant_alternative_t<Index, TraceBody>>), ...);
  return body;
}

/// What the detector was told or has decided, at a time.
bool needs_time(const TraceBody& body) {
  return !std::holds_alternative<TraceOrigin>(body) &&
         !std::holds_alternative<TraceSettings>(body) &&
         !std::holds_alternative<TraceMachine>(body) && !std::holds_alternative<TraceDisk>(body) &&
         !std::holds_alternative<TraceStore>(body) && !std::holds_alternative<TraceLost>(body) &&
         !std::holds_alternative<TraceEnd>(body) && !std::holds_alternative<TraceLabel>(body);
}

class TraceParser {
 public:
  Result<Trace> parse(std::string_view text) {
    if (text.size() > most_trace_bytes) {
      return Error{ErrorCode::limit_exceeded, "a trace has 64 MiB at most", {}, 0};
    }
    Trace trace;
    for (number_ = 1; !text.empty(); ++number_) {
      if (number_ > most_trace_lines) return limit("a trace has 500000 lines at most");
      const size_t end = std::min(text.find('\n'), text.size());
      if (end > longest_trace_line) return limit("longer than 64 KiB");
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (number_ == 1) {
        if (auto header = read_header(line); !header.ok()) return header.error();
      } else if (!line.empty() && line.front() != '#') {
        auto entry = read_line(line);
        if (!entry.ok()) return entry.error();
        trace.push_back(std::move(entry).value());
      }
    }
    if (number_ == 1) return mistake("no trace of tuneshift: it is empty");
    return trace;
  }

 private:
  Error mistake(const std::string& what) const {
    return {ErrorCode::invalid_argument, "line " + std::to_string(number_) + ": " + what, {}, 0};
  }

  Error limit(const std::string& what) const {
    return {ErrorCode::limit_exceeded, "line " + std::to_string(number_) + ": " + what, {}, 0};
  }

  Error unknown(const std::string& what) const {
    if (minor_ <= trace_minor) return mistake(what);
    return mistake(what + ": written by a newer tuneshift, as format " +
                   version_text(trace_major, minor_) + "; this one reads up to " +
                   version_text(trace_major, trace_minor));
  }

  Status read_header(std::string_view line) {
    if (!line.starts_with(magic)) return mistake("no trace of tuneshift");
    line.remove_prefix(magic.size());
    const size_t point = std::min(line.find('.'), line.size());
    unsigned major = 0;
    if (point == line.size() || !from_trace_text(line.substr(0, point), major) ||
        !from_trace_text(line.substr(point + 1), minor_)) {
      return mistake(quoted(line) + " is no version");
    }
    if (major == trace_major) return {};
    return mistake("format " + version_text(major, minor_) + "; this tuneshift reads " +
                   std::to_string(trace_major) + ".x");
  }

  Result<TraceEntry> read_line(std::string_view line) const {
    TraceEntry entry;
    if (line.front() >= '0' && line.front() <= '9') {
      const size_t end = std::min(line.find(' '), line.size());
      if (!from_trace_text(line.substr(0, end), entry.time_ns)) {
        return mistake(quoted(line.substr(0, end)) + " is no time");
      }
      line.remove_prefix(std::min(end + 1, line.size()));
    }
    const std::string_view kind = line.substr(0, line.find(' '));
    auto body = body_of(kind, std::make_index_sequence<std::variant_size_v<TraceBody>>());
    if (!body) return unknown("no kind of line is called " + quoted(kind));
    line.remove_prefix(std::min(kind.size() + 1, line.size()));
    LineReader reader;
    if (const std::string wrong = reader.split(line); !wrong.empty()) return mistake(wrong);
    std::visit([&](auto& of_kind) { fields(reader, of_kind); }, *body);
    if (!reader.mistake().empty()) return mistake(quoted(kind) + " " + reader.mistake());
    if (const auto key = reader.unknown()) {
      return unknown(quoted(kind) + " has no key " + quoted(*key));
    }
    entry.body = std::move(*body);
    if (entry.time_ns == 0 && needs_time(entry.body)) {
      return mistake(quoted(kind) + " needs a time");
    }
    if (auto* event = std::get_if<Event>(&entry.body)) event->time_ns = entry.time_ns;
    return entry;
  }

  size_t number_ = 1;
  unsigned minor_ = 0;
};

}  // namespace

const char* to_string(TraceLabel::Is is) {
  switch (is) {
    case TraceLabel::Is::load:
      return "load";
    case TraceLabel::Is::not_load:
      return "not-load";
    case TraceLabel::Is::server:
      break;
  }
  return "server";
}

std::string trace_header() {
  return std::string(magic) + version_text(trace_major, trace_minor) + '\n';
}

std::string to_line(const TraceEntry& entry) {
  std::string line;
  if (entry.time_ns != 0) line = std::to_string(entry.time_ns) + ' ';
  std::visit(
      [&]<typename Body>(const Body& body) {
        line += trace_kind<Body>;
        LineWriter writer(line);
        fields(writer, body);
      },
      entry.body);
  return line + '\n';
}

Result<Trace> parse_trace(std::string_view text) {
  return TraceParser().parse(text);
}

}  // namespace tuneshift
