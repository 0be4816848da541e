#include <doctest/doctest.h>
#include <tests/support/folder.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/html.h"
#include "cli/npy.h"
#include "watch_script.h"

using namespace sterna;
using namespace sterna::cli;
using namespace sterna::test;

TEST_CASE("watch: where frames are files, events and failures tell which") {
  struct Files : Script {
    std::vector<std::string> names;
    const std::string* file(uint64_t index) const override { return &names[index]; }
  };
  const test::Folder folder;
  Files files;
  files.steps = day_and_night(64).steps;
  for (size_t i = 0; i < files.steps.size(); ++i) files.names.push_back(std::to_string(i) + ".png");
  WatchModel model = bright_model();
  const auto embed = model.embed;
  size_t call = 0;
  model.embed = [&](const vision::ImageView& p, std::span<float> out) {
    if (++call == 30) throw Error("expected something else");
    embed(p, out);
  };
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  std::vector<std::string> failed;
  outputs.file_failed = [&](const std::string& file, const std::string& error) {
    failed.push_back(file + " " + error);
  };
  EmbeddingLog log(folder.path() / "e.npy", 3);
  outputs.log = &log;
  watch(files, nullptr, gate, model, outputs);
  REQUIRE(seen.events.size() == 3);
  for (const WatchEvent& event : seen.events) CHECK(event.file == files.names[event.frame]);
  CHECK(failed == std::vector<std::string>{"29.png 29.png: expected something else"});
  CHECK(seen.warnings == std::vector<std::string>{"29.png: expected something else"});
  CHECK(folder.read("e.jsonl").starts_with(
      "{\"row\":0,\"frame\":0,\"seconds\":0.0,\"input\":\"0.png\"}\n"));
}

TEST_CASE("watch: report and embeddings") {
  const test::Folder folder;
  Script script = day_and_night(200);
  PixelDifference difference(1.5);
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  WatchReport report(folder.path() / "r.html", "a<b>.mp4", "model");
  EmbeddingLog log(folder.path() / "e.npy", 3);
  outputs.report = &report;
  outputs.log = &log;
  watch(script, &difference, gate, bright_model(), outputs);
  CHECK_FALSE(outputs.failed);

  const std::string page = folder.read("r.html");
  const auto count = [&](const std::string& what) {
    size_t n = 0;
    for (size_t at = page.find(what); at != page.npos; at = page.find(what, at + 1)) ++n;
    return n;
  };
  CHECK(count("<article>") == 3);
  CHECK(count("data:image/jpeg;base64,/9j/") == 3);  // how a JPEG file begins
  CHECK(count("<rect ") == 3);
  CHECK(count("<polyline ") == 2);
  CHECK(count("a&lt;b&gt;.mp4") == 2);  // title and heading
  CHECK(count("bright &lt;day&gt;") == 1);
  CHECK(count("dark &amp; night") == 2);
  CHECK(count("<script") == 0);
  CHECK(page.ends_with("</html>\n"));

  const NpyMatrix rows(folder.path() / "e.npy");
  CHECK(rows.rows() == 3);
  CHECK(rows.cols() == 3);
  CHECK(rows.row(1)[1] > 0.9f);
  CHECK(folder.read("e.jsonl") ==
        "{\"row\":0,\"frame\":0,\"seconds\":0.0}\n{\"row\":1,\"frame\":100,\"seconds\":10.0}\n"
        "{\"row\":2,\"frame\":200,\"seconds\":20.0}\n");
  CHECK_THROWS_AS(EmbeddingLog(folder.path() / "e.bin", 3), Error);
}

