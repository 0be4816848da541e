// quantize() of converted files: rules by what tensors are for, calibration, what outputs become.
#include <doctest/doctest.h>
#include <sterna/models/check.h>
#include <sterna/models/convert.h>
#include <sterna/models/info.h>
#include <sterna/models/quantize.h>
#include <sterna/quant/error.h>

#include <cmath>

#include "checkpoints.h"
#include "scratch.h"

using namespace sterna;
using models::parse_rules;

namespace {

std::filesystem::path golden_file(const std::string& name) {
  return test::kCheckpoints / (name + ".golden.safetensors");
}

}  // namespace

TEST_CASE("quantising a converted file gives the file that converting with the rules gives") {
  const test::Scratch scratch;
  for (const char* name : {"composed", "open_vljepa", "siglip", "vjepa2", "modernbert"}) {
    CAPTURE(name);
    const auto rules = parse_rules("*patch*=keep,@maps=i8,@tables=i8");
    const auto folder = test::kCheckpoints / name;
    models::convert(folder, scratch / "plain.gguf");
    models::quantize(scratch / "plain.gguf", scratch / "two.gguf", rules);
    models::convert(folder, scratch / "one.gguf", rules);
    const auto one = test::check(scratch / "one.gguf", name);
    const auto two = test::check(scratch / "two.gguf", name);
    REQUIRE(one.size() == two.size());
    for (size_t i = 0; i < one.size(); ++i) CHECK(one[i].max_rel_err == two[i].max_rel_err);
    // In place, and twice: what is quantised is kept.
    models::quantize(scratch / "two.gguf", scratch / "two.gguf", rules);
    CHECK(test::check(scratch / "two.gguf", name)[0].max_rel_err == one[0].max_rel_err);
  }
}

TEST_CASE("compare: made-up inputs for every family, and golden ones") {
  const test::Scratch scratch;
  Session session(1);
  for (const std::string& name : test::goldens()) {
    if (name.find('.') != std::string::npos) continue;
    CAPTURE(name);
    models::convert(test::folder_of(name), scratch / "f32.gguf");
    models::convert(test::folder_of(name), scratch / "i8.gguf", parse_rules("@blocks=i8"));
    for (const auto& same :
         models::compare(test::folder_of(name), scratch / "f32.gguf", {}, session))
      CHECK(same.after == doctest::Approx(1).epsilon(1e-9));
    const auto made_up = models::compare(scratch / "f32.gguf", scratch / "i8.gguf", {}, session);
    REQUIRE(!made_up.empty());
    for (const auto& change : made_up) {
      CAPTURE(change.output);
      CHECK(change.before == 1);
      CHECK(change.after >= 0.99);
      CHECK(change.after < 1);
    }
    for (const auto& change :
         models::compare(scratch / "f32.gguf", scratch / "i8.gguf", golden_file(name), session)) {
      CHECK(change.before >= 0.99999);
      CHECK(change.after >= 0.998);
    }
  }
}

TEST_CASE("ternary after training: least squares and feedback lose less, map by map") {
  const test::Scratch scratch;
  Session session(1);
  size_t better = 0, models = 0;
  for (const char* name : {"bert", "clip", "composed", "gemma3", "llama", "modernbert",
                           "open_vljepa", "siglip2_vision", "vjepa2", "vjepa2_predictor"}) {
    CAPTURE(name);
    models::convert(test::kCheckpoints / name, scratch / "f32.gguf");
    const auto rules = parse_rules("@blocks=t5");
    models::quantize(scratch / "f32.gguf", scratch / "plain.gguf", rules);
    const auto report = models::quantize(scratch / "f32.gguf", scratch / "calibrated.gguf", rules,
                                         {.inputs = golden_file(name), .threads = 1});
    size_t maps = 0;
    for (const auto& tensor : report.tensors) maps += tensor.to == "t5";
    CHECK(report.calibrated.size() == maps);
    for (const auto& map : report.calibrated) {
      CAPTURE(map.name);
      CHECK(map.error <= map.refitted);
      CHECK(map.refitted <= map.nearest);
      CHECK(map.error > 0);
    }
    const auto plain =
        models::compare(scratch / "f32.gguf", scratch / "plain.gguf", golden_file(name), session);
    const auto calibrated = models::compare(scratch / "f32.gguf", scratch / "calibrated.gguf",
                                            golden_file(name), session);
    double before = 0, after = 0;
    for (size_t i = 0; i < plain.size(); ++i) {
      before += plain[i].after;
      after += calibrated[i].after;
    }
    better += after > before;
    ++models;
  }
  // These tiny networks are random: one may be lucky.
  CHECK(better + 1 >= models);
}

