// SPDX-License-Identifier: LGPL-2.1-or-later
#include <memory>
#include <string>
#include <vector>

#include "client/session.h"
#include "libtune/kernel_fs.h"
#include "libtune/tuned_knobs.h"

namespace tuneshift {

namespace {

struct ImportArguments {
  std::string name;
  std::vector<std::string> directories;
};

int import(const Session& session, const ImportArguments& arguments) {
  const auto kernel = KernelFs::open("/");
  if (!kernel) return fail(kernel.error());
  const auto directories =
      arguments.directories.empty() ? tuned_directories() : arguments.directories;
  const auto profile = read_tuned_profile(kernel.value(), directories, arguments.name);
  if (!profile) {
    std::fprintf(stderr, "tuneshiftctl: %s\n", profile.error().message.c_str());
    return kFailed;
  }
  const ImportedProfile imported = import_tuned(profile.value());
  if (session.json) {
    print(Json::object()
              .set("yaml", imported.yaml)
              .set("taken", static_cast<uint64_t>(imported.taken))
              .set("left", static_cast<uint64_t>(imported.left)));
    return kSuccess;
  }
  print(imported.yaml);
  std::fflush(stdout);
  std::fprintf(stderr, "%zu settings taken over, %zu not\n", imported.taken, imported.left);
  return kSuccess;
}

}  // namespace

void add_import_verbs(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<ImportArguments>();
  auto* group = app.add_subcommand("profile", "Make a profile from one of another tool");
  group->require_subcommand(1);
  auto* verb = group->add_subcommand("import-tuned", "Print a profile of tuned's as one of ours");
  verb->add_option("NAME", arguments->name, "Such as throughput-performance")->required();
  verb->add_option("--directory", arguments->directories,
                   "Folder of tuned's profiles; several, the later ones override the earlier "
                   "(/usr/lib/tuned, /etc/tuned, and profiles in both)")
      ->type_name("DIR")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->callback([&session, arguments] {
    session.local = [&session, arguments] { return import(session, *arguments); };
  });
}

}  // namespace tuneshift