TEST_CASE("watch: a disk that fills up costs the report and the log, not the events") {
  const test::Folder folder;
  Script script = day_and_night(64);
  for (Script::Step& step : script.steps) {  // every frame differs a little
    step.image.rgb[0] = static_cast<uint8_t>(step.image.rgb[0] + (&step - script.steps.data()) % 5);
  }
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  WatchReport report(folder.path() / "r.html", "source", "model");
  EmbeddingLog log(folder.path() / "e.npy", 3);
  outputs.report = &report;
  outputs.log = &log;
  // No file may grow beyond 3000 bytes from here on: as on a full disk, write() fails.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{3000, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const WatchSummary summary = watch(script, nullptr, gate, bright_model(), outputs);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(outputs.failed);
  CHECK(seen.events.size() == 3);
  CHECK(summary.frames == 300);
  REQUIRE(seen.warnings.size() == 2);  // each named once
  CHECK(seen.warnings[0].find("e.") != std::string::npos);
  CHECK(seen.warnings[1].find("r.html") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "r.html"));
}

TEST_CASE("watch: where events go is at its end: report and log are finished first") {
  const test::Folder folder;
  for (const size_t told : {size_t{0}, size_t{1}, size_t{2}}) {
    CAPTURE(told);
    Script script = day_and_night(64);
    PixelDifference difference(1.5);
    auto gate = cusum();
    size_t calls = 0;
    WatchOutputs outputs;
    outputs.event = [&](const WatchEvent&) {
      if (calls++ == told) throw Error("standard output: expected room");
    };
    outputs.warn = [](const std::string&) {};
    WatchReport report(folder.path() / "r.html", "source", "model");
    EmbeddingLog log(folder.path() / "e.npy", 3);
    outputs.report = &report;
    outputs.log = &log;
    CHECK_THROWS_WITH_AS(watch(script, &difference, gate, bright_model(), outputs),
                         "standard output: expected room", Error);
    CHECK(calls == told + 1);  // nothing is said after it
    CHECK((script.at < script.steps.size()) == (told < 2));
    CHECK(folder.read("r.html").ends_with("</html>\n"));
    CHECK(NpyMatrix(folder.path() / "e.npy").rows() >= told + 1);
    CHECK_FALSE(std::filesystem::exists(folder.path() / "e.npy.part"));
    CHECK_FALSE(std::filesystem::exists(folder.path() / "e.jsonl.part"));
  }
}

TEST_CASE("watch: every segment of a long stream names a frame of its own, with a report or not") {
  const test::Folder folder;
  for (const bool reported : {false, true}) {
    CAPTURE(reported);
    Script script;
    for (size_t i = 0; i < 1030; ++i) {  // 1000 dark frames, 5 bright, 4 dark, 20 bright, 1 dark
      const bool bright = (i >= 1000 && i < 1005) || (i >= 1009 && i < 1029);
      script.steps.push_back({picture(16, bright ? 250 : 5), static_cast<double>(i) / 8});
    }
    decoder::WardGate gate(3, {std::nullopt, 0.01, 1});
    Collected seen;
    WatchOutputs outputs = seen.outputs();
    std::optional<WatchReport> report;
    if (reported) outputs.report = &report.emplace(folder.path() / "r.html", "source", "model");
    PixelDifference difference(1.5);
    watch(script, &difference, gate, bright_model(), outputs);
    REQUIRE(seen.events.size() == 5);
    const uint64_t frames[] = {500, 1002, 1007, 1019, 1029};
    for (size_t i = 0; i < 5; ++i) CHECK(seen.events[i].frame == frames[i]);
  }
  const std::string page = folder.read("r.html");
  size_t thumbnails = 0;
  for (size_t at = page.find("<img"); at != page.npos; at = page.find("<img", at + 1)) ++thumbnails;
  CHECK(thumbnails == 5);
}

TEST_CASE("times and HTML") {
  CHECK(time_text(0) == "0:00.0");
  CHECK(time_text(75.25) == "1:15.2");
  CHECK(time_text(3725) == "1:02:05.0");
  CHECK(time_text(-1) == "0:00.0");
  CHECK(time_text(1e17) == time_text(1e300));
  CHECK(time_text(1e300).starts_with("2777777777777"));
  CHECK(time_text(-1e300) == "0:00.0");
  CHECK(html_text("<a href=\"x\">&'") == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  CHECK(html_text("\xff") == "\xEF\xBF\xBD");
}
