// SPDX-License-Identifier: LGPL-2.1-or-later
// tuneshiftctl compare: cold loads of one's own file, with and without help.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>

#include "client/compare/comparison.h"
#include "client/compare/steps.h"
#include "client/session.h"
#include "client/utf8.h"
#include "libtune/meminfo.h"

namespace tuneshift {

namespace {

constexpr unsigned kMostRounds = 100;

struct CompareArguments {
  std::string path;
  std::string reader = "mmap";
  unsigned rounds = 5;
  std::string html;
};

ReadOrder reader_of(const std::string& name) {
  const auto& names = reader_names();
  return static_cast<ReadOrder>(std::find(names.begin(), names.end(), name) - names.begin());
}

/// A new file, gone again unless it is written to: seen to be possible before the first load.
class Page {
 public:
  static Result<Page> create(const std::string& path) {
    OwnedFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (fd.get() < 0) return errno_error(errno, "writing " + printable(path));
    return Page(std::move(fd), path);
  }
  Page(Page&& other) noexcept : fd_(std::move(other.fd_)), path_(std::move(other.path_)) {
    other.path_.clear();
  }
  Page& operator=(Page&&) = delete;
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  ~Page() {
    if (!path_.empty()) unlink(path_.c_str());
  }

  Status write(const std::string& text) {
    for (size_t done = 0; done < text.size();) {
      const ssize_t written = ::write(fd_.get(), text.data() + done, text.size() - done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return errno_error(errno, "writing " + printable(path_));
      done += static_cast<size_t>(written);
    }
    path_.clear();
    return {};
  }

 private:
  Page(OwnedFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  OwnedFd fd_;
  std::string path_;  ///< empty when it stays
};

/// What does not fit would be evicted while it is loaded, or the loader killed.
Status check_fits(const KernelFs& kernel, const ModelFile& file, ReadOrder reader) {
  const auto available_kib = read_meminfo(kernel, "MemAvailable");
  if (!available_kib) return available_kib.error();
  const uint64_t available = static_cast<uint64_t>(available_kib.value()) << 10;
  const uint64_t needed = keeps_a_copy(reader) ? 2 * file.size_bytes : file.size_bytes;
  if (needed <= available) return {};
  return Error{ErrorCode::limit_exceeded,
               printable(file.path) + ": takes " + human_size(needed) + " of memory read as '" +
                   reader_names()[static_cast<size_t>(reader)] + "', and " + human_size(available) +
                   " are available",
               file.path, 0};
}

void show_step(const std::string& text) {
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K%s", text.c_str());
}

void measure_ceiling(Bench& bench, Comparison& comparison) {
  if (!comparison.ceiling_skipped.empty()) return;
  const auto rate = bench.runner.measure_ceiling(bench.file.path);
  if (rate) {
    comparison.ceiling.push_back(rate.value());
  } else {
    comparison.ceiling_skipped = rate.error().message;
    comparison.ceiling.clear();
  }
}

/// Each round begins with another variant, so that none always comes after the same one.
Status measure_rounds(Bench& bench, std::vector<Step>& steps, unsigned rounds,
                      Comparison& comparison) {
  for (unsigned round = 0; round < rounds; ++round) {
    const std::string of = "round " + std::to_string(round + 1) + " of " + std::to_string(rounds);
    show_step(of + ": ceiling");
    measure_ceiling(bench, comparison);
    for (size_t i = 0; i < steps.size(); ++i) {
      const size_t at = (i + round) % steps.size();
      if (!steps[at].skipped.empty()) continue;
      show_step(of + ": " + steps[at].name);
      const auto ms = steps[at].measure();
      if (!ms) return ms.error();
      comparison.variants[at].ms.push_back(ms.value());
    }
  }
  return {};
}

void add_notes(const Bench& bench, Comparison& comparison) {
  const std::string why = bench.assistance.why_no_load(bench.helped);
  if (!why.empty()) comparison.notes.push_back("tuneshift did not help: " + why + '.');
  if (!bench.file.can_tell_cached) {
    comparison.notes.emplace_back(
        "Whether the file was cold cannot be told: the kernel says so to its owner alone.");
  } else if (bench.most_left_bytes > 0) {
    comparison.notes.push_back("Not all of it was cold: up to " +
                               human_size(bench.most_left_bytes) +
                               " stayed in the page cache, which somebody has mapped or locked.");
  }
}

Result<Comparison> measure(const ModelFile& file, const CompareArguments& arguments) {
  auto kernel = KernelFs::open("/");
  if (!kernel) return kernel.error();
  const ReadOrder reader = reader_of(arguments.reader);
  if (const Status fits = check_fits(kernel.value(), file, reader); !fits) return fits.error();
  // Before the fork and all that it puts back.
  auto stop = TerminationSignals::block();
  if (!stop) return stop.error();
  auto keeper = Keeper::start();
  if (!keeper) return keeper.error();
  auto assistance = DaemonHelp::connect(keeper.value());
  if (!assistance) return assistance.error();
  Runner runner(std::move(stop.value()), [&assistance] { return assistance.value().renew(); });
  Bench bench{.file = file,
              .reader = reader,
              .runner = runner,
              .assistance = assistance.value(),
              .keeper = keeper.value(),
              .kernel = kernel.value()};
  std::vector<Step> steps = make_steps(bench);
  Comparison comparison{.path = file.path,
                        .size_bytes = file.size_bytes,
                        .reader = arguments.reader,
                        .variants = {},
                        .ceiling = {},
                        .ceiling_skipped = {},
                        .notes = {}};
  for (const Step& step : steps) comparison.variants.push_back({step.name, step.skipped, {}});
  const Status measured = measure_rounds(bench, steps, arguments.rounds, comparison);
  show_step("");
  add_notes(bench, comparison);
  const Status back = keeper.value().put_back();
  if (!measured) return measured.error();
  if (!back) return back.error();
  return comparison;
}

int compare(const Session& session, const CompareArguments& arguments) {
  const auto file = open_model_file(arguments.path);
  if (!file) return fail(file.error());
  std::optional<Page> page;
  if (!arguments.html.empty()) {
    auto created = Page::create(arguments.html);
    if (!created) return fail(created.error());
    page.emplace(std::move(created.value()));
  }
  const auto comparison = measure(file.value(), arguments);
  if (!comparison) return fail(comparison.error());
  if (session.json) {
    print(to_json(comparison.value()));
  } else {
    print(render(comparison.value(), session.style));
  }
  if (!page) return kSuccess;
  const Status written = page->write(render_html(comparison.value()));
  return written ? kSuccess : fail(written.error());
}

}  // namespace

void add_compare_verbs(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<CompareArguments>();
  auto* verb = app.add_subcommand("compare", "Load a file of yours cold, with and without help");
  verb->add_option("FILE", arguments->path, "A model file of 16 MiB or more; it is only read")
      ->required();
  verb->add_option("--reader", arguments->reader,
                   "mmap, tensor (order of a safetensors header), random (4 KiB), read, threads or "
                   "direct (mmap)")
      ->type_name("READER")
      ->check(CLI::IsMember(reader_names()).description(""));
  verb->add_option("--rounds", arguments->rounds, "Loads of each variant, 1 to 100 (5)")
      ->type_name("N")
      ->check(CLI::Range(1U, kMostRounds).description(""));
  verb->add_option("--html", arguments->html, "Also a new file with a page and a plot")
      ->type_name("OUT");
  verb->footer(
      "Pages of FILE alone are dropped from the page cache before each load. The daemon is paused "
      "for\nall but its own loads, and helps in these whatever its mode; everything is put back.");
  verb->callback([&session, arguments] {
    session.local = [&session, arguments] { return compare(session, *arguments); };
  });

  auto child = std::make_shared<std::pair<std::string, std::string>>();
  auto* hidden = app.add_subcommand(kChildVerb)->group("");
  std::vector<std::string> figures = reader_names();
  figures.emplace_back(kCeiling);
  hidden->add_option("FILE", child->first)->required();
  hidden->add_option("FIGURE", child->second)->required()->check(CLI::IsMember(figures));
  hidden->callback([&session, child] {
    session.local = [child] { return run_compare_child(child->first, child->second); };
  });
}

}  // namespace tuneshift
