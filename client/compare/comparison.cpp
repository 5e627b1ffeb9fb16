// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/compare/comparison.h"

#include <algorithm>
#include <cstdio>

#include "client/table.h"
#include "client/utf8.h"

namespace tuneshift {

namespace {

// With fewer rounds an interval says nothing.
constexpr size_t kLeastRounds = 3;

std::string formatted(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

uint64_t ceiling_rate(const Comparison& comparison) {
  return static_cast<uint64_t>(median({comparison.ceiling.begin(), comparison.ceiling.end()}));
}

std::string spread(const std::vector<double>& ms) {
  const auto [least, most] = std::minmax_element(ms.begin(), ms.end());
  return milliseconds(*least) + " … " + milliseconds(*most);
}

std::vector<Cell> row(const Comparison& comparison, const Variant& variant) {
  if (variant.ms.empty()) return {variant.name, "-", "", "", "", ""};
  const Ratio ratio = times_stock(comparison, variant);
  const bool is_stock = &variant == &comparison.variants.front();
  const bool has_interval = !is_stock && variant.ms.size() >= kLeastRounds && ratio.value > 0;
  const double ceiling = ceiling_ms(comparison);
  return {variant.name,
          milliseconds(median(variant.ms)),
          spread(variant.ms),
          ratio.value > 0 ? formatted("%.2f", ratio.value) : "",
          has_interval ? formatted("%.2f", ratio.low) + " … " + formatted("%.2f", ratio.high) : "",
          ceiling > 0 ? formatted("%.0f %%", 100 * ceiling / median(variant.ms)) : ""};
}

}  // namespace

double ceiling_ms(const Comparison& comparison) {
  const uint64_t rate = ceiling_rate(comparison);
  if (rate == 0) return 0;
  return 1000 * static_cast<double>(comparison.size_bytes) / static_cast<double>(rate);
}

Ratio times_stock(const Comparison& comparison, const Variant& variant) {
  std::vector<double> stock = comparison.variants.front().ms;
  std::vector<double> own = variant.ms;
  const size_t rounds = std::min(stock.size(), own.size());
  stock.resize(rounds);
  own.resize(rounds);
  return ratio_of_medians(stock, own);
}

std::string milliseconds(double ms) {
  return formatted(ms < 100 ? "%.1f" : "%.0f", ms);
}

std::string render(const Comparison& comparison, const Style& style) {
  Table table({{"VARIANT"},
               {"MEDIAN ms", Align::right},
               {"SPREAD ms", Align::right},
               {"× STOCK", Align::right},
               {"95 %", Align::right},
               {"OF CEILING", Align::right}});
  std::string skipped;
  for (const Variant& variant : comparison.variants) {
    table.add(row(comparison, variant));
    if (!variant.skipped.empty())
      skipped += printable(variant.name + ": " + variant.skipped) + '\n';
  }
  std::string text = table.render(style) + '\n';
  text += "Ceiling: ";
  text += comparison.ceiling.empty()
              ? "not measured: " + printable(comparison.ceiling_skipped) + '\n'
              : human_rate(ceiling_rate(comparison)) +
                    ", past the page cache: " + milliseconds(ceiling_ms(comparison)) + " ms\n";
  text += skipped;
  for (const std::string& note : comparison.notes) text += printable(note) + '\n';
  return text;
}

Json to_json(const Comparison& comparison) {
  Json variants = Json::array();
  for (const Variant& variant : comparison.variants) {
    Json one = Json::object().set("variant", variant.name);
    if (!variant.skipped.empty()) one.set("skipped", variant.skipped);
    if (!variant.ms.empty()) {
      Json rounds = Json::array();
      for (const double ms : variant.ms) rounds.append(ms);
      const auto [least, most] = std::minmax_element(variant.ms.begin(), variant.ms.end());
      const Ratio ratio = times_stock(comparison, variant);
      one.set("ms", std::move(rounds))
          .set("median_ms", median(variant.ms))
          .set("min_ms", *least)
          .set("max_ms", *most)
          .set("times_stock", ratio.value);
      if (variant.ms.size() >= kLeastRounds)
        one.set("times_stock_low", ratio.low).set("times_stock_high", ratio.high);
      if (!comparison.ceiling.empty())
        one.set("of_ceiling", ceiling_ms(comparison) / median(variant.ms));
    }
    variants.append(std::move(one));
  }
  Json notes = Json::array();
  for (const std::string& note : comparison.notes) notes.append(note);
  Json document = Json::object()
                      .set("path", comparison.path)
                      .set("size", comparison.size_bytes)
                      .set("reader", comparison.reader)
                      .set("variants", std::move(variants));
  if (comparison.ceiling.empty()) {
    document.set("ceiling_skipped", comparison.ceiling_skipped);
  } else {
    document.set("ceiling", ceiling_rate(comparison)).set("ceiling_ms", ceiling_ms(comparison));
  }
  return document.set("notes", std::move(notes));
}

}  // namespace tuneshift
