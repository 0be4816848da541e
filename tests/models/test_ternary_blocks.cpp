#include <doctest/doctest.h>
#include <sterna/models/gguf.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/models/info.h>
#include <sterna/models/quantize.h>
#include <sterna/models/weights.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/ggml_ternary.h>
#include <sterna/quant/half.h>
#include <tests/support/folder.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace sterna;
using namespace sterna::models;
using namespace sterna::test;
using quant::TernaryBlock;

namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(STERNA_TEST_DATA) / "golden/quant/ternary.gguf";

std::vector<float> floats(const Gguf& file, const std::string& name) {
  const GgufTensor* t = file.find(name);
  REQUIRE(t != nullptr);
  std::vector<float> v(static_cast<size_t>(t->elements()));
  REQUIRE(t->data.size() == v.size() * sizeof(float));
  std::memcpy(v.data(), t->data.data(), t->data.size());
  return v;
}

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return same(std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

std::string error(auto f) { return message_of<Error>(f); }

const std::pair<const char*, TernaryBlock> kKinds[] = {{"tq1_0", TernaryBlock::tq1_0},
                                                       {"tq2_0", TernaryBlock::tq2_0}};

// What `Weights` binds, as float.
std::vector<float> dequantised(const Gguf& file, const std::string& name, size_t m, size_t k) {
  std::vector<float> v(m * k);
  quant::dequantise(Weights(file).linear(name, m, k), v);
  return v;
}

}  // namespace

TEST_CASE("tq1_0 and tq2_0 are byte for byte what the gguf package writes and reads") {
  const Gguf file = Gguf::open(kGolden);
  const std::vector<float> w = floats(file, "float");
  for (const auto& kind : kKinds) {
    const std::string name = kind.first;
    CAPTURE(name);
    const GgufTensor* packed = file.find(name);
    REQUIRE(packed != nullptr);
    std::vector<std::byte> ours(packed->data.size());
    quant::pack_blocks(kind.second, w, ours);
    CHECK(same(ours, packed->data));
    for (const std::string& data : {name, name + ".noise"}) {
      std::vector<float> read(w.size());
      quant::dequantise_blocks(kind.second, file.find(data)->data, read);
      const std::vector<float> expected = floats(file, data + ".read");
      CHECK(same(read, expected));
    }
    // Integers and scales make the same blocks again.
    std::vector<int8_t> q(w.size());
    std::vector<uint16_t> scale(w.size() / 256);
    quant::unpack_blocks(kind.second, packed->data, q, scale);
    std::vector<std::byte> again(packed->data.size());
    quant::pack_block_integers(kind.second, q, scale, again);
    CHECK(same(again, packed->data));
  }
}

TEST_CASE("sizes and numbers that blocks can't take are named") {
  const std::vector<float> w(512, 1.0f);
  std::vector<std::byte> out(2 * 66);
  CHECK(error([&] { quant::pack_blocks(TernaryBlock::tq2_0, std::span(w).first(300), out); }) ==
        "tq2_0 blocks: expected a multiple of 256 weights, found 300");
  CHECK(error([&] { quant::pack_blocks(TernaryBlock::tq1_0, w, out); }) ==
        "tq1_0 blocks: expected 2 blocks of 54 bytes, found 132 bytes");
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), 1e30f, -65520.0f}) {
    std::vector<float> v(w);
    v[300] = bad;
    CHECK(error([&] {
            quant::pack_blocks(TernaryBlock::tq2_0, v, out);
          }).starts_with("tq2_0 blocks: expected numbers that fit f16, found "));
  }
  const std::vector<int8_t> q(512, 2);
  const std::vector<uint16_t> scale(2, 0x3c00);
  CHECK(error([&] { quant::pack_block_integers(TernaryBlock::tq2_0, q, scale, out); }) ==
        "tq2_0 blocks: expected -1, 0 or 1, found 2");
  CHECK(error([&] {
          quant::pack_block_integers(TernaryBlock::tq2_0, q, std::span(scale).first(1), out);
        }) == "tq2_0 blocks: expected 2 scales, found 1");
}

