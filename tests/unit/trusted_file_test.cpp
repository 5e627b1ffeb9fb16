// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/trusted_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/catch.h"
#include "tests/unit/operator_directory.h"

using namespace tuneshift;

namespace {

std::string failure(const std::string& path, size_t max_bytes = 1024) {
  const auto text = read_trusted_file(path, max_bytes);
  return text ? "read: " + text.value() : text.error().message;
}

}  // namespace

TEST_CASE("a trusted file is read whole, up to its bound") {
  OperatorDirectory directory;
  const std::string text(20000, 'x');
  directory.write("a", text);
  CHECK(read_trusted_file(directory.file("a"), 20000).value() == text);
  CHECK(failure(directory.file("a"), 19 << 10) == "larger than 19 KiB");
  directory.write("empty", "");
  CHECK(read_trusted_file(directory.file("empty"), 0).value().empty());
}

TEST_CASE("a missing file is told from one that cannot be read") {
  OperatorDirectory directory;
  CHECK(read_trusted_file(directory.file("none"), 10).error().code == ErrorCode::not_found);
  CHECK(read_trusted_file(directory.file("no/none"), 10).error().code == ErrorCode::not_found);
  CHECK(failure(directory.path() + "/") == "is not the name of a file");
  CHECK(failure(directory.path() + "/..") == "is not the name of a file");
}

TEST_CASE("a file that others may write is refused") {
  OperatorDirectory directory;
  directory.write("a", "text");
  directory.mode("a", 0664);
  CHECK(failure(directory.file("a")) == "may be written by others than its owner");
  directory.mode("a", 0646);
  CHECK(failure(directory.file("a")) == "may be written by others than its owner");
  directory.mode("a", 0644);
  directory.mode("", 0770);
  CHECK(failure(directory.file("a")) == "may be written by others than its owner");
  directory.mode("", 01777);
  CHECK(failure(directory.file("a")) == "may be written by others than its owner");
  directory.mode("", 0755);
  CHECK(failure(directory.file("a")) == "read: text");
}

TEST_CASE("a file of another user is refused") {
  if (geteuid() != 0) return;  // only root can give a file away
  OperatorDirectory directory;
  directory.write("a", "text");
  REQUIRE(chown(directory.file("a").c_str(), 12345, 0) == 0);
  CHECK(failure(directory.file("a")) ==
        "owned by user 12345: must be root or the user that runs this");
  REQUIRE(chown(directory.file("a").c_str(), 0, 0) == 0);
  REQUIRE(chown(directory.path().c_str(), 12345, 0) == 0);
  CHECK(failure(directory.file("a")) ==
        "owned by user 12345: must be root or the user that runs this");
}

TEST_CASE("links, FIFOs and folders are no trusted files, and do not block") {
  OperatorDirectory directory;
  directory.write("a", "text");
  REQUIRE(symlink("a", directory.file("link").c_str()) == 0);
  CHECK(failure(directory.file("link")) == "is a symbolic link");
  REQUIRE(mkfifo(directory.file("fifo").c_str(), 0600) == 0);
  CHECK(failure(directory.file("fifo")) == "is not a regular file");
  REQUIRE(mkdir(directory.file("folder").c_str(), 0700) == 0);
  CHECK(failure(directory.file("folder")) == "is not a regular file");
  REQUIRE(symlink(directory.path().c_str(), directory.file("folder/back").c_str()) == 0);
  CHECK(failure(directory.file("folder/back/a")) == "cannot be opened: Not a directory");
}

TEST_CASE("a folder is listed by suffix, sorted, and bounded") {
  OperatorDirectory directory;
  for (const char* name : {"b.yaml", "a.yaml", ".hidden.yaml", "a.yaml~", "readme"}) {
    directory.write(name, "");
  }
  const auto opened = TrustedDirectory::open(directory.path());
  REQUIRE(opened);
  CHECK(opened.value().list(".yaml", 2).value() == std::vector<std::string>{"a.yaml", "b.yaml"});
  CHECK(opened.value().list(".yaml", 2).value().size() == 2);
  CHECK(opened.value().list(".yaml", 1).error().message == "more than 1 files");
}
