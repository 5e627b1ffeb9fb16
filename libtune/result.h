// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace tuneshift {

/// Why something outside the program's control failed.
enum class ErrorCode {
  invalid_argument,  ///< the caller's or the operator's input is wrong
  not_found,         ///< no such file, knob, profile, process or hold
  permission,        ///< the kernel or the bus policy refused
  busy,              ///< held by somebody else right now
  limit_exceeded,    ///< a documented bound was reached
  timeout,           ///< a deadline passed
  io,                ///< any other failed system call; `errno_value` says which
  unsupported,       ///< this kernel or machine lacks the feature
};

/// A failure with its chain of context, outermost first, in `message`.
struct Error {
  ErrorCode code = ErrorCode::io;
  std::string message;
  std::string path;     ///< the file concerned, empty when there is none
  int errno_value = 0;  ///< 0 when no system call failed

  /// The same failure as seen by a caller: "context: message".
  [[nodiscard]] Error with_context(std::string_view context) const;
};

/// An Error for a failed system call on `path`; the code follows from `errno_value`.
Error errno_error(int errno_value, std::string_view what, std::string_view path = {});

/// A value or the reason why there is none. Reading the wrong one throws std::bad_variant_access,
/// which is a bug in the caller.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by intent
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by intent

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

/// Success, or the reason of the failure.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit by intent

  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
  bool ok_ = true;
};

using Status = Result<void>;

}  // namespace tuneshift
