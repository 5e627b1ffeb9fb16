// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "client/table.h"

namespace tuneshift {

namespace {

uint64_t bucket_start(size_t bucket) {
  if (bucket == 0) return 0;
  return bucket < 64 ? uint64_t{1} << bucket : std::numeric_limits<uint64_t>::max();
}

uint64_t total_of(const Json& buckets) {
  uint64_t total = 0;
  for (const auto& count : buckets.items()) total += count.number();
  return total;
}

}  // namespace

uint64_t percentile_limit_us(const Json& buckets, double share) {
  const auto wanted = share * static_cast<double>(total_of(buckets));
  if (wanted <= 0) return 0;
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    seen += buckets.items()[i].number();
    if (static_cast<double>(seen) >= wanted) return bucket_start(i + 1);
  }
  return 0;
}

Json histogram_rows(const Json& buckets) {
  const auto& items = buckets.items();
  const auto used = [](const Json& count) { return count.number() != 0; };
  const auto first = std::find_if(items.begin(), items.end(), used);
  const auto last = std::find_if(items.rbegin(), items.rend(), used).base();
  Json rows = Json::array();
  for (auto count = first; count < last; ++count) {
    const auto bucket = static_cast<size_t>(count - items.begin());
    Json row = Json::object();
    row.set("from", bucket_start(bucket)).set("to", bucket_start(bucket + 1));
    rows.append(row.set("count", count->number()));
  }
  return rows;
}

std::string render_histogram(const std::string& title, const Json& buckets, const Style& style) {
  constexpr size_t kNumbersWidth = 40;
  constexpr size_t kBarWidth = 40;
  const Json rows = histogram_rows(buckets);
  const uint64_t total = total_of(buckets);
  std::string text = paint(style, Colour::bold, title) + ": " + counted(total, "request");
  if (total == 0) return text + '\n';
  text += ", half under " + human_duration(percentile_limit_us(buckets, 0.5)) + ", 99 % under " +
          human_duration(percentile_limit_us(buckets, 0.99)) + '\n';
  uint64_t most = 0;
  for (const auto& row : rows.items()) most = std::max(most, row["count"].number());
  size_t width = kBarWidth;
  if (style.columns != 0 && style.columns < kNumbersWidth + kBarWidth)
    width = style.columns > kNumbersWidth + 10 ? style.columns - kNumbersWidth : 10;
  Table table({{"FROM", Align::right}, {"TO", Align::right}, {"COUNT", Align::right}, {""}});
  for (const auto& row : rows.items()) {
    const uint64_t count = row["count"].number();
    const double share = static_cast<double>(count) / static_cast<double>(most);
    const auto length = static_cast<size_t>(std::lround(share * static_cast<double>(width)));
    table.add({human_duration(row["from"].number()),
               human_duration(row["to"].number()),
               std::to_string(count),
               {bar(style, 1, 1, count == 0 ? 0 : std::max<size_t>(length, 1)), Colour::blue}});
  }
  return text + table.render(style);
}

}  // namespace tuneshift
