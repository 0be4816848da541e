#include <doctest/doctest.h>
#include <sterna/models/gguf.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/models/info.h>
#include <sterna/models/quantize.h>
#include <sterna/models/weights.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "plain_file.h"

using namespace sterna;
using namespace sterna::models;
using namespace sterna::test;

namespace {

std::string error(auto f) { return message_of<Error>(f); }

}  // namespace

TEST_CASE("binding errors name file, tensor, expected and found") {
  const Folder scratch;
  write_float_file(scratch / "float.gguf");
  quantize(scratch / "float.gguf", scratch / "m.gguf", shipped_rules());
  const Gguf file = Gguf::open(scratch / "m.gguf");
  const Weights w(file);
  const std::string m = (scratch / "m.gguf").string() + ": tensor ";
  CHECK(error([&] { w.linear("no", 2, 3); }) ==
        m + "\"no\" is missing: expected a linear map [2, 3]");
  CHECK(error([&] { w.in("vision.blocks.0").linear("qkv.weight", 40, 48); }) ==
        m + "\"vision.blocks.0.qkv.weight\": expected a linear map [40, 48], found t5 [48, 40]");
  CHECK(error([&] { w.linear("vision.blocks.0.attn_norm.weight", 5, 8); }) ==
        m + "\"vision.blocks.0.attn_norm.weight\": expected a linear map [5, 8] in f32, bf16, i8, "
            "t2, t5, t34, t14, q4_0 or i8row, found f16 [40]");
  CHECK(error([&] {
          w.floats("vision.stem.head.bias", {2, 12});
        }) == m + "\"vision.stem.head.bias\": expected f32, f16 or i8row [2, 12], found f16 [24]");
  CHECK(error([&] {
          w.floats("decoder.answers", {5, 12});
        }) == m + "\"decoder.answers\": expected f32, f16 or i8row [5, 12], found t5 [5, 12]");
  CHECK(error([&] { w.table("decoder.answers", 6, 12); }) ==
        m + "\"decoder.answers\": expected a table [6, 12], found t5 [5, 12]");
  CHECK(error([&] { w.table("decoder.answers", 0, 13); }) ==
        m + "\"decoder.answers\": expected a table [any, 13], found t5 [5, 12]");
}

TEST_CASE("a q4_0 map whose scale is no number is named, with its file") {
  const Folder scratch;
  write_float_file(scratch / "float.gguf");
  quantize(scratch / "float.gguf", scratch / "m.gguf", shipped_rules());
  std::vector<std::byte> bytes = read_file(scratch / "m.gguf");
  {
    const Gguf file = Gguf::parse("m.gguf", bytes);
    const auto data = file.find("predictor.head.weight")->data;
    const size_t row = 2 * 18;  // bytes: two blocks
    const size_t at = static_cast<size_t>(data.data() - bytes.data()) + 5 * row;
    bytes[at] = std::byte{0};
    bytes[at + 1] = std::byte{0x7c};
  }
  const Gguf file = Gguf::parse("m.gguf", bytes);
  CHECK(error([&] { Weights(file).linear("predictor.head.weight", 12, 64); }) ==
        "m.gguf: tensor \"predictor.head.weight\": q4_0 blocks: expected a finite d, found "
        "inf in row 5");
}

