// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/name_hasher.h"

#include "tests/catch.h"

using namespace tuneshift;

namespace {

const NameHasher hasher({1, 2});

std::string hash(const std::string& name) {
  return hasher.path(name);
}

}  // namespace

TEST_CASE("SipHash-2-4 gives the value of its authors' paper") {
  std::string text;
  for (char c = 0; c < 15; ++c) text += c;
  CHECK(siphash({0x0706050403020100, 0x0f0e0d0c0b0a0908}, text) == 0xa129ca6149be45e5);
}

TEST_CASE("a path keeps its parts, its extension and the digits of a shard") {
  CHECK(hash("model").size() == 12);
  CHECK(hash("model") != "model");
  CHECK(hash("model") != NameHasher({1, 3}).path("model"));
  CHECK(hash("/m/model.gguf") == "/" + hash("m") + "/" + hash("model") + ".gguf");
  CHECK(hash("/m//./..") == "/" + hash("m") + "//./..");
  CHECK(hash("a-00001-of-00004.safetensors") == hash("a") + "-00001-of-00004.safetensors");
  CHECK(hash("consolidated.00.pth") == hash("consolidated") + ".00.pth");
  CHECK(hash("a_of_2") == hash("a_of") + "_2");
  CHECK(hash("-of-2") == hash("-of") + "-2");
  CHECK(hash("x-of-2") == hash("x-of") + "-2");
  // Only what looks like an extension stays.
  CHECK(hash("name.with secret").size() == 12);
  CHECK(hash(".hidden").size() == 12);
  CHECK(hash("").empty());
}

TEST_CASE("of a command line the program, the options and a module stay") {
  CHECK(hasher.command_line("/opt/me/bin/python3 -m vllm.server --model=/m/x.gguf --key secret") ==
        hash("/opt/me/bin/") + "python3 -m vllm.server --model=" + hash("/m/x.gguf") + " --key " +
            hash("secret"));
}

TEST_CASE("no line of a trace keeps a name") {
  const Reader reader{{1, 2}, {3, 4, 5}};
  Facts facts;
  facts.path = "/secret/secret.gguf";
  facts.model = "/secret";
  facts.cgroup = "/user.slice/secret";
  facts.command_line = "cat secret";
  TraceBody lines[] = {
      TraceOrigin{}, TraceFacts{reader, facts},
      TraceFailure{reader, ErrorCode::io, "open /secret: no"},
      TraceDecision{{LoadChangeKind::rejected, reader, 0, "could not be inspected: open /secret"}}};
  for (TraceBody& line : lines) {
    hasher.hide_names(line);
    CHECK(to_line({1, line}).find("secret") == std::string::npos);
  }
  CHECK(std::get<TraceOrigin>(lines[0]).hashed);
  // Two files of one folder stay neighbours.
  CHECK(std::get<TraceFacts>(lines[1]).facts.path ==
        std::get<TraceFacts>(lines[1]).facts.model + "/" + hash("secret.gguf"));
}
