// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/kernel_fs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tests/catch.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

TEST_CASE("a kernel file is read without its newline and written without creating it") {
  const KernelTree tree{file("proc/sys/vm/swappiness", "60\n"), file("sys/two", "a\n\n")};
  KernelFs kernel = tree.open();
  CHECK(kernel.read("proc/sys/vm/swappiness").value() == "60");
  CHECK(kernel.read("sys/two").value() == "a\n");
  REQUIRE(kernel.write("proc/sys/vm/swappiness", "5"));
  CHECK(tree.text("proc/sys/vm/swappiness") == "5");

  const Status missing = kernel.write("proc/sys/vm/none", "5");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::not_found);
  CHECK_FALSE(kernel.exists("proc/sys/vm/none"));
  CHECK(kernel.exists("proc/sys/vm"));
}

TEST_CASE("nothing leads out of the root") {
  const KernelTree outside{file("secret", "x\n")};
  const KernelTree tree{
      file("inside", "y\n"), symbolic_link("absolute", outside.root() + "/secret"),
      symbolic_link("climbing", "../../../../../../../" + outside.root() + "/secret"),
      symbolic_link("sys/inner", "/inside")};
  KernelFs kernel = tree.open();
  CHECK(kernel.read("absolute").error().code == ErrorCode::not_found);
  CHECK(kernel.read("climbing").error().code == ErrorCode::not_found);
  CHECK(kernel.read("../../../../../../.." + outside.root() + "/secret").error().code ==
        ErrorCode::not_found);
  CHECK_FALSE(kernel.write("absolute", "z"));
  CHECK(kernel.read("sys/inner").value() == "y");
  CHECK(outside.text("secret") == "x\n");

  CHECK(kernel.read("/inside").error().code == ErrorCode::invalid_argument);
  CHECK(kernel.read("").error().code == ErrorCode::invalid_argument);
  CHECK(kernel.read(std::string("inside\0x", 8)).error().code == ErrorCode::invalid_argument);
}

TEST_CASE("a file's size is bounded") {
  const KernelTree tree{file("fits", std::string(65536, 'a')),
                        file("large", std::string(65537, 'a'))};
  const KernelFs kernel = tree.open();
  CHECK(kernel.read("fits").value().size() == 65536);
  CHECK(kernel.read("large").error().code == ErrorCode::limit_exceeded);
}

TEST_CASE("a file of any size is read whole") {
  for (const size_t size : {0, 1, 4096, 8190, 8191, 8192, 20000}) {
    std::string text(size, 'a');
    for (size_t i = 0; i < size; i += 7) text[i] = static_cast<char>('b' + i % 20);
    const KernelTree tree{file("some", text)};
    CHECK(tree.open().read("some").value() == text);
    CHECK(tree.open().read_head("some", 10000).value() == text.substr(0, 10000));
  }
  // It comes in pieces of a page.
  std::ifstream symbols("/proc/kallsyms");
  std::string head(30000, '\0');
  symbols.read(head.data(), static_cast<std::streamsize>(head.size()));
  CHECK(KernelFs::open("/").value().read_head("proc/kallsyms", head.size()).value() == head);
}

TEST_CASE("a file that knows no place in it is read") {
  const KernelTree tree{directory("d")};
  const std::string path = tree.root() + "/d/queue";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const int out = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  for (const size_t size : {5, 8191, 12000}) {
    const int in = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const std::string text(size, 'q');
    REQUIRE(::write(in, text.data(), size) == static_cast<ssize_t>(size));
    ::close(in);
    CHECK(tree.open().read("d/queue").value() == text);
  }
  ::close(out);
}

TEST_CASE("directories are listed in order and links are shown as stored") {
  const KernelTree tree{file("d/b", ""), file("d/a", ""), symbolic_link("d/c", "../nowhere")};
  const KernelFs kernel = tree.open();
  CHECK(kernel.list("d").value() == std::vector<std::string>{"a", "b", "c"});
  CHECK(kernel.read_link("d/c").value() == "../nowhere");
  CHECK(kernel.read_link("d/a").error().code == ErrorCode::invalid_argument);
  CHECK(kernel.list("d/a").error().errno_value == ENOTDIR);
}

TEST_CASE("the kernel's own files are read, refused and linked as they are") {
  auto kernel = KernelFs::open("/");
  REQUIRE(kernel);
  CHECK(kernel.value().read("proc/self/stat").value().find(std::to_string(::getpid())) == 0);
  CHECK(kernel.value().read("proc/sys/kernel/ostype").value() == "Linux");
  // Not even root may write it.
  CHECK_FALSE(kernel.value().write("proc/sys/kernel/ostype", "x"));
  CHECK(kernel.value().read_link("proc/self").value() == std::to_string(::getpid()));
}