TEST_CASE("scales that are negative or no numbers are named, with their row") {
  const Folder scratch;
  write_float_file(scratch / "float.gguf");
  quantize(scratch / "float.gguf", scratch / "m.gguf",
           parse_rules("vision.blocks.0.qkv.weight=t5/64,language.token_embedding=i8row," +
                       std::string("vision.stem.head.bias=f32,shipped")));
  const std::vector<std::byte> good = read_file(scratch / "m.gguf");
  // What binding says with `bits` as scale `i` of a tensor.
  const auto fault = [&](const std::string& name, size_t i, uint16_t bits, auto bind) {
    std::vector<std::byte> bytes = good;
    size_t at = 0;
    {
      const Gguf file = Gguf::parse("m.gguf", bytes);
      at = static_cast<size_t>(file.find(name + ".scale")->data.data() - bytes.data()) + 2 * i;
    }
    std::memcpy(&bytes[at], &bits, sizeof bits);
    std::ofstream(scratch / "bad.gguf", std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
    const Gguf file = Gguf::open(scratch / "bad.gguf");
    return error([&] { bind(Weights(file)); });
  };
  const std::string file = (scratch / "bad.gguf").string();
  const std::pair<uint16_t, const char*> bad[] = {
      {0x7c00, "inf"}, {0xfc00, "-inf"}, {0xbc00, "-1.000000"}, {0x7e00, "nan"}};
  for (const auto& [bits, text] : bad) {
    const uint16_t scale = bits;
    const std::string found = text;
    const auto names = [&](const std::string& name, size_t i, size_t row, auto bind) {
      CHECK(fault(name, i, scale, bind) ==
            file + ": tensor \"" + name +
                "\": expected scales that are finite and not negative, found " + found +
                " in row " + std::to_string(row));
    };
    const std::string map = "vision.blocks.0.qkv.weight";
    names(map, 20, 20, [&](const Weights& w) { w.linear(map, 48, 40); });
    const std::string rows = "vision.stem.blocks.0.expand.weight";  // laid out anew
    names(rows, 23, 23, [&](const Weights& w) { w.linear(rows, 24, 7); });
    names(rows, 3, 3, [&](const Weights& w) { w.floats(rows, {24, 1, 1, 7}); });
    const std::string words = "language.token_embedding", answers = "decoder.answers";
    names(words, 49, 49, [&](const Weights& w) { w.table(words, 0, 12); });
    names(answers, 0, 0, [&](const Weights& w) { w.table(answers, 5, 12); });
  }
  const std::string map = "vision.blocks.0.qkv.weight";
  for (const uint16_t fine : {uint16_t{0}, uint16_t{0x8000}, uint16_t{0x7bff}})
    CHECK(fault(map, 5, fine, [&](const Weights& w) { w.linear(map, 48, 40); }) == "");
}

TEST_CASE("metadata that don't fit their tensor are refused") {
  const Folder scratch;
  const auto path = scratch / "m.gguf";
  struct Fields {
    std::string type = "t5";
    uint64_t rows = 16, cols = 20, group = 0, bytes = 64, scales = 16;
    bool with_scale = true;
  };
  const auto fault = [&](const Fields& f) {
    {
      GgufWriter w(path);
      w.set("sterna.tensor.t.type", std::string_view(f.type));
      w.set("sterna.tensor.t.rows", f.rows);
      w.set("sterna.tensor.t.cols", f.cols);
      w.set("sterna.tensor.t.group", f.group);
      const std::vector<uint64_t> data{f.bytes}, scale{f.scales};
      w.declare("t", GgmlType::i8, data);
      if (f.with_scale) w.declare("t.scale", GgmlType::f16, scale);
      w.write(Bytes(f.bytes));
      if (f.with_scale) w.write(Bytes(f.scales * 2));
      w.commit();
    }
    const Gguf file = Gguf::open(path);
    const std::string bound = error([&] { Weights(file).linear("t", 16, 20); });
    const std::string described = error([&] { describe(path); });
    if (f.rows == 16 && f.cols == 20 && f.group == 0) CHECK(bound == described);
    return bound;
  };
  CHECK(fault({}).empty());
  CHECK(contains(
      fault({.type = "t9\n"}),
      "\"sterna.tensor.t.type\": expected f32, bf16, i8, t2, t5, t34 or t14, found \"t9\\x0a\""));
  CHECK(contains(fault({.rows = 17}), "expected 128 bytes for t5 [17, 20], found 64"));
  CHECK(contains(fault({.rows = 0}), "expected an integer from 1 to"));
  CHECK(contains(fault({.rows = UINT64_MAX}), "expected an integer from 1 to"));
  CHECK(contains(fault({.cols = uint64_t{1} << 62}), "expected an integer from 1 to 131072"));
  CHECK(contains(fault({.rows = uint64_t{1} << 40, .cols = 1 << 17}), "bytes for t5"));
  CHECK(contains(fault({.bytes = 63}), "expected 64 bytes for t5 [16, 20], found 63"));
  CHECK(contains(fault({.scales = 15}), "expected scales f16 [16], found f16 [15]"));
  CHECK(contains(fault({.with_scale = false}),
                 "expected its scales in tensor \"t.scale\", found none"));
  CHECK(contains(fault({.group = 5, .scales = 64}), "expected group 0, 64, 128 or 256, found 5"));
}

TEST_CASE("shapes in metadata that don't fit the rows of an i8row tensor are refused") {
  const Folder scratch;
  const auto path = scratch / "m.gguf";
  const auto fault = [&](const std::vector<int64_t>& shape, const std::vector<uint64_t>& data) {
    {
      GgufWriter w(path);
      w.set("sterna.tensor.t.shape", shape);
      w.declare("t", GgmlType::i8, data);
      const std::vector<uint64_t> scale{data[0]};
      w.declare("t.scale", GgmlType::f16, scale);
      w.write(Bytes(data[0] * data[1]));
      w.write(Bytes(2 * data[0]));
      w.commit();
    }
    const Gguf file = Gguf::open(path);
    const size_t rows = shape.empty() ? 1 : static_cast<size_t>(shape[0]);
    const std::string bound =
        error([&] { Weights(file).linear("t", rows, data[0] * data[1] / rows); });
    CHECK(bound == error([&] { describe(path); }));
    return bound;
  };
  CHECK(fault({2, 4, 4, 1, 2}, {2, 32}).empty());
  const std::string start = path.string() +
                            ": metadata \"sterna.tensor.t.shape\": expected a shape of two or more "
                            "dimensions, 1 the first, for i8row ";
  CHECK(fault({4000, 1}, {1, 4000}) == start + "[1, 4000], found [4000, 1]");
  CHECK(fault({1}, {1, 1}) == start + "[1, 1], found [1]");
  CHECK(fault({}, {1, 1}) == start + "[1, 1], found []");
}

TEST_CASE("shapes in metadata whose rows are no whole blocks are refused") {
  const Folder scratch;
  const auto path = scratch / "m.gguf";
  const auto fault = [&](const std::vector<int64_t>& shape) {
    {
      GgufWriter w(path);
      w.set("sterna.tensor.t.shape", shape);
      const std::vector<uint64_t> data{2, 96};
      w.declare("t", GgmlType::q4_0, data);
      w.write(Bytes(6 * 18));
      w.commit();
    }
    const Gguf file = Gguf::open(path);
    const size_t cols = static_cast<size_t>(shape.back()), rows = 2 * 96 / cols;
    const std::string bound = error([&] { Weights(file).table("t", rows, cols); });
    CHECK(bound == error([&] { Weights(file).linear("t", rows, cols); }));
    return bound;
  };
  CHECK(fault({6, 32}) == "");
  CHECK(fault({2, 96}) == "");
  CHECK(fault({4, 48}) == path.string() +
                              ": metadata \"sterna.tensor.t.shape\": expected rows of a multiple "
                              "of 32 weights for q4_0, found [4, 48]");
}
