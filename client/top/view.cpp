// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/top/view.h"

#include <algorithm>
#include <vector>

#include "client/loads.h"
#include "client/table.h"
#include "client/utf8.h"

namespace tuneshift::top {

namespace {

constexpr size_t kBarWidth = 20;

std::string rate_of(const Json& row, const char* key) {
  return row.has(key) ? human_rate(row[key].number()) : "";
}

std::string number_of(const Json& row, const char* key) {
  return row.has(key) ? row[key].text() : "";
}

/// "< 32 µs": the end of the bucket that it is in.
std::string limit_of(const Json& row, const char* key) {
  return row.has(key) ? "<" + human_duration(row[key].number()) : "";
}

std::string size_of(const Json& row, const char* key) {
  return row.has(key) ? human_size(row[key].number()) : "";
}

std::string headline(const Json& model, const Style& style) {
  std::string text = paint(style, Colour::bold, "tuneshift") + ": ";
  if (model.has("trouble")) return text + paint(style, Colour::red, model["trouble"].text()) + '\n';
  const std::string state = model["state"].text();
  text += paint(style, state == "idle" ? Colour::none : Colour::green, printable(state));
  text += ", mode " + printable(model["mode"].text());
  const std::string profiles = printable(model["active_profiles"].text());
  text += ", profiles " + (profiles.empty() ? "none" : profiles);
  return text + ", " + counted(model["servers"].number(), "server") + '\n';
}

/// Hits are not probed: that would cost something on each.
std::string page_cache(const Json& memory, const Style& style) {
  std::string text = paint(style, Colour::bold, "page cache") + ": " +
                     human_size(memory["cached"].number()) + ", " +
                     human_size(memory["dirty"].number()) + " dirty";
  if (!memory.has("read_rate")) return text + '\n';
  const bool thrash = memory["refault_rate"].number() != 0 && memory["eviction_rate"].number() != 0;
  const Colour colour = thrash ? Colour::red : Colour::none;
  text += "; read in " + rate_of(memory, "read_rate");
  text += ", refaults " + paint(style, colour, rate_of(memory, "refault_rate"));
  text += ", evictions " + paint(style, colour, rate_of(memory, "eviction_rate"));
  return text + ", " + counted(memory["major_faults"].number(), "major fault") + "/s\n";
}

std::string render_loads(const Json& loads, const Style& style) {
  if (loads.size() == 0) return "No loads.\n";
  Table table({{"LOAD", Align::right},
               {"MODEL", Align::left, 12, true},
               {style.columns == 0 ? "" : "PROGRESS", Align::left, 0, false, 3},
               {"DONE", Align::right},
               {"LOADED", Align::left, 0, false, 4},
               {"RATE", Align::right},
               {"TIME"},
               {"MISSES", Align::right, 0, false, 2},
               {"ASSISTANCE", Align::left, 10, false, 1}});
  for (const auto& load : loads.items()) {
    const bool running = is_loading(load);
    const std::string progress =
        style.columns == 0 || !running
            ? ""
            : bar(style, load["bytes_loaded"].number(), load["bytes_total"].number(), kBarWidth);
    const Colour colour = running ? Colour::none : Colour::dim;
    table.add({{load["id"].text(), colour},
               {load_name(load), colour},
               {progress, Colour::green},
               {std::to_string(load_percent(load)) + " %", colour},
               {load_progress(load), colour},
               {human_rate(load_rate(load)), colour},
               {load_time(load), colour},
               {size_of(load, "missed"), colour},
               {load["assistance"].text(), colour}});
  }
  std::string text = table.render(style);
  for (const auto& load : loads.items()) {
    const std::string warning = load["warning"].text();
    if (!warning.empty())
      text +=
          "load " + load["id"].text() + ": " + paint(style, Colour::red, printable(warning)) + '\n';
  }
  return text;
}

std::string render_readers(const Json& model, const Style& style) {
  if (model.has("hidden"))
    return "Readers are not shown: " + printable(model["hidden"].text()) + '\n';
  Table table({{"PID", Align::right},
               {"LOAD", Align::right, 0, false, 2},
               {"MISSES/S", Align::right},
               {"MISSES", Align::right, 0, false, 3},
               {"FAULTS/S", Align::right, 0, false, 4},
               {"MEMORY", Align::right, 0, false, 5},
               {"COMMAND", Align::left, 12},
               {"FILE", Align::left, 12, true, 1}});
  std::vector<Json> readers = model["readers"].items();
  std::stable_sort(readers.begin(), readers.end(), [](const Json& one, const Json& other) {
    return one["miss_rate"].number() > other["miss_rate"].number();
  });
  for (const auto& reader : readers) {
    table.add({reader["pid"].text(), reader["load"].text(), rate_of(reader, "miss_rate"),
               size_of(reader, "missed"), number_of(reader, "major_faults"),
               size_of(reader, "resident"), reader["command"].text(), reader["path"].text()});
  }
  return table.render(style);
}

bool is_busy(const Json& device) {
  return !device.has("reads") || device["reads"].number() + device["writes"].number() != 0 ||
         device["utilisation"].number() != 0 || device.has("device_p50");
}

std::string render_devices(const Json& devices, const Style& style) {
  Table table({{"DEVICE"},
               {"READ", Align::right},
               {"WRITE", Align::right},
               {"READS/S", Align::right, 0, false, 3},
               {"WRITES/S", Align::right, 0, false, 2},
               {"QUEUE P50", Align::right, 0, false, 1},
               {"P99", Align::right},
               {"DEVICE P50", Align::right, 0, false, 4},
               {"P99", Align::right},
               {"BUSY", Align::right}});
  uint64_t idle = 0;
  for (const auto& device : devices.items()) {
    if (!is_busy(device)) {
      ++idle;
      continue;
    }
    const uint64_t busy = device["utilisation"].number();
    table.add({device["name"].text(),
               rate_of(device, "read_rate"),
               rate_of(device, "write_rate"),
               number_of(device, "reads"),
               number_of(device, "writes"),
               limit_of(device, "queue_p50"),
               limit_of(device, "queue_p99"),
               limit_of(device, "device_p50"),
               limit_of(device, "device_p99"),
               {device.has("utilisation") ? std::to_string(busy) + " %" : "",
                busy >= 90 ? Colour::yellow : Colour::none}});
  }
  std::string text = table.render(style);
  if (idle != 0) text += paint(style, Colour::dim, counted(idle, "idle device")) + '\n';
  return text;
}

/// The line cut to so many characters; colours take no room.
std::string cut_line(std::string_view line, size_t columns) {
  std::string out;
  size_t shown = 0;
  bool coloured = false;
  while (!line.empty()) {
    size_t length = 0;
    if (line.starts_with("\033[")) {
      length = std::min(line.find('m') + 1, line.size());
      coloured = line.substr(0, length) != "\033[0m";
    } else {
      if (shown++ == columns) break;
      length = std::max<size_t>(utf8_length(line), 1);
    }
    out += line.substr(0, length);
    line.remove_prefix(length);
  }
  if (coloured) out += "\033[0m";
  return out;
}

std::string cut_lines(const std::string& text, size_t columns) {
  if (columns == 0) return text;
  std::string out;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    out += cut_line(std::string_view(text).substr(start, end - start), columns) + '\n';
    start = end + 1;
  }
  return out;
}

/// The first lines, and how many more there are.
std::string cut(const std::string& text, size_t rows) {
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  if (rows == 0 || lines <= rows) return text;
  size_t end = 0;
  for (size_t i = 0; i + 1 < rows; ++i) end = text.find('\n', end) + 1;
  return text.substr(0, end) + counted(lines - rows + 1, "more line") + '\n';
}

}  // namespace

std::string render(const Json& model, const Style& style, size_t rows) {
  std::string text = headline(model, style) + page_cache(model["memory"], style);
  const auto add = [&text](const std::string& part) {
    if (!part.empty()) text += '\n' + part;
  };
  add(render_loads(model["loads"], style));
  add(render_readers(model, style));
  add(render_devices(model["devices"], style));
  return cut_lines(cut(text, rows), style.columns);
}

}  // namespace tuneshift::top