TEST_CASE("calibration of a converted file: one of the predictor alone, threads, what is refused") {
  const test::Scratch scratch;
  models::convert(test::kCheckpoints / "open_vljepa", scratch / "f32.gguf");
  const auto rules = parse_rules("@predictor=t5/64");
  std::vector<test::Bytes> files;
  for (const int threads : {1, 2}) {
    const auto report =
        models::quantize(scratch / "f32.gguf", scratch / "t5.gguf", rules,
                         {.inputs = golden_file("open_vljepa"), .threads = threads});
    for (const auto& map : report.calibrated) CHECK(map.name.starts_with("predictor.layers."));
    CHECK(!report.calibrated.empty());
    files.push_back(test::read_file(scratch / "t5.gguf"));
  }
  CHECK(files[0] == files[1]);

  const auto refused = [&](const char* types, const char* golden) {
    return test::message_of<Error>([&] {
      models::quantize(scratch / "f32.gguf", scratch / "no.gguf", parse_rules(types),
                       {.inputs = golden_file(golden), .threads = 1});
    });
  };
  CHECK(refused("@tables=i8", "open_vljepa").find("expected rules that store maps of blocks") !=
        std::string::npos);
  CHECK(refused("@predictor=t5", "bert").find("expected inputs of this model") !=
        std::string::npos);
  CHECK(!std::filesystem::exists(scratch / "no.gguf"));
  const std::string words = test::message_of<Error>([&] {
    models::quantize(STERNA_TEST_DATA "/golden/tower/tiny.gguf", scratch / "no.gguf",
                     parse_rules("@blocks=i8"));
  });
  CHECK(words.find("expected a file that `model convert` wrote") != std::string::npos);
}

TEST_CASE("info: which tensors are predictor, tower, text and table, of folders and their files") {
  using models::Part;
  const test::Scratch scratch;
  models::convert(test::kCheckpoints / "composed", scratch / "f32.gguf");
  const models::FileInfo folder = models::describe(test::kCheckpoints / "composed");
  const models::FileInfo file = models::describe(scratch / "f32.gguf");
  CHECK(folder.problem.empty());
  CHECK(file.problem.empty());
  CHECK(folder.widened == file.widened);
  REQUIRE(folder.tensors.size() == file.tensors.size());
  REQUIRE(folder.parts.size() >= 4);
  REQUIRE(folder.parts.size() == file.parts.size());
  for (size_t i = 0; i < folder.parts.size(); ++i) {
    CHECK(folder.parts[i].first == file.parts[i].first);
    CHECK(folder.parts[i].second.weights == file.parts[i].second.weights);
    CHECK(folder.parts[i].second.bytes == file.parts[i].second.bytes);
  }
  CHECK(folder.parts[0].first == Part::predictor);
  CHECK(folder.parts[3].first == Part::table);
  for (const auto& tensor : folder.tensors) {
    CAPTURE(tensor.name);
    const bool table = tensor.part == Part::table;
    if (tensor.part == Part::other) continue;  // nothing reads it
    if (tensor.name.starts_with("vision/")) CHECK(tensor.part == Part::tower);
    if (tensor.name.starts_with("text/")) CHECK((table || tensor.part == Part::text));
    if (tensor.name.starts_with("predictor/")) CHECK((table || tensor.part == Part::predictor));
  }
  // A folder that can't be run is listed all the same, and says why.
  std::filesystem::copy(test::kCheckpoints / "vit", scratch / "m");
  std::filesystem::permissions(scratch / "m" / "config.json", std::filesystem::perms::owner_all);
  const std::string config = R"({"model_type": "mamba"})";
  scratch.file("m/config.json", std::as_bytes(std::span(config)));
  const models::FileInfo other = models::describe(scratch / "m");
  CHECK(other.problem.find("model_type: expected one of") != std::string::npos);
  REQUIRE(other.parts.size() == 1);
  CHECK(other.parts[0].first == Part::other);
}
