// quantize() of converted files: rules by what tensors are for, calibration, what outputs become.
#include <doctest/doctest.h>
#include <sterna/models/check.h>
#include <sterna/models/convert.h>
#include <sterna/models/gguf.h>
#include <sterna/models/info.h>
#include <sterna/models/quantize.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <cmath>
#include <fstream>
#include <tuple>

#include "checkpoints.h"
#include "models/sample_inputs.h"

using namespace sterna;
using models::parse_rules;

namespace {

std::filesystem::path golden_file(const std::string& name) {
  return test::kCheckpoints / (name + ".golden.safetensors");
}

/// A bert of one block whose maps have rows of 256 weights.
std::filesystem::path wide_bert(const test::Folder& scratch) {
  std::ofstream(scratch / "config.json")
      << R"({"model_type": "bert", "hidden_size": 256, "intermediate_size": 512,
             "num_attention_heads": 4, "num_hidden_layers": 1, "vocab_size": 50,
             "max_position_embeddings": 24, "type_vocab_size": 2})";
  models::SafetensorsBytes file;
  unsigned seed = 1;
  const auto add = [&](const std::string& name, std::vector<uint64_t> shape) {
    std::vector<float> values;
    uint64_t n = 1;
    for (const uint64_t d : shape) n *= d;
    for (; values.size() < n; seed = seed * 1664525 + 1013904223)
      values.push_back(static_cast<float>(seed >> 8) / 16777216.0F - 0.5F);
    file.add(name, models::Dtype::f32, shape, std::as_bytes(std::span(values)));
  };
  const auto map = [&](const std::string& name, uint64_t rows, uint64_t cols) {
    add(name + ".weight", {rows, cols});
    add(name + ".bias", {rows});
  };
  add("embeddings.word_embeddings.weight", {50, 256});
  add("embeddings.position_embeddings.weight", {24, 256});
  add("embeddings.token_type_embeddings.weight", {2, 256});
  const std::string block = "encoder.layer.0.";
  for (const char* name : {"query", "key", "value"})
    map(block + "attention.self." + name, 256, 256);
  map(block + "attention.output.dense", 256, 256);
  map(block + "intermediate.dense", 512, 256);
  map(block + "output.dense", 256, 512);
  for (const std::string& name :
       {std::string("embeddings"), block + "attention.output", block + "output"}) {
    add(name + ".LayerNorm.weight", {256});
    add(name + ".LayerNorm.bias", {256});
  }
  scratch.write("model.safetensors", file.bytes());
  return scratch.path();
}

}  // namespace

