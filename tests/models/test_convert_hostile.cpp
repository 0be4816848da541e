// Converted files that are not what convert() writes: every fault is an error that names the file.
#include <doctest/doctest.h>
#include <sterna/models/check.h>
#include <sterna/models/convert.h>
#include <sterna/models/gguf.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/models/info.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "checkpoints.h"

using namespace sterna;
using models::GgmlType;
using models::Gguf;
using models::GgufValue;
using models::GgufWriter;

namespace {

struct Tensor {
  std::string name;
  GgmlType type;
  std::vector<uint64_t> shape;
};

/// A copy of a GGUF with other metadata, and other tensors of as many bytes.
struct Edit {
  std::map<std::string, std::optional<GgufValue>> metadata;  // nullopt: left out
  std::function<void(Tensor&)> tensor = [](Tensor&) {};

  void write(const std::filesystem::path& from, const std::filesystem::path& to) const {
    const Gguf file = Gguf::open(from);
    GgufWriter out(to);
    for (const auto& entry : file.metadata()) {
      const std::string key(entry.first);
      if (key != "general.alignment" && metadata.count(key) == 0) out.copy(key, file);
    }
    for (const auto& [key, value] : metadata)
      if (value) out.set(key, *value);
    for (const auto& t : file.tensors()) {
      Tensor other{t.name, t.type, t.shape};
      tensor(other);
      out.declare(other.name, other.type, other.shape);
    }
    for (const auto& t : file.tensors()) out.write(t.data);
    out.commit();
  }
};

class Hostile {
 public:
  explicit Hostile(std::string folder, const char* rules = "*=keep") : golden_(std::move(folder)) {
    models::convert(test::kCheckpoints / golden_, scratch / "good.gguf",
                    models::parse_rules(rules));
  }

  /// The message of checking the edited file, without the name of the file that it starts with.
  std::string fault(const Edit& edit) const {
    const auto file = scratch / "bad.gguf";
    edit.write(scratch / "good.gguf", file);
    const std::string message = test::message_of<Error>([&] { test::check(file, golden_); });
    CAPTURE(message);
    CHECK(message.starts_with(file.string() + ": "));
    CHECK(message.find('\n') == std::string::npos);
    // info lists it, or throws the same kind of error.
    const std::string info = test::message_of<Error>([&] { models::describe(file); });
    CHECK((info.empty() || info.starts_with(file.string())));
    return message.substr(std::min(message.size(), file.string().size() + 2));
  }

  const test::Folder scratch;

 private:
  std::string golden_;
};

void has(const std::string& text, const char* part) {
  CAPTURE(text);
  CAPTURE(part);
  CHECK(text.find(part) != std::string::npos);
}

GgufValue text(const std::string& value) { return GgufValue(std::string_view(value)); }

}  // namespace

TEST_CASE("texts of a converted file: missing, broken, deep, of another kind or version") {
  const Hostile bert("bert");
  const std::string config = "sterna.file.config.json";
  has(bert.fault({{{config, {}}}}), "metadata \"sterna.file.config.json\"");
  has(bert.fault({{{config, GgufValue(uint64_t{7})}}}), "expected a string");
  const std::string broken = "{\"model_type\": \"bert\"", deep(100000, '['), list = "[1, 2]";
  has(bert.fault({{{config, text(broken)}}}), "\"config.json\": expected JSON");
  has(bert.fault({{{config, text(deep)}}}), "\"config.json\": expected at most 32 levels");
  has(bert.fault({{{config, text(list)}}}), "\"config.json\": expected an object, found a list");
  const std::string large(size_t{17} << 20, ' ');
  has(bert.fault({{{config, text(large)}}}), "expected at most 16777216 bytes");
  const std::string wide = R"({"model_type": "bert", "hidden_size": 9223372036854775808})";
  has(bert.fault({{{config, text(wide)}}}), "hidden_size: expected a whole number from 1 to");
  has(bert.fault({{{"sterna.folder.version", GgufValue(uint64_t{2})}}}),
      "expected an integer from 1 to 1, found 2");
  has(bert.fault({{{"general.architecture", text("llama")}}}), "");
}

