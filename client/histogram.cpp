// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "client/table.h"

namespace tuneshift {

namespace {

constexpr size_t kNumbersWidth = 40;
constexpr size_t kBarsWidth = 40;

uint64_t bucket_start(size_t bucket) {
  if (bucket == 0) return 0;
  return bucket < 64 ? uint64_t{1} << bucket : std::numeric_limits<uint64_t>::max();
}

uint64_t count_at(const Json& buckets, size_t bucket) {
  return bucket < buckets.size() ? buckets.items()[bucket].number() : 0;
}

/// The first bucket that is not empty, and the one after the last.
struct Range {
  size_t first = 0;
  size_t end = 0;
};

Range used_range(const Json& buckets) {
  Range range;
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (count_at(buckets, i) == 0) continue;
    if (range.end == 0) range.first = i;
    range.end = i + 1;
  }
  return range;
}

Range joined(const Range& one, const Range& other) {
  if (one.end == 0) return other;
  if (other.end == 0) return one;
  return {std::min(one.first, other.first), std::max(one.end, other.end)};
}

uint64_t most_in(const Json& buckets) {
  uint64_t most = 0;
  for (const auto& count : buckets.items()) most = std::max(most, count.number());
  return most;
}

/// What is left of the line for all bars.
size_t bars_width(const Style& style, size_t numbers) {
  if (style.columns == 0 || style.columns >= numbers + kBarsWidth) return kBarsWidth;
  return style.columns > numbers + 10 ? style.columns - numbers : 10;
}

Cell bar_of(const Json& buckets, size_t bucket, size_t width, Colour colour, const Style& style) {
  const uint64_t count = count_at(buckets, bucket);
  if (count == 0) return {"", colour};
  const double share = static_cast<double>(count) / static_cast<double>(most_in(buckets));
  const auto length = static_cast<size_t>(std::lround(share * static_cast<double>(width)));
  return {bar(style, 1, 1, std::max<size_t>(length, 1)), colour};
}

std::string number_in(const Json& buckets, size_t bucket) {
  return count_requests(buckets) == 0 ? "" : std::to_string(count_at(buckets, bucket));
}

/// ", half under 32 µs, 99 % under 64 µs".
std::string limits(const Json& buckets) {
  return ", half under " + human_duration(percentile_limit(buckets, 0.5)) + ", 99 % under " +
         human_duration(percentile_limit(buckets, 0.99));
}

}  // namespace

uint64_t count_requests(const Json& buckets) {
  uint64_t total = 0;
  for (const auto& count : buckets.items()) total += count.number();
  return total;
}

uint64_t percentile_limit(const Json& buckets, double share) {
  const auto wanted = share * static_cast<double>(count_requests(buckets));
  if (wanted <= 0) return 0;
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    seen += count_at(buckets, i);
    if (static_cast<double>(seen) >= wanted) return bucket_start(i + 1);
  }
  return 0;
}

Json requests_since(const Json& earlier, const Json& later) {
  Json since = Json::array();
  for (size_t i = 0; i < later.size(); ++i) {
    if (count_at(later, i) < count_at(earlier, i)) return later;
    since.append(count_at(later, i) - count_at(earlier, i));
  }
  return since;
}

Json sum_of(const Json& some, const Json& others) {
  Json sum = Json::array();
  for (size_t i = 0; i < std::max(some.size(), others.size()); ++i)
    sum.append(count_at(some, i) + count_at(others, i));
  return sum;
}

Json queue_of_all(const Json& queue, const Json& device) {
  const uint64_t queued = count_requests(queue);
  const uint64_t all = count_requests(device);
  Json past = Json::array();
  past.append(all - std::min(queued, all));
  return sum_of(queue, past);
}

Json histogram_rows(const Json& buckets) {
  const Range range = used_range(buckets);
  Json rows = Json::array();
  for (size_t i = range.first; i < range.end; ++i) {
    Json row = Json::object();
    row.set("from", bucket_start(i)).set("to", bucket_start(i + 1));
    rows.append(row.set("count", count_at(buckets, i)));
  }
  return rows;
}

std::string render_latency(const std::string& title, const Json& queue, const Json& device,
                           const Style& style) {
  const uint64_t total = count_requests(device);
  const uint64_t queued = count_requests(queue);
  std::string text = paint(style, Colour::bold, title) + ": " + counted(total, "request");
  if (total == 0) return text + '\n';
  text += limits(device) + "; " + std::to_string(queued) + " queued" +
          (queued == 0 ? "" : limits(queue)) + '\n';
  const size_t width = bars_width(style, kNumbersWidth + (queued == 0 ? 0 : 15));
  const size_t each = queued == 0 ? width : width / 2;
  Table table({{"FROM", Align::right},
               {"TO", Align::right},
               {"QUEUE", Align::right},
               {""},
               {"DEVICE", Align::right},
               {""}});
  const Range range = joined(used_range(queue), used_range(device));
  for (size_t i = range.first; i < range.end; ++i) {
    table.add({human_duration(bucket_start(i)), human_duration(bucket_start(i + 1)),
               number_in(queue, i), bar_of(queue, i, each, Colour::yellow, style),
               number_in(device, i), bar_of(device, i, each, Colour::blue, style)});
  }
  return text + table.render(style);
}

std::string render_sizes(const std::string& title, const Json& sizes, const Style& style) {
  const uint64_t total = count_requests(sizes);
  std::string text = paint(style, Colour::bold, title) + ": " + counted(total, "request");
  if (total == 0) return text + '\n';
  text += ", half under " + human_size(percentile_limit(sizes, 0.5)) + '\n';
  Table table({{"FROM", Align::right}, {"TO", Align::right}, {"COUNT", Align::right}, {""}});
  const Range range = used_range(sizes);
  const size_t width = bars_width(style, kNumbersWidth);
  for (size_t i = range.first; i < range.end; ++i) {
    table.add({human_size(bucket_start(i)), human_size(bucket_start(i + 1)), number_in(sizes, i),
               bar_of(sizes, i, width, Colour::green, style)});
  }
  return text + table.render(style);
}

}  // namespace tuneshift