TEST_CASE("quantising a converted file gives the file that converting with the rules gives") {
  const test::Folder scratch;
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

TEST_CASE("llama.cpp's ternary blocks: converted to, run, and quantised from") {
  const test::Folder scratch, folder;
  Session session(1);
  const auto type_of = [&](const char* file) {
    for (const auto& tensor : models::describe(scratch / file).tensors)
      if (tensor.name == "encoder.layer.0.output.dense.weight") return tensor.type;
    return std::string();
  };
  const auto same = [&](const char* a, const char* b) {
    for (const auto& change : models::compare(scratch / a, scratch / b, {}, session))
      CHECK(change.after == doctest::Approx(1).epsilon(1e-9));
  };
  models::convert(wide_bert(folder), scratch / "f32.gguf");
  models::convert(folder.path(), scratch / "tq1.gguf", parse_rules("@blocks=tq1_0"));
  CHECK(type_of("tq1.gguf") == "tq1_0");
  models::quantize(scratch / "f32.gguf", scratch / "also.gguf", parse_rules("@blocks=tq1_0"));
  CHECK(test::read_file(scratch / "tq1.gguf").size() ==
        test::read_file(scratch / "also.gguf").size());
  same("tq1.gguf", "also.gguf");
  models::quantize(scratch / "tq1.gguf", scratch / "t2.gguf", parse_rules("@blocks=t2/256"));
  CHECK(type_of("t2.gguf") == "t2");
  same("tq1.gguf", "t2.gguf");
  models::quantize(scratch / "t2.gguf", scratch / "tq2.gguf", parse_rules("@blocks=tq2_0"));
  CHECK(type_of("tq2.gguf") == "tq2_0");
  same("tq1.gguf", "tq2.gguf");
  models::quantize(scratch / "tq2.gguf", scratch / "back.gguf", parse_rules("@blocks=f32"));
  CHECK(type_of("back.gguf") == "f32");
  const std::string table = test::message_of<Error>([&] {
    models::quantize(scratch / "f32.gguf", scratch / "no.gguf", parse_rules("@tables=tq2_0"));
  });
  CHECK(table.find("i8row, q4_0, f32 or f16 for a table") != std::string::npos);
}

TEST_CASE("maps and tables in q4_0 and i8row, tables in t5: run, and read again as they are") {
  const test::Folder scratch, folder;
  Session session(1);
  models::convert(wide_bert(folder), scratch / "f32.gguf");
  const auto cosine = [&](const std::string& rules) {
    models::quantize(scratch / "f32.gguf", scratch / "q.gguf", parse_rules(rules));
    // Widened, it computes the same but for what laying out as bf16 rounds.
    models::quantize(scratch / "q.gguf", scratch / "wide.gguf", parse_rules("*=f32"));
    for (const auto& change :
         models::compare(scratch / "wide.gguf", scratch / "q.gguf", {}, session))
      CHECK(change.after > 0.9999);
    double worst = 1;
    for (const auto& change :
         models::compare(scratch / "f32.gguf", scratch / "q.gguf", {}, session))
      worst = std::min(worst, change.after);
    return worst;
  };
  CHECK(cosine("@tables=q4_0") > 0.99);
  CHECK(cosine("@tables=i8row") > 0.9999);
  CHECK(cosine("@tables=i8") > 0.9999);
  CHECK(cosine("@tables=t5/64") > 0.9);
  CHECK(cosine("@maps=q4_0|i8row") > 0.98);
  CHECK(cosine("@maps=i8row") > 0.999);
}

TEST_CASE("maps in q4_0 and i8row are laid out to be run, not to be listed or kept") {
  const test::Folder scratch, folder;
  models::convert(wide_bert(folder), scratch / "q.gguf", parse_rules("@maps=q4_0"));
  const std::string map = "encoder.layer.0.output.dense.weight";
  std::vector<std::byte> bytes = test::read_file(scratch / "q.gguf");
  {
    const models::Gguf file = models::Gguf::parse("q.gguf", bytes);
    const auto data = file.find(map)->data;
    bytes[static_cast<size_t>(data.data() - bytes.data()) + 1] = std::byte{0x7c};  // d: infinite
  }
  std::ofstream(scratch / "q.gguf", std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
  // That the numbers are not read shows in that nobody minds what can't be laid out.
  CHECK(models::describe(scratch / "q.gguf").problem == "");
  models::quantize(scratch / "q.gguf", scratch / "out.gguf", parse_rules("@tables=i8row"));
  Session session(1);
  CHECK(test::message_of<Error>([&] {
          models::compare(scratch / "q.gguf", scratch / "out.gguf", {}, session);
        }).starts_with((scratch / "q.gguf").string() + ": tensor \"" + map + "\": "));
}

TEST_CASE("scales of a converted file that are negative or no numbers are named, with their row") {
  const test::Folder scratch, folder;
  models::convert(wide_bert(folder), scratch / "good.gguf",
                  parse_rules("@tables=i8row,*output.dense.weight=t5/64,@maps=i8row"));
  Session session(1);
  for (const auto& [tensor, scale, row] :
       {std::tuple{"embeddings.word_embeddings.weight", 7, 7},
        {"encoder.layer.0.attention.output.dense.weight", 9, 2},  // four groups a row
        {"encoder.layer.0.intermediate.dense.weight", 300, 300}}) {
    std::vector<std::byte> bytes = test::read_file(scratch / "good.gguf");
    size_t at = 0;
    {
      const models::Gguf file = models::Gguf::parse("q.gguf", bytes);
      const auto data = file.find(std::string(tensor) + ".scale")->data;
      at = static_cast<size_t>(data.data() - bytes.data()) + 2 * static_cast<size_t>(scale);
    }
    bytes[at] = std::byte{0};
    bytes[at + 1] = std::byte{0xbc};  // -1
    const auto bad = scratch / "bad.gguf";
    std::ofstream(bad, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
    const auto good = scratch / "good.gguf";
    CHECK(test::message_of<Error>([&] { models::compare(good, bad, {}, session); }) ==
          bad.string() + ": tensor \"" + tensor +
              "\": expected scales that are finite and not negative, found -1.000000 in row " +
              std::to_string(row));
  }
}

TEST_CASE("sparse types are calibrated too, and err less than the largest of each four do") {
  const test::Folder scratch;
  models::convert(test::kCheckpoints / "open_vljepa", scratch / "f32.gguf");
  const auto report = models::quantize(scratch / "f32.gguf", scratch / "q.gguf",
                                       parse_rules("@tower=t34,@predictor=t14"),
                                       {.inputs = golden_file("open_vljepa"), .threads = 1});
  size_t towers = 0, predictors = 0;
  for (const auto& map : report.calibrated) {
    (map.name.starts_with("predictor.layers.") ? predictors : towers) += 1;
    CHECK(map.error <= map.nearest);
  }
  CHECK(towers > 0);
  CHECK(predictors > 0);
  for (const char* type : {"t34", "t14"}) {
    CHECK(std::any_of(report.tensors.begin(), report.tensors.end(),
                      [&](const auto& tensor) { return tensor.to == type; }));
  }
  CHECK(test::check(scratch / "q.gguf", "open_vljepa").size() == 4);
}

TEST_CASE("compare: made-up inputs for every family, and golden ones") {
  const test::Folder scratch;
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
  const test::Folder scratch;
  Session session(1);
  size_t better = 0, models = 0;
  for (const char* name : {"bert", "clip", "composed", "gemma3", "llama", "modernbert",
                           "open_vljepa", "siglip2_vision", "vjepa2", "vjepa21",
                           "vjepa2_predictor"}) {
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
  const test::Folder scratch;
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
  const test::Folder scratch;
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
  scratch.write("m/config.json", std::as_bytes(std::span(config)));
  const models::FileInfo other = models::describe(scratch / "m");
  CHECK(other.problem.find("model_type: expected one of") != std::string::npos);
  REQUIRE(other.parts.size() == 1);
  CHECK(other.parts[0].first == Part::other);
}