TEST_CASE("folders in a converted file stay in it") {
  const Hostile composed("composed");
  const auto with = [&](const std::string& vision) {
    const std::string json =
        R"({"vision": ")" + vision + R"(", "text": "text", "predictor": "predictor"})";
    return composed.fault({{{"sterna.file.sterna.json", text(json)}}});
  };
  has(with("../vision"), "vision: expected a folder inside the one of this file");
  has(with("/vision"), "vision: expected a folder inside the one of this file");
  has(with("elsewhere"), "vision: expected a folder that was converted");
  has(with("visi"), "vision: expected a folder that was converted");
  // The whole file as a part of itself goes one level deep and no further.
  has(with(""), "config.json");
  has(with("text"), "vision: expected the folder of a vision tower");
}

TEST_CASE("tensors of a converted file: missing, of another type or shape, of a false name") {
  const Hostile bert("bert", "@blocks=i8");
  const std::string norm = "embeddings.LayerNorm.weight";
  const auto with = [&](const std::string& name, std::function<void(Tensor&)> change) {
    Edit edit;
    edit.tensor = [name, change](Tensor& t) {
      if (t.name == name) change(t);
    };
    return bert.fault(edit);
  };
  has(with(norm, [](Tensor& t) { t.name = "x"; }), "embeddings.LayerNorm.weight\" is missing");
  has(with(norm, [](Tensor& t) { t.type = GgmlType::i32; }), "expected floats");
  has(with(norm, [](Tensor& t) { t.shape = {1, t.shape[0]}; }), "expected floats");
  const std::string map = "encoder.layer.0.output.dense.weight";
  has(with(map + ".scale", [](Tensor& t) { t.name = "y"; }), "expected its scales in tensor");
  const std::string key = "sterna.tensor." + map;
  has(bert.fault({{{key + ".rows", GgufValue(uint64_t{1} << 63)}}}), "expected an integer from 1");
  has(bert.fault({{{key + ".cols", GgufValue(uint64_t{3})}}}), "bytes for i8");
  has(bert.fault({{{key + ".type", text("q9")}}}),
      "expected f32, bf16, i8, t2, t5, t34 or t14, found \"q9\"");
  has(bert.fault({{{key + ".group", GgufValue(uint64_t{7})}}}), "expected scales f16");
  has(bert.fault({{{"sterna.tensor." + norm + ".name", text(map)}}}), "occurs twice");
  has(bert.fault({{{"sterna.tensor." + norm + ".name", GgufValue(true)}}}), "expected a string");
}

TEST_CASE("shapes of more than four dimensions that are not those of the data") {
  const Hostile vjepa2("vjepa2");
  const std::string key =
      "sterna.tensor.encoder.layer.0.norm1.weight.shape";  // any tensor may have one
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{}, {-1}, {0, 5}, {int64_t{1} << 62, int64_t{1} << 62}, {3, 1000003}})
    has(vjepa2.fault({{{key, GgufValue(shape)}}}), "expected a shape of");
}

TEST_CASE("every truncation of a converted file is an error that names it") {
  const Hostile composed("composed", "@blocks=t5,@tables=i8");
  const test::Bytes whole = test::read_file(composed.scratch / "good.gguf");
  for (size_t i = 0; i < 200; ++i) {
    const size_t size = i < 64 ? i : whole.size() * i / 200;
    const auto file = composed.scratch.write(
        "cut.gguf", std::span(whole).first(std::min(size, whole.size() - 64)));
    const std::string message = test::message_of<Error>([&] { test::check(file, "composed"); });
    CAPTURE(size);
    CHECK(message.find("cut.gguf") != std::string::npos);
  }
}

TEST_CASE("convert: folders that can't be run, files that can't be written, room on the disk") {
  const test::Folder scratch;
  const auto message = [&](const std::filesystem::path& in, const std::filesystem::path& out) {
    return test::message_of<Error>([&] { models::convert(in, out); });
  };
  has(message(scratch.path(), scratch / "o.gguf"), "config.json");
  has(message(scratch / "missing", scratch / "o.gguf"), "missing");
  has(message(test::kCheckpoints / "bert", scratch / "no" / "o.gguf"), "no/o.gguf");
  has(message(test::kCheckpoints / "bert", scratch.path()), "expected a file to replace");
  models::convert(test::kCheckpoints / "bert", scratch / "o.gguf");
  has(message(scratch / "o.gguf", scratch / "p.gguf"), "expected a folder, found a GGUF");
  const models::AtomicFile file(scratch / "q.gguf");
  file.expect_room(1);
  has(test::message_of<Error>([&] { file.expect_room(UINT64_MAX / 4); }),
      "bytes of free disk, found");
}
