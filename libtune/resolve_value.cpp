// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "libtune/knob_text.h"

namespace tuneshift {

namespace {

Error invalid(const Knob& knob, const std::string& why) {
  return {ErrorCode::invalid_argument, knob.name + " " + why, knob.path, 0};
}

/// MemTotal of proc/meminfo, in KiB.
Result<int64_t> memory_kib(const KernelFs& kernel) {
  constexpr std::string_view kPath = "proc/meminfo";
  constexpr std::string_view kLabel = "MemTotal:";
  const auto text = kernel.read(kPath);
  if (!text) return text.error();
  const size_t label = text.value().find(kLabel);
  if (label != std::string::npos) {
    std::string_view rest = std::string_view(text.value()).substr(label + kLabel.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    const auto kib = parse_number(rest.substr(0, rest.find_first_not_of("0123456789")));
    if (kib && *kib > 0 && *kib < INT64_MAX / 1024) return *kib;
  }
  return Error{ErrorCode::unsupported, "proc/meminfo has no total", std::string(kPath), 0};
}

/// A number in the knob's unit. A share of memory is moved into the knob's range: what is 1 % on
/// one machine may be too much for the kernel on another.
Result<int64_t> number_of(const KernelFs& kernel, const Knob& knob, const Amount& amount) {
  if (!amount.percent_of_memory) return amount.number;
  const bool in_bytes = knob.kind->unit == "bytes";
  if (!in_bytes && knob.kind->unit != "KiB") return invalid(knob, "is no amount of memory");
  const double percent = *amount.percent_of_memory;
  if (!(percent > 0 && percent <= 100)) return invalid(knob, "needs a share of 0 to 100 %");
  const auto total = memory_kib(kernel);
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
  const auto raw = kernel.read(knob.path);
  if (!raw) return raw.error();
  const std::vector<std::string> offered = offered_choices(raw.value());
  for (const std::string& choice : first_of.choices) {
    if (std::find(offered.begin(), offered.end(), choice) != offered.end()) return choice;
  }
  return Error{ErrorCode::not_found,
               "the kernel offers none of " + to_string(ValueSpec(first_of)) + " for " + knob.name,
               knob.path, 0};
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
    const auto number = number_of(kernel, knob, share->amount);
    if (!number) return number.error();
    return std::to_string(number.value());
  }
  if (const auto* bounds = std::get_if<Bounds>(&spec)) {
    return move_into(kernel, knob, *bounds, normal);
  }
  return first_offered(kernel, knob, std::get<FirstOf>(spec));
}

}  // namespace tuneshift
