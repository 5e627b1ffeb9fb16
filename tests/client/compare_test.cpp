// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <string>

#include "client/compare/comparison.h"
#include "client/compare/statistics.h"
#include "tests/catch.h"

using namespace tuneshift;

namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

Comparison example() {
  Comparison comparison;
  comparison.path = "/models/<a>&b.gguf";
  comparison.size_bytes = 500'000'000;
  comparison.reader = "mmap";
  comparison.variants = {{"stock", "", {4000, 4100, 3900}},
                         {"tuneshift", "", {500, 520, 490}},
                         {"vmtouch first", "not installed", {}}};
  comparison.ceiling = {990'000'000, 1'000'000'000, 2'000'000'000};
  comparison.notes = {"a note\nof two lines"};
  return comparison;
}

}  // namespace

TEST_CASE("the median of nothing, of an odd and of an even number of values") {
  CHECK(median({}) == 0);
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 5}) == 5);
  CHECK(median({4, 1, 3, 100}) == 3.5);
}

TEST_CASE("a ratio of medians lies in its interval, which is that of the rounds") {
  const Ratio same = ratio_of_medians({200, 400, 300}, {100, 200, 150});
  CHECK(same.value == 2);
  // Each round has the same ratio, and its two values stay together.
  CHECK(same.low == 2);
  CHECK(same.high == 2);

  const std::vector<double> stock = {100, 110, 90, 105, 95, 300, 100, 98};
  const std::vector<double> helped = {10, 11, 9, 25, 10, 10, 12, 10};
  const Ratio ratio = ratio_of_medians(stock, helped);
  CHECK(ratio.low < ratio.value);
  CHECK(ratio.value < ratio.high);
  CHECK(ratio.low > 3);
  CHECK(ratio.high < 20);
  CHECK(ratio_of_medians(stock, helped).low == ratio.low);
}

TEST_CASE("there is no ratio of nothing, of different rounds, or by zero") {
  for (const Ratio& ratio :
       {ratio_of_medians({}, {}), ratio_of_medians({1, 2}, {1}), ratio_of_medians({1}, {0})}) {
    CHECK(ratio.value == 0);
    CHECK(ratio.low == 0);
    CHECK(ratio.high == 0);
  }
}

TEST_CASE("the table has medians, spread, ratios and shares of the ceiling") {
  const std::string text = render(example(), {});
  INFO(text);
  CHECK(text.find("3900 … 4100") != std::string::npos);
  CHECK(text.find("8.00") != std::string::npos);
  CHECK(text.find("100 %") != std::string::npos);  // 500 ms at 1 GB/s
  CHECK(text.find("12 %") != std::string::npos);
  CHECK(text.find("1.00 GB/s") != std::string::npos);
  CHECK(text.find("vmtouch first: not installed\n") != std::string::npos);
  CHECK(text.find("a note\\x0aof two lines\n") != std::string::npos);
}

TEST_CASE("two rounds have a ratio, but no interval") {
  Comparison comparison = example();
  for (Variant& variant : comparison.variants) {
    if (!variant.ms.empty()) variant.ms.resize(2);
  }
  const Json tuneshift = to_json(comparison)["variants"].items()[1];
  CHECK(tuneshift.has("times_stock"));
  CHECK_FALSE(tuneshift.has("times_stock_low"));
  CHECK(render(comparison, {}).find("95 %") == std::string::npos);
}

TEST_CASE("a ceiling that was not measured is said so and compared with nothing") {
  Comparison comparison = example();
  comparison.ceiling.clear();
  comparison.ceiling_skipped = "refused";
  CHECK(ceiling_ms(comparison) == 0);
  CHECK(render(comparison, {}).find("Ceiling: not measured: refused\n") != std::string::npos);
  const Json document = to_json(comparison);
  CHECK(document["ceiling_skipped"].text() == "refused");
  CHECK_FALSE(document["variants"].items()[0].has("of_ceiling"));
  CHECK(render_html(comparison).find("class=\"ceiling\"") == std::string::npos);
}

TEST_CASE("the document has every round, and what was skipped") {
  const Json document = to_json(example());
  CHECK(document["size"].number() == 500'000'000);
  CHECK(document["ceiling"].number() == 1'000'000'000);
  const auto& variants = document["variants"].items();
  REQUIRE(variants.size() == 3);
  CHECK(variants[1]["ms"].size() == 3);
  CHECK(variants[1].line().find("\"times_stock\":8") != std::string::npos);
  CHECK(variants[2]["skipped"].text() == "not installed");
  CHECK_FALSE(variants[2].has("ms"));
}

TEST_CASE("the page is one file without scripts, with a point a load and a bar a variant") {
  const std::string page = render_html(example());
  CHECK(count(page, "<circle ") == 6);
  CHECK(count(page, "class=\"median\"") == 2);
  CHECK(count(page, "class=\"ceiling\"") == 1);
  CHECK(page.find("/models/&lt;a&gt;&amp;b.gguf") != std::string::npos);
  CHECK(page.find("<a>") == std::string::npos);
  for (const char* external : {"<script", "http:", "https:", "src=", "href=", "url("}) {
    CHECK(page.find(external) == std::string::npos);
  }
}
