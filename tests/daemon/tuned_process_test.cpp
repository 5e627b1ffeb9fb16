// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/tuned_process.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>

#include "tests/catch.h"
#include "tests/unit/kernel_tree.h"

using namespace tuneshift;
using namespace tuneshift::test;

namespace {

struct Settings {
  KernelTree tree{file("tuned-main.conf", "")};
  TunedPaths paths{tree.root(), tree.root(), tree.root()};

  void write(const std::string& name, const std::string& text) { tree.add(file(name, text)); }
  void age(const std::string& name, time_t seconds) {
    const timespec then{time(nullptr) - seconds, 0};
    const timespec times[] = {then, then};
    REQUIRE(utimensat(AT_FDCWD, (tree.root() + "/" + name).c_str(), times, 0) == 0);
  }
};

}  // namespace

TEST_CASE("tuned's profiles are those of both its files") {
  Settings tuned;
  CHECK(read_active_profiles(tuned.paths, false).names.empty());
  CHECK(read_active_profiles(tuned.paths, false).written_ns == 0);
  tuned.write("active_profile", "one two\n");
  tuned.write("post_loaded_profile", "late\n");
  const ActiveProfiles active = read_active_profiles(tuned.paths, false);
  CHECK(active.names == "one two  late");
  CHECK(active.written_ns > 0);
  CHECK(active.has_post_loaded);
  CHECK_FALSE(active.is_half_written);
}

TEST_CASE("a file that tuned has emptied but not written yet names no profiles") {
  Settings tuned;
  tuned.write("active_profile", "");
  CHECK(read_active_profiles(tuned.paths, false).is_half_written);
  tuned.write("active_profile", "\n");  // it keeps none
  CHECK_FALSE(read_active_profiles(tuned.paths, false).is_half_written);
  tuned.write("active_profile", "");
  tuned.age("active_profile", 60);
  CHECK_FALSE(read_active_profiles(tuned.paths, false).is_half_written);
}

TEST_CASE("an empty post-loaded profile is half written only where there was one") {
  Settings tuned;
  tuned.write("active_profile", "one\n");
  tuned.write("post_loaded_profile", "");
  CHECK_FALSE(read_active_profiles(tuned.paths, false).is_half_written);
  CHECK(read_active_profiles(tuned.paths, true).is_half_written);
  tuned.age("post_loaded_profile", 60);
  CHECK_FALSE(read_active_profiles(tuned.paths, true).is_half_written);
}

TEST_CASE("tuned's profiles are found where any of its releases has them, or where it is told to") {
  Settings tuned;
  const KernelTree machine{file("proc/sys/vm/swappiness", "60\n")};
  const KernelFs kernel = machine.open();
  const auto kept = [&] {
    const auto values = read_kept_values(kernel, tuned.paths, "one");
    return values && !values.value().empty() ? values.value().begin()->second : "none";
  };
  const auto sets = [](const std::string& value) {
    return "[sysctl]\nvm.swappiness=" + value + "\n";
  };
  CHECK(kept() == "none");
  tuned.write("one/tuned.conf", sets("1"));
  CHECK(kept() == "1");
  tuned.write("profiles/one/tuned.conf", sets("2"));
  CHECK(kept() == "2");
  tuned.write("elsewhere/one/tuned.conf", sets("3"));
  tuned.write("later/two/tuned.conf", sets("4"));
  tuned.write("tuned-main.conf", "profile_dirs = " + tuned.tree.root() + "/elsewhere ; " +
                                     tuned.tree.root() + "/later,relative\n");
  CHECK(kept() == "3");
}

TEST_CASE("tuned rolls back as it ends unless its configuration says otherwise") {
  Settings tuned;
  CHECK(rolls_back(tuned.paths));
  tuned.write("tuned-main.conf", "rollback = auto\n");
  CHECK(rolls_back(tuned.paths));
  tuned.write("tuned-main.conf", "rollback = not_on_exit\n");
  CHECK_FALSE(rolls_back(tuned.paths));
  tuned.write("tuned-main.conf", "daemon = 0\n");
  CHECK_FALSE(rolls_back(tuned.paths));
}
