// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "libtune/knob_text.h"
#include "libtune/meminfo.h"

namespace tuneshift {

namespace {

Error invalid(const Knob& knob, const std::string& why) {
  return {ErrorCode::invalid_argument, knob.name + " " + why, knob.path, 0};
}

/// How many CPUs are online, from "0-3,8".
Result<int64_t> online_cpus(const KernelFs& kernel) {
  constexpr std::string_view kPath = "sys/devices/system/cpu/online";
  const auto text = kernel.read(kPath);
  if (!text) return text.error();
  std::string_view rest = text.value();
  int64_t count = 0;
  while (!rest.empty()) {
    const std::string_view range = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(range.size() + 1, rest.size()));
    const size_t dash = range.find('-');
    const auto first = parse_number(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(range.substr(dash + 1));
    if (!first || !last || *first < 0 || *last < *first || *last > INT32_MAX) break;
    count += *last - *first + 1;
  }
  if (rest.empty() && count > 0) return count;
  return Error{ErrorCode::unsupported, "the CPUs that are online are not known", std::string(kPath),
               0};
}

/// A number in the knob's unit. A share of memory is moved into the knob's range: what is 1 % on
/// one machine may be too much for the kernel on another.
Result<int64_t> number_of(const KernelFs& kernel, const Knob& knob, const Amount& amount) {
  if (amount.per_cpu) {
    const auto cpus = online_cpus(kernel);
    if (!cpus) return cpus.error();
    return static_cast<int64_t>(static_cast<double>(cpus.value()) * *amount.per_cpu);
  }
  if (!amount.percent_of_memory) return amount.number;
  const bool in_bytes = knob.kind->unit == "bytes";
  if (!in_bytes && knob.kind->unit != "KiB") return invalid(knob, "is no amount of memory");
  const double percent = *amount.percent_of_memory;
  if (!(percent > 0 && percent <= 100)) return invalid(knob, "needs a share of 0 to 100 %");
  const auto total = read_meminfo(kernel, "MemTotal");
  if (!total) return total.error();
  const auto kib = static_cast<int64_t>(static_cast<double>(total.value()) * percent / 100);
  int64_t number = in_bytes ? kib * 1024 : kib;
  if (knob.kind->minimum) number = std::max(number, *knob.kind->minimum);
  if (knob.kind->maximum) number = std::min(number, *knob.kind->maximum);
  return number;
}

/// The largest number that this device takes, when its driver says so.
std::optional<int64_t> ceiling_of(const KernelFs& kernel, const Knob& knob) {
  if (knob.kind->ceiling.empty()) return std::nullopt;
  const std::string device = knob.path.substr(0, knob.path.size() - knob.kind->name.size());
  const auto text = kernel.read(device + std::string(knob.kind->ceiling));
  if (!text) return std::nullopt;
  return parse_number(normal_text(*knob.kind, text.value()));
}

Result<std::string> move_into(const KernelFs& kernel, const Knob& knob, const Bounds& bounds,
                              const std::string& original) {
  const auto number = parse_number(original);
  if (!number) return invalid(knob, "shows no number: '" + original + "'");
  int64_t moved = *number;
  if (bounds.at_least) {
    const auto least = number_of(kernel, knob, *bounds.at_least);
    if (!least) return least.error();
    const auto ceiling = ceiling_of(kernel, knob);
    moved = std::max(moved, ceiling ? std::min(least.value(), *ceiling) : least.value());
  }
  if (bounds.at_most) {
    const auto most = number_of(kernel, knob, *bounds.at_most);
    if (!most) return most.error();
    moved = std::min(moved, most.value());
  }
  return std::to_string(moved);
}

Result<std::string> first_offered(const KernelFs& kernel, const Knob& knob,
                                  const FirstOf& first_of) {
  if (knob.kind->type != ValueType::choice) return invalid(knob, "lists no choices");
  std::string path = knob.path;
  if (!knob.kind->choices.empty()) {
    path.replace(path.size() - knob.kind->name.size(), std::string::npos, knob.kind->choices);
  }
  const auto raw = kernel.read(path);
  if (!raw) return raw.error();
  const std::vector<std::string> offered = offered_choices(raw.value());
  for (const std::string& choice : first_of.choices) {
    if (std::find(offered.begin(), offered.end(), choice) != offered.end()) return choice;
  }
  return Error{ErrorCode::not_found,
               "the kernel offers none of " + to_string(ValueSpec(first_of)) + " for " + knob.name,
               knob.path, 0};
}

Result<std::string> amount_text(const KernelFs& kernel, const Knob& knob, const Share& share,
                                const std::string& original) {
  const auto amount = number_of(kernel, knob, share.amount);
  if (!amount) return amount.error();
  const Bounds bounds{share.at_least, share.at_most};
  auto moved = move_into(kernel, knob, bounds, std::to_string(amount.value()));
  if (!moved || share.only == Direction::any) return moved;
  const auto from = parse_number(original);
  if (!from) return invalid(knob, "shows no number: '" + original + "'");
  const int64_t to = parse_number(moved.value()).value_or(*from);
  const bool wrong_way = share.only == Direction::raise ? to < *from : to > *from;
  return wrong_way ? original : moved;
}

}  // namespace

Result<std::string> resolve_value(const KernelFs& kernel, const Knob& knob, const ValueSpec& spec,
                                  const std::string& original) {
  const std::string normal = normal_text(*knob.kind, original);
  if (const auto* exactly = std::get_if<Exactly>(&spec)) {
    std::string text = normal_text(*knob.kind, exactly->text);
    if (text.empty()) return invalid(knob, "needs a value");
    return text;
  }
  if (const auto* share = std::get_if<Share>(&spec)) {
    return amount_text(kernel, knob, *share, normal);
  }
  if (const auto* bounds = std::get_if<Bounds>(&spec)) {
    return move_into(kernel, knob, *bounds, normal);
  }
  return first_offered(kernel, knob, std::get<FirstOf>(spec));
}

}  // namespace tuneshift
