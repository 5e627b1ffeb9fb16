// SPDX-License-Identifier: LGPL-2.1-or-later
// The whole inspector, helper and sandbox included, on real processes and files.
#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "tests/catch.h"
#include "tests/inspect/asking.h"
#include "tests/inspect/readers.h"

using namespace tuneshift;
using namespace tuneshift::testing;

namespace {

constexpr uid_t nobody = 65534;

bool map(const std::string& path, bool keep_open) {
  const int fd = open(path.c_str(), O_RDONLY);
  if (fd < 0) return false;
  void* const at = mmap(nullptr, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
  if (!keep_open) close(fd);
  return at != MAP_FAILED;
}

bool hold(const std::string& path, int flags = O_RDONLY) {
  return open(path.c_str(), flags) >= 0;
}

bool become_nobody() {
  return setgroups(0, nullptr) == 0 && setresgid(nobody, nobody, nobody) == 0 &&
         setresuid(nobody, nobody, nobody) == 0;
}

Facts facts_of(const Reader& reader) {
  Asking asking;
  const Result<Facts> result = asking.facts(reader);
  INFO((result.ok() ? std::string() : result.error().message));
  REQUIRE(result.ok());
  return result.value();
}

Error error_of(const Reader& reader) {
  Asking asking;
  const Result<Facts> result = asking.facts(reader);
  REQUIRE_FALSE(result.ok());
  return result.error();
}

}  // namespace

TEST_CASE("a mapping whose descriptor was closed") {
  Scratch scratch;
  const std::string path = scratch.file("a.safetensors", safetensors_header());
  Process process([&] { return map(path, false); });
  const Facts facts = facts_of(reader_of(process, path));
  CHECK(facts.format == "safetensors");
  CHECK(facts.path == path);
  CHECK(facts.model == path);
  CHECK(facts.model_bytes == 1 << 20);
  CHECK(facts.shards == 1);
  CHECK(facts.file_size == 1 << 20);
  CHECK(facts.mapped);
  CHECK(facts.descriptors.empty());
  CHECK_FALSE(facts.holds_gpu);
  CHECK(facts.uid == 0);
  CHECK(facts.command_line.find("inspect_tests") != std::string::npos);
  CHECK(facts.cgroup.substr(0, 1) == "/");
}

TEST_CASE("descriptors are told apart by O_DIRECT, and mapped only when it is") {
  Scratch scratch;
  const std::string path = scratch.file("blob", gguf_header());
  Process process([&] {
    // Numbers that the test knows; a mere O_PATH reads nothing.
    const int buffered = open(path.c_str(), O_RDONLY);
    const int direct = open(path.c_str(), O_RDONLY | O_DIRECT);
    return buffered >= 0 && direct >= 0 && dup2(buffered, 100) == 100 && dup2(direct, 101) == 101 &&
           close(buffered) == 0 && close(direct) == 0 && hold(path, O_PATH);
  });
  const Facts facts = facts_of(reader_of(process, path));
  CHECK(facts.format == "gguf");
  CHECK_FALSE(facts.mapped);
  REQUIRE(facts.descriptors.size() == 2);
  CHECK(facts.descriptors[0].fd == 100);
  CHECK_FALSE(facts.descriptors[0].direct);
  CHECK(facts.descriptors[1].fd == 101);
  CHECK(facts.descriptors[1].direct);
}

TEST_CASE("what is in the page cache") {
  Scratch scratch;
  const std::string path = scratch.file("t.bin", torch_header(), 4 << 20);
  Process process([&] { return hold(path); });
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(fd >= 0);
  REQUIRE(fsync(fd) == 0);
  REQUIRE(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
  Facts facts = facts_of(reader_of(process, path));
  CHECK(facts.format == "torch");
  REQUIRE(facts.resident_bytes.has_value());
  CHECK(*facts.resident_bytes < 1 << 20);
  std::vector<char> buffer(4 << 20);
  REQUIRE(read(fd, buffer.data(), buffer.size()) == ssize_t(buffer.size()));
  close(fd);
  facts = facts_of(reader_of(process, path));
  CHECK(facts.resident_bytes == uint64_t{4 << 20});
}

TEST_CASE("another user's readable file is read as that user") {
  Scratch scratch;
  const std::string path = scratch.file("a.safetensors", safetensors_header());
  Process process([&] { return become_nobody() && map(path, true); });
  const Facts facts = facts_of(reader_of(process, path));
  CHECK(facts.format == "safetensors");
  CHECK(facts.uid == nobody);
  // It is root's file: the kernel would claim that all of it is resident.
  CHECK_FALSE(facts.resident_bytes.has_value());
}

TEST_CASE("a file that its reader may not open is not read") {
  Scratch scratch;
  const std::string path = scratch.file("a.safetensors", safetensors_header(), 1 << 20, 0600);
  Process process([&] { return map(path, true) && become_nobody(); });
  const Error error = error_of(reader_of(process, path));
  CHECK(error.code == ErrorCode::permission);
  CHECK(error.path == path);
}

TEST_CASE("root reads another user's private file through its own descriptor") {
  Scratch scratch;
  const std::string path = scratch.file("a.safetensors", safetensors_header(), 1 << 20, 0600);
  REQUIRE(chown(path.c_str(), nobody, nobody) == 0);
  Process process([&] { return hold(path); });
  CHECK(facts_of(reader_of(process, path)).format == "safetensors");
}

TEST_CASE("files that only look like models") {
  Scratch scratch;
  std::string huge = safetensors_header();
  huge[7] = '\x80';
  std::string at_the_end(4096, '\0');
  const std::pair<const char*, std::string> files[] = {{"wrong.safetensors", "not a model at all"},
                                                       {"huge.safetensors", huge},
                                                       {"end.gguf", at_the_end + gguf_header()},
                                                       {"empty.gguf", ""}};
  for (const auto& [name, beginning] : files) {
    INFO(name);
    const std::string path = scratch.file(name, beginning);
    Process process([&, &file = path] { return hold(file); });
    const Facts facts = facts_of(reader_of(process, path));
    CHECK(facts.format.empty());
    CHECK_FALSE(facts.detail.empty());
  }
}

TEST_CASE("what is no regular file is not found") {
  Scratch scratch;
  const std::string fifo = scratch.path("fifo");
  REQUIRE(mkfifo(fifo.c_str(), 0644) == 0);
  Process process([&] { return hold(fifo, O_RDWR) && hold("/dev/null") && hold("/"); });
  for (const std::string& path : {fifo, std::string("/dev/null"), std::string("/")}) {
    INFO(path);
    CHECK(error_of(reader_of(process, path)).code == ErrorCode::not_found);
  }
}

TEST_CASE("a file that the process does not hold is not found") {
  Scratch scratch;
  const std::string path = scratch.file("a.safetensors", safetensors_header());
  Process process([] { return true; });
  CHECK(error_of(reader_of(process, path)).code == ErrorCode::not_found);
}

TEST_CASE("a deleted file is still known, without a directory") {
  Scratch scratch;
  const std::string path = scratch.file("m-00001-of-00002.safetensors", safetensors_header());
  Process process([&] { return map(path, true); });
  const Reader reader = reader_of(process, path);
  REQUIRE(unlink(path.c_str()) == 0);
  const Facts facts = facts_of(reader);
  CHECK(facts.format == "safetensors");
  CHECK(facts.path == path);
  CHECK(facts.model == std::to_string(reader.file.device_major) + ":" +
                           std::to_string(reader.file.device_minor) + ":" +
                           std::to_string(reader.file.inode));
}

TEST_CASE("a file truncated under its mapping") {
  Scratch scratch;
  const std::string path = scratch.file("a.safetensors", safetensors_header());
  Process process([&] { return map(path, false); });
  REQUIRE(truncate(path.c_str(), 0) == 0);
  const Facts facts = facts_of(reader_of(process, path));
  CHECK(facts.format.empty());
  CHECK(facts.file_size == 0);
}

TEST_CASE("a path with a newline and invalid UTF-8 comes through raw") {
  Scratch scratch;
  const std::string path = scratch.file("a\nstatus=ok\n\xff\xc0\x80 (deleted)", gguf_header());
  Process process([&] { return hold(path) && map(path, false); });
  const Facts facts = facts_of(reader_of(process, path));
  CHECK(facts.format == "gguf");
  CHECK(facts.mapped);
  // The link is the raw name: procfs escapes names in maps, not in links.
  CHECK(facts.path == path);
}

TEST_CASE("a command with parentheses and spaces does not hide the start time") {
  Scratch scratch;
  const std::string path = scratch.file("a.gguf", gguf_header());
  Process process([&] { return prctl(PR_SET_NAME, ") R 1 (x) 2") == 0 && hold(path); });
  CHECK(facts_of(reader_of(process, path)).format == "gguf");
}

TEST_CASE("a process in a mount namespace of its own") {
  Scratch scratch;
  const std::string where = scratch.path("mnt");
  REQUIRE(mkdir(where.c_str(), 0755) == 0);
  const std::string source = scratch.file("a-00001-of-00002.gguf", gguf_header());
  const std::string second = scratch.file("a-00002-of-00002.gguf", gguf_header());
  const std::string path = where + "/a-00001-of-00002.gguf";
  Process process([&] {
    return enter_own_mounts() && mount("none", where.c_str(), "tmpfs", 0, nullptr) == 0 &&
           system(("cp " + source + " " + second + " " + where).c_str()) == 0 && map(path, false) &&
           hold(path);
  });
  REQUIRE(access(path.c_str(), F_OK) != 0);
  const std::string seen = "/proc/" + std::to_string(process.pid()) + "/root" + path;
  const Facts facts = facts_of(reader_of(process, seen));
  CHECK(facts.format == "gguf");
  CHECK(facts.path == path);
  CHECK(facts.mapped);
  CHECK(facts.shards == 2);
  CHECK(facts.model == where + "/a.gguf");
}

TEST_CASE("a process in a chroot finds its own directory") {
  Scratch scratch;
  const std::string path = scratch.file("a-00001-of-00002.gguf", gguf_header());
  (void)scratch.file("a-00002-of-00002.gguf", gguf_header());
  Process process([&] {
    return chroot(scratch.directory().c_str()) == 0 && chdir("/") == 0 &&
           hold("/a-00001-of-00002.gguf");
  });
  CHECK(facts_of(reader_of(process, path)).shards == 2);
}

TEST_CASE("overlayfs shows another device than the kernel's event") {
  Scratch scratch;
  for (const char* name : {"lower", "upper", "work", "mnt"}) {
    REQUIRE(mkdir(scratch.path(name).c_str(), 0755) == 0);
  }
  const std::string real = scratch.file("lower/a.gguf", gguf_header());
  const std::string options = "lowerdir=" + scratch.path("lower") +
                              ",upperdir=" + scratch.path("upper") +
                              ",workdir=" + scratch.path("work");
  Process process([&] {
    return enter_own_mounts() &&
           mount("none", scratch.path("mnt").c_str(), "overlay", 0, options.c_str()) == 0 &&
           map(scratch.path("mnt/a.gguf"), true);
  });
  const Facts facts = facts_of(reader_of(process, real));
  CHECK(facts.format == "gguf");
  CHECK(facts.path == scratch.path("mnt/a.gguf"));
  CHECK(facts.mapped);
  CHECK(facts.descriptors.size() == 1);
}

TEST_CASE("a GPU node held open is seen by its name") {
  Scratch scratch;
  const std::string path = scratch.file("a.gguf", gguf_header());
  Process process([&] {
    return enter_own_mounts() && mount("none", "/dev", "tmpfs", 0, nullptr) == 0 &&
           creat("/dev/nvidia0", 0600) >= 0 && hold(path);
  });
  CHECK(facts_of(reader_of(process, path)).holds_gpu);
}

TEST_CASE("a process that has gone, or whose pid is another's now") {
  Scratch scratch;
  const std::string path = scratch.file("a.gguf", gguf_header());
  Process process([&] { return hold(path); });
  Reader reader = reader_of(process, path);
  Reader later = reader;
  later.process.start_ns += 1000000000;
  CHECK(error_of(later).code == ErrorCode::not_found);
  process.end();
  CHECK(error_of(reader).code == ErrorCode::not_found);
}

TEST_CASE("shards that exist are summed") {
  Scratch scratch;
  const std::string first = scratch.file("m-00001-of-000003.safetensors", safetensors_header());
  (void)scratch.file("m-00003-of-000003.safetensors", safetensors_header(), 2 << 20);
  (void)scratch.file("m-00001-of-000004.safetensors", safetensors_header());
  REQUIRE(symlink(first.c_str(), scratch.path("m-00002-of-000003.safetensors").c_str()) == 0);
  Process process([&] { return hold(first); });
  const Facts facts = facts_of(reader_of(process, first));
  CHECK(facts.shards == 2);
  CHECK(facts.model_bytes == 3 << 20);
  CHECK(facts.model == scratch.path("m.safetensors"));
}

TEST_CASE("an index beside the file names its shards") {
  Scratch scratch;
  const std::string first = scratch.file("one.safetensors", safetensors_header());
  (void)scratch.file("two.safetensors", safetensors_header());
  (void)scratch.file("three.safetensors", safetensors_header());
  std::ofstream(scratch.path("model.safetensors.index.json"))
      << R"({"metadata": {"total_size": 1}, "weight_map": {"a": "one.safetensors",
             "b": "two.safetensors", "c": "../three.safetensors", "d": "one.safetensors"}})";
  Process process([&] { return hold(first); });
  const Facts facts = facts_of(reader_of(process, first));
  CHECK(facts.shards == 2);
  CHECK(facts.model_bytes == 2 << 20);
  CHECK(facts.model == scratch.path("model.safetensors"));
}

