// Folders as one GGUF: the same numbers from it, and from what its rules store otherwise.
#include <doctest/doctest.h>
#include <sterna/models/convert.h>
#include <sterna/models/gguf.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/models/safetensors.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <fstream>
#include <set>

#include "checkpoints.h"
#include "tests/nn/common.h"

using namespace sterna;
using models::parse_rules;

namespace {

/// Bit for bit, which CHECK(a == b) of doubles is: none of these is a NaN.
void same(const std::vector<models::Agreement>& a, const std::vector<models::Agreement>& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    CAPTURE(a[i].output);
    CHECK(a[i].output == b[i].output);
    CHECK(a[i].cosine == b[i].cosine);
    CHECK(a[i].max_rel_err == b[i].max_rel_err);
  }
}

}  // namespace

TEST_CASE("every family converts, and its GGUF gives exactly what the folder gives") {
  const test::Folder scratch;
  for (const std::string& name : test::goldens()) {
    CAPTURE(name);
    const auto folder = test::folder_of(name), file = scratch / (name + ".gguf");
    const models::ConvertReport report = models::convert(folder, file);
    CHECK(report.left_out.empty());
    CHECK(!report.texts.empty());
    CHECK(report.file_after == std::filesystem::file_size(file));
    for (const quant::Isa isa : test::isas()) {
      same(test::check(file, name, {.isa = isa}), test::check(folder, name, {.isa = isa}));
    }
    // Blocks packed at load, of the one as of the other.
    const models::CheckOptions packed{.weights = quant::Type::i8};
    same(test::check(file, name, packed), test::check(folder, name, packed));
  }
}

TEST_CASE("blocks stored as bf16, int8 or ternary are those that `check --weights` packs") {
  const test::Folder scratch;
  for (const std::string& name : test::goldens()) {
    for (const char* type : {"bf16", "i8", "t5", "t2", "t34", "t14"}) {
      CAPTURE(name + " " + type);
      const auto folder = test::folder_of(name), file = scratch / (name + type + ".gguf");
      models::convert(folder, file, parse_rules("@blocks=" + std::string(type)));
      const auto found = test::check(file, name);
      same(found, test::check(folder, name, {.weights = quant::parse_type(type)}));
      // Ternary without training is another network.
      const double least = *type == 'b' ? 0.9995 : *type == 'i' ? 0.998 : -1;
      for (const auto& agreement : found) CHECK(agreement.cosine >= least);
    }
  }
}

TEST_CASE("rules that match no tensor are reported, whichever comes first") {
  const test::Folder scratch;
  const auto rules = parse_rules("@maps=i8,nothing.*=f16,*=keep,@maps=bf16,@predictor=t5/128");
  const auto file = scratch / "m.gguf";
  const auto patterns = [](const auto& report) {
    std::vector<std::string> out;
    for (const auto& rule : report.unmatched) out.push_back(rule.pattern);
    return out;
  };
  const std::vector<std::string> expected = {"nothing.*", "@predictor"};
  CHECK(patterns(models::convert(test::folder_of("vit"), file, rules)) == expected);
  CHECK(patterns(models::quantize(file, scratch / "again.gguf",
                                  parse_rules("nothing.*=f16,*=keep,@predictor=t5"))) == expected);
}

TEST_CASE("every linear map as int8 and every table as int8 rows: what the README promises") {
  const test::Folder scratch;
  for (const std::string& name : test::goldens()) {
    CAPTURE(name);
    const auto file = scratch / (name + ".gguf");
    const auto report =
        models::convert(test::folder_of(name), file, parse_rules("@maps=i8,@tables=i8"));
    for (const auto& tensor : report.tensors) {
      CAPTURE(tensor.name);
      CHECK((tensor.to == "i8" || tensor.to == "i8row" || tensor.to == tensor.from));
    }
    CHECK(report.file_after < report.file_before + 65536);
    for (const auto& agreement : test::check(file, name)) CHECK(agreement.cosine >= 0.995);
  }
}

TEST_CASE("names, shapes and texts of the folder are in the file") {
  const test::Folder scratch;
  const auto file = scratch / "m.gguf";
  models::convert(test::kCheckpoints / "composed", file);
  const models::Gguf gguf = models::Gguf::open(file);
  CHECK(gguf.string("general.architecture") == "sterna-folder");
  CHECK(gguf.string("general.name") == "composed");
  std::set<std::string> names;
  for (const char* part : {"vision", "text", "predictor"}) {
    const auto folder = test::kCheckpoints / "composed" / part;
    const test::Bytes config = test::read_file(folder / "config.json");
    const auto text = gguf.string("sterna.file." + std::string(part) + "/config.json");
    CHECK(text == std::string_view(reinterpret_cast<const char*>(config.data()), config.size()));
    const auto weights = models::Safetensors::open(folder / "model.safetensors");
    for (const auto& tensor : weights.tensors()) names.insert(part + ("/" + tensor.name));
  }
  CHECK(gguf.has("sterna.file.sterna.json"));
  CHECK(gguf.has("sterna.file.text/1_Pooling/config.json"));
  std::set<std::string> found;
  for (const auto& tensor : gguf.tensors()) {
    const std::string key = "sterna.tensor." + tensor.name + ".name";
    found.insert(std::string(gguf.has(key) ? gguf.string(key) : std::string_view(tensor.name)));
    CHECK(tensor.name.size() <= 57);
    CHECK(reinterpret_cast<uintptr_t>(tensor.data.data()) % 64 == 0);
  }
  CHECK(found == names);
}

TEST_CASE("rules that make no sense for a tensor are refused by name, and nothing is written") {
  const test::Folder scratch;
  const auto refused = [&](const char* folder, const char* rules) {
    const std::string message = test::message_of<Error>([&] {
      models::convert(test::kCheckpoints / folder, scratch / "no.gguf", parse_rules(rules));
    });
    CAPTURE(rules);
    CHECK(std::filesystem::is_empty(scratch.path()));
    return message;
  };
  const auto has = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  has(refused("bert", "*=t5"), "numbers that are no linear map");
  has(refused("bert", "*LayerNorm.weight=t5"), "LayerNorm.weight\": rule \"*LayerNorm.weight=t5\"");
  has(refused("bert", "@tables=bf16"),
      "expected an integer layout, i8row, q4_0, f32 or f16 for a table");
  has(refused("bert", "@tables=tq2_0"), "for a table");
  has(refused("bert", "*LayerNorm.weight=i8row"), "numbers that are no linear map");
  has(refused("siglip2_vision", "*patch_embedding.weight=i8"), "no linear map");
  CHECK_THROWS_WITH_AS(parse_rules("@norms=f16"),
                       "rule \"@norms=f16\": expected a pattern, or @maps, @blocks, @predictor, "
                       "@tower, @text or @tables",
                       Error);
}