TEST_CASE("model quantize to and from ggml's ternary blocks loses nothing of ternary weights") {
  const Folder scratch;
  const auto convert = [&](const std::string& in, const std::string& out,
                           const std::string& rules) {
    quantize(in.starts_with('/') ? std::filesystem::path(in) : scratch / in, scratch / out,
             parse_rules(rules));
    return Gguf::open(scratch / out);
  };
  for (const auto& kind : kKinds) {
    const std::string name = kind.first;
    CAPTURE(name);
    const Gguf golden = Gguf::open(kGolden);
    const Gguf blocks = convert(kGolden.string(), "blocks.gguf", "float=" + name);
    CHECK(same(blocks.find("float")->data, golden.find(name)->data));
    CHECK(blocks.find("float")->shape == std::vector<uint64_t>{6, 512});
    const std::vector<float> read = floats(golden, name + ".read");
    const Gguf plain = convert("blocks.gguf", "plain.gguf", "float=f32");
    CHECK(same(floats(plain, "float"), read));
    for (const std::string layout : {"t2", "t5"}) {
      const Gguf ours = convert("blocks.gguf", "ours.gguf", "float=" + layout + "/256");
      CHECK(dequantised(ours, "float", 6, 512) == read);  // -0 and 0 are the same number
      const Gguf back = convert("ours.gguf", "back.gguf", "float=" + name);
      CHECK(same(back.find("float")->data, golden.find(name)->data));
      CHECK(back.find("float.scale") == nullptr);
      CHECK(!back.has("sterna.tensor.float.type"));
      CHECK(describe(scratch / "back.gguf").tensors[0].type == name);
    }
    CHECK(
        error([&] {
          convert("blocks.gguf", "no.gguf", "float=t5");
        }).find("tensor \"float\": expected one scale for inputs that share one, found several") !=
        std::string::npos);
    // One scale a row goes into every block of the row, and comes back as one.
    const Gguf rows = convert(kGolden.string(), "rows.gguf", "float=t5");
    const Gguf spread = convert("rows.gguf", "spread.gguf", "float=" + name);
    std::vector<float> values(6 * 512);
    quant::dequantise_blocks(kind.second, spread.find("float")->data, values);
    CHECK(values == dequantised(rows, "float", 6, 512));
    const Gguf merged = convert("spread.gguf", "merged.gguf", "float=t5");
    CHECK(dequantised(merged, "float", 6, 512) == values);
    CHECK(same(merged.find("float")->data, rows.find("float")->data));
  }
}

TEST_CASE("sparse types in files: written, listed with their bits, bound as they lie") {
  const Folder scratch;
  for (const quant::Type type : {quant::Type::t34, quant::Type::t14}) {
    const std::string name(quant::name(type));
    CAPTURE(name);
    quantize(kGolden, scratch / "sparse.gguf", parse_rules("float=" + name + "/128"));
    const Gguf file = Gguf::open(scratch / "sparse.gguf");
    const auto w = floats(Gguf::open(kGolden), "float");
    const quant::Packed expected = quant::pack(type, w, 6, 512, 128);
    const quant::WeightView view = Weights(file).linear("float", 6, 512);
    CHECK(view.type == type);
    CHECK(view.group == 128);
    CHECK(same(view.data, expected.data));
    CHECK(std::equal(view.scale.begin(), view.scale.end(), expected.scale.begin(),
                     expected.scale.end()));
    for (const TensorInfo& t : describe(scratch / "sparse.gguf").tensors) {
      if (t.name != "float") continue;
      CHECK(t.type == name);
      // One panel of 16 rows for 6, and 4 scales a row.
      const double bits = type == quant::Type::t34 ? 1.25 : 0.75;
      CHECK(t.amount.bytes == static_cast<uint64_t>(16 * 512 * bits / 8) + 6 * 4 * 2);
    }
    // To tq2_0 the pattern goes over too; from tq1_0 it can't, but floats may be packed anew.
    quantize(kGolden, scratch / "row.gguf", parse_rules("float=" + name));
    quantize(scratch / "row.gguf", scratch / "blocks.gguf", parse_rules("float=tq2_0"));
    const Gguf row = Gguf::open(scratch / "row.gguf"), blocks = Gguf::open(scratch / "blocks.gguf");
    std::vector<float> values(6 * 512);
    quant::dequantise_blocks(TernaryBlock::tq2_0, blocks.find("float")->data, values);
    CHECK(values == dequantised(row, "float", 6, 512));
    // They widen to f32, and to nothing else.
    quantize(scratch / "row.gguf", scratch / "wide.gguf", parse_rules("float=f32"));
    CHECK(floats(Gguf::open(scratch / "wide.gguf"), "float") == values);
    CHECK(error([&] {
            quantize(scratch / "row.gguf", scratch / "no.gguf", parse_rules("float=f16"));
          }).find("expected f32, f16, bf16, tq1_0 or tq2_0") != std::string::npos);
  }
}

TEST_CASE("blocks need rows of 256") {
  const Folder scratch;
  GgufWriter w(scratch / "odd.gguf");
  const std::vector<float> values(2 * 128, 1.0f);
  w.declare("w", GgmlType::f32, std::vector<uint64_t>{2, 128});
  w.write(std::as_bytes(std::span(values)));
  w.commit();
  CHECK(error([&] {
          quantize(scratch / "odd.gguf", scratch / "no.gguf", parse_rules("w=tq1_0"));
        }).find("expected rows of a multiple of 256 weights, found f32 [2, 128]") !=
        std::string::npos);
  CHECK(error([] { parse_rules("a=tq1_0/256"); }).find("expected no group for tq1_0") !=
        std::string::npos);
}
