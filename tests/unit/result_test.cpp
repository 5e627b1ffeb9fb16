// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/result.h"

#include <cerrno>

#include "tests/catch.h"

using namespace tuneshift;

TEST_CASE("a failed system call names its cause and keeps its context") {
  Error error = errno_error(EACCES, "open", "/x").with_context("reading the profile");
  CHECK(error.code == ErrorCode::permission);
  CHECK(error.message == "reading the profile: open /x: Permission denied");
  CHECK(error.path == "/x");
  CHECK(errno_error(ENOENT, "open").code == ErrorCode::not_found);
  CHECK(errno_error(EBUSY, "write").code == ErrorCode::busy);
  CHECK(errno_error(EINVAL, "write").code == ErrorCode::invalid_argument);
}

TEST_CASE("a result is its value or its error") {
  Result<int> good = 3;
  REQUIRE(good.ok());
  CHECK(good.value() == 3);
  Result<int> bad = Error{ErrorCode::not_found, "no such knob", {}, 0};
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().code == ErrorCode::not_found);
}