TEST_CASE("raw weights are known by what lies beside them") {
  Scratch scratch;
  const std::string path = scratch.file("weights.bin", std::string(64, 'w'));
  Process process([&] { return hold(path); });
  CHECK(facts_of(reader_of(process, path)).format.empty());
  const std::string graph = scratch.file("model.onnx", "graph");
  CHECK(facts_of(reader_of(process, path)).format == "onnx-data");
  REQUIRE(unlink(path.c_str()) == 0);
  const std::string other = scratch.file("weights.bin", std::string(64, 'w'));
  Process late([&] { return hold(other); });
  const Reader reader = reader_of(late, other);
  REQUIRE(unlink(other.c_str()) == 0);
  CHECK(facts_of(reader).format.empty());  // without a name it has no neighbours
}

TEST_CASE("a file that is known to be no model says so") {
  Scratch scratch;
  const std::string path = scratch.file("t", "PAR1" + std::string(60, '\1'));
  Process process([&] { return hold(path); });
  const Facts facts = facts_of(reader_of(process, path));
  CHECK(facts.format == "parquet");
  CHECK(facts.role == FormatRole::data);
}

TEST_CASE("an inspector without rules recognises nothing") {
  Scratch scratch;
  const std::string path = scratch.file("a.gguf", gguf_header());
  Process process([&] { return hold(path); });
  Asking asking;
  asking.set_rules({});
  const auto result = asking.facts(reader_of(process, path));
  REQUIRE(result.ok());
  CHECK(result.value().format.empty());
  CHECK(result.value().detail == "no known format");
}
