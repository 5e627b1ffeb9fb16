// SPDX-License-Identifier: LGPL-2.1-or-later
// tuneshiftctl bench: how fast a store can be read at all.
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "client/bench/read_speed.h"
#include "client/bench/store.h"
#include "client/session.h"
#include "client/table.h"
#include "libtune/number.h"

namespace tuneshift {

namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kLargestBlock = 16 * kMiB;
constexpr uint64_t kMostInFlight = 256 * kMiB;
constexpr unsigned kMostDepth = 1024;
constexpr double kMostSeconds = 600;

struct BenchArguments {
  std::string path;
  std::vector<std::string> blocks = {"4KiB", "64KiB", "1MiB"};
  std::vector<unsigned> depths = {1, 4, 16, 64};
  std::string size = "1GiB";
  std::string order = "auto";
  double seconds = 1;
};

std::string check_block(const std::string& text) {
  const auto bytes = parse_size(text);
  const bool fits = bytes && *bytes >= 4096 && *bytes <= kLargestBlock && *bytes % 4096 == 0;
  return fits ? "" : "'" + text + "' is no multiple of 4KiB up to 16MiB";
}

std::string check_size(const std::string& text) {
  const auto bytes = parse_size(text);
  return bytes && *bytes >= least_store_bytes ? "" : "'" + text + "' is no size from 16MiB on";
}

/// Small blocks are what random readers ask for, large ones what loaders do.
bool is_random(const std::string& order, uint64_t block_bytes) {
  return order == "random" || (order == "auto" && block_bytes < kMiB);
}

std::vector<ReadPattern> patterns_of(const BenchArguments& arguments, uint64_t store_bytes) {
  std::vector<ReadPattern> patterns;
  for (const std::string& text : arguments.blocks) {
    const uint64_t block = *parse_size(text);
    for (const unsigned depth : arguments.depths) {
      if (block * depth > kMostInFlight || block > store_bytes) continue;
      patterns.push_back({block, depth, is_random(arguments.order, block)});
    }
  }
  return patterns;
}

Json to_json(const ReadPattern& pattern, const ReadSpeed& speed) {
  return Json::object()
      .set("block", pattern.block_bytes)
      .set("order", pattern.random ? "random" : "sequential")
      .set("depth", uint64_t{pattern.depth})
      .set("rate", speed.bytes_a_second())
      .set("requests", speed.requests)
      .set("took_us", speed.took_ns / 1000)
      .set("p50_us", static_cast<double>(speed.p50_ns) / 1000)
      .set("p99_us", static_cast<double>(speed.p99_ns) / 1000);
}

std::string requests_a_second(const ReadSpeed& speed) {
  const double seconds = static_cast<double>(speed.took_ns) / 1e9;
  return std::to_string(static_cast<uint64_t>(static_cast<double>(speed.requests) / seconds));
}

std::string microseconds(uint64_t ns) {
  char text[32];
  std::snprintf(text, sizeof(text), ns < 100'000 ? "%.1f" : "%.0f", static_cast<double>(ns) / 1000);
  return text;
}

/// Which of them it is, where somebody looks on.
void show_step(size_t number, size_t all) {
  if (isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\r%s", number == 0 ? "\033[K" : "");
  if (number > 0) std::fprintf(stderr, "reading, %zu of %zu", number, all);
  std::fflush(stderr);
}

int bench(const Session& session, const BenchArguments& arguments) {
  const auto store = open_store(arguments.path, *parse_size(arguments.size));
  if (!store) return fail(store.error());
  const auto patterns = patterns_of(arguments, store.value().size_bytes);
  if (patterns.empty()) {
    return fail({ErrorCode::invalid_argument, "more than 256 MiB in flight at each depth", {}, 0});
  }
  const auto duration = std::chrono::nanoseconds(static_cast<int64_t>(arguments.seconds * 1e9));
  Table table({{"BLOCK", Align::right},
               {"ORDER"},
               {"DEPTH", Align::right},
               {"RATE", Align::right},
               {"REQUESTS/S", Align::right},
               {"P50 µs", Align::right},
               {"P99 µs", Align::right}});
  Json rows = Json::array();
  uint64_t ceiling = 0;
  for (size_t i = 0; i < patterns.size(); ++i) {
    const ReadPattern& pattern = patterns[i];
    show_step(i + 1, patterns.size());
    const auto speed =
        measure_reads(store.value().fd.get(), store.value().size_bytes, pattern, duration);
    show_step(0, 0);
    if (!speed) return fail(speed.error().with_context(arguments.path));
    ceiling = std::max(ceiling, speed.value().bytes_a_second());
    rows.append(to_json(pattern, speed.value()));
    table.add({human_size(pattern.block_bytes), pattern.random ? "random" : "sequential",
               std::to_string(pattern.depth), human_rate(speed.value().bytes_a_second()),
               requests_a_second(speed.value()), microseconds(speed.value().p50_ns),
               microseconds(speed.value().p99_ns)});
  }
  if (session.json) {
    print(Json::object()
              .set("path", arguments.path)
              .set("kind", store.value().kind)
              .set("size", store.value().size_bytes)
              .set("rows", std::move(rows))
              .set("ceiling", ceiling));
  } else {
    print(table.render(session.style) + "\nCeiling: " + human_rate(ceiling) +
          ", past the page cache\n");
  }
  return kSuccess;
}

}  // namespace

void add_bench_verbs(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<BenchArguments>();
  auto* verb =
      app.add_subcommand("bench", "Measure how fast a disk or a folder can be read at all");
  verb->add_option("PATH", arguments->path,
                   "A disk or a file, which is only read; or a folder, in which a file without a "
                   "name is written first")
      ->required();
  verb->add_option("--block", arguments->blocks, "Bytes of one request, several (4KiB,64KiB,1MiB)")
      ->type_name("SIZE,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(check_block);
  verb->add_option("--depth", arguments->depths, "Requests in flight, several (1,4,16,64)")
      ->type_name("N,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1U, kMostDepth));
  verb->add_option("--order", arguments->order,
                   "random, sequential, or auto: random for blocks under 1MiB")
      ->type_name("ORDER")
      ->check(CLI::IsMember({"auto", "random", "sequential"}));
  verb->add_option("--size", arguments->size, "How much of it is read, or written first (1GiB)")
      ->type_name("SIZE")
      ->check(check_size);
  verb->add_option("--seconds", arguments->seconds, "How long each block and depth is read (1)")
      ->type_name("N")
      ->check(CLI::Range(0.01, kMostSeconds));
  verb->callback([&session, arguments] {
    session.local = [&session, arguments] { return bench(session, *arguments); };
  });
}

}  // namespace tuneshift
