#include <doctest/doctest.h>
#include <sterna/models/gguf.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/models/info.h>
#include <sterna/models/quantize.h>
#include <sterna/models/weights.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <tests/support/folder.h>
#include <tests/support/worse.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>

#include "models/quantize_rules.h"
#include "plain_file.h"

using namespace sterna;
using namespace sterna::models;
using namespace sterna::test;

namespace {

std::string error(auto f) { return message_of<Error>(f); }

// A text tower that was not trained ternary.
const std::string kInt8Text =
    "language.*.bias=keep,language.blocks.*norm.weight=f16,language.blocks.*.weight=i8,shipped";

}  // namespace

TEST_CASE("globs") {
  CHECK(glob_matches("*", ""));
  CHECK(glob_matches("a*c", "abbc"));
  CHECK(glob_matches("a*b*c", "a.b.b.c"));
  CHECK(glob_matches("*.weight", "x.weight.weight"));
  CHECK(glob_matches("b.?.w", "b.3.w"));
  CHECK(!glob_matches("b.?.w", "b.12.w"));
  CHECK(!glob_matches("a*c", "abcd"));
  CHECK(!glob_matches("", "a"));
  // Without a bound on backtracking this takes for ever.
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "a*";
  CHECK(!glob_matches(pattern + "b", std::string(10000, 'a')));
}

TEST_CASE("rules") {
  const auto rules = parse_rules("a.*=t5/128,b=i8row,shipped");
  REQUIRE(rules.size() == 2 + shipped_rules().size());
  CHECK(rules[0].pattern == "a.*");
  CHECK(rules[0].type == "t5");
  CHECK(rules[0].group == 128);
  CHECK(rules[1].type == "i8row");
  const auto either = parse_rules("a=q4_0|i8row");
  CHECK(either[0].type == "q4_0");
  CHECK(either[0].otherwise == "i8row");
  CHECK(contains(error([] { parse_rules("a=q4_0|"); }), "expected type keep, f32, f16"));
  CHECK(error([] { parse_rules("a=t5|i8row"); }) ==
        "rule \"a=t5|i8row\": expected a type of blocks, which rows may not fill, before |i8row, "
        "found t5");
  CHECK(error([] { parse_rules(""); }) == "expected rules PATTERN=TYPE,..., found none");
  CHECK(error([] { parse_rules("a"); }) == "rule \"a\": expected PATTERN=TYPE");
  CHECK(
      contains(error([] { parse_rules("a=q4"); }), "rule \"a=q4\": expected type keep, f32, f16"));
  CHECK(contains(error([] { parse_rules("a=t5/12"); }), "group of 64, 128 or 256, found \"12\""));
  CHECK(contains(error([] { parse_rules("a=t5/128x"); }), "found \"128x\""));
  CHECK(contains(error([] { parse_rules("a=f32/64"); }), "expected no group for f32"));
}

TEST_CASE("the shipped rules turn a float file into the shipped types, and Weights binds them") {
  const Folder scratch;
  write_float_file(scratch / "float.gguf");
  const QuantizeReport report =
      quantize(scratch / "float.gguf", scratch / "small.gguf", shipped_rules());
  CHECK(report.tensors.size() == tensors.size());
  CHECK(report.file_after < report.file_before);
  const Gguf file = Gguf::open(scratch / "small.gguf");
  CHECK(file.strings("a.words") == std::vector<std::string_view>{"x", "yy"});
  const Weights weights(file);

  const auto check_linear = [&](const std::string& name, quant::Type type) {
    const Plain& t = named(name);
    const size_t m = t.shape[0], k = count(t) / m;
    const quant::WeightView view = weights.linear(name, m, k);
    CHECK(view.type == type);
    const quant::Packed wanted = quant::pack(type, values(t), m, k, 0);
    CHECK(std::equal(view.data.begin(), view.data.end(), wanted.data.begin(), wanted.data.end()));
    CHECK(
        std::equal(view.scale.begin(), view.scale.end(), wanted.scale.begin(), wanted.scale.end()));
    CHECK(reinterpret_cast<uintptr_t>(view.data.data()) % 64 == 0);
  };
  check_linear("vision.blocks.0.qkv.weight", quant::Type::t5);
  check_linear("language.blocks.0.mlp_up.weight", quant::Type::t5);

  // Rows that q4_0's blocks don't divide are int8, laid out as bf16; halves are widened.
  const auto check_anew = [&](const std::string& name, float steps) {
    const Plain& t = named(name);
    const size_t m = t.shape[0], k = count(t) / m;
    const quant::WeightView view = weights.linear(name, m, k);
    CHECK(view.type == quant::Type::bf16);
    CHECK(weights.linear(name, m, k).data.data() == view.data.data());  // once
    std::vector<float> read(m * k);
    quant::dequantise(view, read);
    const auto v = values(t);
    float worst = 0, top = 0;
    for (size_t i = 0; i < v.size(); ++i) {
      worst = test::worse(worst, std::fabs(read[i] - v[i]));
      top = std::max(top, std::fabs(v[i]));
    }
    // Half a step of the row's or block's largest, and bf16's rounding.
    CHECK(worst <= top * (0.5f / steps + 0x1p-8f));
    CHECK(worst > 0);
  };
  CHECK(file.find("vision.stem.blocks.0.expand.weight")->type == GgmlType::i8);
  check_anew("vision.stem.blocks.0.expand.weight", 127);
  CHECK(file.find("predictor.head.weight")->type == GgmlType::q4_0);
  check_anew("predictor.head.weight", 7);
  const auto norm = weights.in("vision.blocks.0").floats("attn_norm.weight", {40});
  const auto wanted = values(named("vision.blocks.0.attn_norm.weight"));
  for (size_t i = 0; i < norm.size(); ++i)
    CHECK(norm[i] == quant::f16_to_f32(quant::f32_to_f16(wanted[i])));

  const TableView words = weights.table("language.token_embedding", 0, 12);
  CHECK(words.rows == 50);
  CHECK(words.packed.type == quant::Type::t5);
  const TableView answers = weights.table("decoder.answers", 5, 12);
  CHECK(answers.packed.type == quant::Type::t5);

  // A float file binds too, row-major.
  const Gguf plain = Gguf::open(scratch / "float.gguf");
  const auto view = Weights(plain).linear("vision.stem.blocks.0.expand.weight", 24, 7);
  CHECK(view.type == quant::Type::f32);
  CHECK(view.data.size() == 24 * 7 * 4);
}

TEST_CASE("quantising a quantised file again changes nothing") {
  const Folder scratch;
  write_float_file(scratch / "float.gguf");
  quantize(scratch / "float.gguf", scratch / "a.gguf", shipped_rules());
  quantize(scratch / "a.gguf", scratch / "b.gguf", shipped_rules());
  CHECK(describe(scratch / "b.gguf").total.bytes == describe(scratch / "a.gguf").total.bytes);
  quantize(scratch / "b.gguf", scratch / "b.gguf", shipped_rules());  // onto itself
  const Gguf a = Gguf::open(scratch / "a.gguf"), b = Gguf::open(scratch / "b.gguf");
  REQUIRE(a.tensors().size() == b.tensors().size());
  for (const GgufTensor& t : a.tensors()) {
    const auto other = b.find(t.name)->data;
    CHECK(std::equal(t.data.begin(), t.data.end(), other.begin(), other.end()));
  }
}

TEST_CASE("calibration: the same layout, no map worse, the same bytes for any number of threads") {
  const Folder scratch;
  const std::string model = STERNA_TEST_DATA "/golden/tower/tiny.gguf";
  const std::vector<std::string> texts = {
      "a dog", "what is this?", "red", "!!", "is it a cat or a dog", "two", "left of the tree"};
  const auto make = [&](const std::string& name, const std::string& rules, int threads) {
    return quantize(
        model, scratch / name, parse_rules(rules),
        {.texts = threads == 0 ? std::span<const std::string>() : texts, .threads = threads});
  };
  const QuantizeReport plain = make("plain.gguf", kInt8Text, 0);
  const QuantizeReport report = make("one.gguf", kInt8Text, 1);
  CHECK(plain.calibrated.empty());
  CHECK(report.file_after == plain.file_after);
  REQUIRE(report.calibrated.size() == 8);  // two blocks of four maps
  CHECK(report.calibrated[0].name == "language.blocks.0.qkv.weight");
  CHECK(report.calibrated[7].name == "language.blocks.1.mlp_down.weight");
  for (const CalibratedMap& map : report.calibrated) {
    CHECK(map.error > 0);
    CHECK(map.error < map.nearest);
  }
  make("three.gguf", kInt8Text, 3);
  CHECK(read_file(scratch / "one.gguf") == read_file(scratch / "three.gguf"));

  // Only the text tower's maps and their biases differ from the plain file.
  const Gguf a = Gguf::open(scratch / "plain.gguf"), b = Gguf::open(scratch / "one.gguf");
  REQUIRE(a.tensors().size() == b.tensors().size());
  for (const GgufTensor& t : a.tensors()) {
    CAPTURE(t.name);
    const GgufTensor& other = *b.find(t.name);
    CHECK(other.type == t.type);
    REQUIRE(other.data.size() == t.data.size());
    const bool same = std::equal(t.data.begin(), t.data.end(), other.data.begin());
    if (glob_matches("language.blocks.*.weight", t.name) && !contains(t.name, "norm"))
      CHECK(!same);
    else if (!glob_matches("language.blocks.*", t.name) || contains(t.name, "norm"))
      CHECK(same);
  }
  // In groups, beside a map in bf16, which is not calibrated.
  CHECK(make("mixed.gguf", "*.mlp_down.weight=i8/64,*.0.qkv.weight=bf16," + kInt8Text, 2)
            .calibrated.size() == 7);

  const auto fault = [&](const std::string& in, const std::string& rules) {
    return error([&] {
      quantize(in, scratch / "no.gguf", parse_rules(rules), {.texts = texts, .threads = 1});
    });
  };
  CHECK(fault(model, "*=keep") == model +
                                      ": calibration: expected rules that store linear maps of the "
                                      "text tower (language.blocks.*) as i8, found none");
  CHECK(contains(fault(model, "shipped"), "(language.blocks.*) as i8, found none"));
  CHECK(contains(fault((scratch / "one.gguf").string(), kInt8Text),
                 "one.gguf: tensor \"language.blocks.0.qkv.weight\": calibration: expected f32, "
                 "found i8 ["));
  CHECK(contains(fault(model, "*.bias=f16," + kInt8Text),
                 "calibration: expected a rule that keeps it, found \"*.bias=f16\""));
  write_float_file(scratch / "float.gguf");
  CHECK(contains(fault((scratch / "float.gguf").string(), "shipped"), "float.gguf: "));
  CHECK(!std::filesystem::exists(scratch / "no.gguf"));
}

TEST_CASE("calibration sees the table and the other maps as the rules store them") {
  const Folder scratch;
  const std::string model = STERNA_TEST_DATA "/golden/tower/tiny.gguf";
  const std::vector<std::string> texts = {"a dog", "what is this?", "red", "two", "!!"};
  const auto make = [&](const std::filesystem::path& in, const std::string& name,
                        const std::string& rules) {
    quantize(in, scratch / name, parse_rules(rules + "," + kInt8Text),
             {.texts = texts, .threads = 1});
    return Gguf::open(scratch / name);
  };
  for (const std::string tensor : {"language.token_embedding", "language.blocks.0.qkv.weight"}) {
    for (const std::string type : {"i8row", "t5", "t2", "q4_0", "f16", "bf16"}) {
      const bool table = tensor == "language.token_embedding";
      if (type == (table ? "bf16" : "f16")) continue;  // not bound as such
      CAPTURE(tensor + "=" + type);
      // A file whose numbers are those of that type already is calibrated to the same bytes.
      const std::string rule = tensor + "=" + type;
      quantize(model, scratch / "small.gguf", parse_rules(rule));
      quantize(scratch / "small.gguf", scratch / "rounded.gguf", parse_rules(tensor + "=f32"));
      const Gguf one = make(model, "one.gguf", rule);
      const Gguf two = make(scratch / "rounded.gguf", "two.gguf", rule);
      REQUIRE(one.tensors().size() == two.tensors().size());
      for (const GgufTensor& t : one.tensors()) {
        if (t.name.starts_with(tensor)) continue;  // q4_0 has several spellings of a number
        CAPTURE(t.name);
        CHECK(std::ranges::equal(t.data, two.find(t.name)->data));
      }
    }
  }
  CHECK(error([&] { make(model, "no.gguf", "*.0.qkv.weight=f16"); }) ==
        model + ": tensor \"language.blocks.0.qkv.weight\": rule \"*.0.qkv.weight=f16\": "
                "calibration on texts: expected a map in f32, bf16, i8, t2, t5, t34, t14, q4_0 or "
                "i8row");
}

TEST_CASE("every type, groups, and what can't be") {
  const Folder scratch;
  const auto in = scratch / "float.gguf", out = scratch / "out.gguf";
  write_float_file(in);
  for (const char* type : {"t2", "t5", "i8"}) {
    quantize(in, out, parse_rules("vision.blocks.0.qkv.weight=" + std::string(type) + "/64"));
    const Gguf file = Gguf::open(out);
    const auto view = Weights(file).linear("vision.blocks.0.qkv.weight", 48, 40);
    CHECK(quant::name(view.type) == type);
    CHECK(view.group == 64);
    CHECK(view.scale.size() == 48);
    // Widened again: every weight is what the map reads.
    std::vector<float> read(48 * 40);
    quant::dequantise(view, read);
    quantize(out, scratch / "wide.gguf", parse_rules("*=f32"));
    const Gguf wide = Gguf::open(scratch / "wide.gguf");
    const auto all = Weights(wide).floats("vision.blocks.0.qkv.weight", {48, 40});
    CHECK(std::ranges::equal(all, read));
    CHECK(!wide.has("sterna.tensor.vision.blocks.0.qkv.weight.type"));
  }
  for (const char* rule : {"vision.stem.blocks.*=bf16", "vision.stem.blocks.*=i8row",
                           "predictor.head.weight=q4_0", "decoder.answers=i8row"}) {
    quantize(in, out, parse_rules(rule));
    quantize(out, scratch / "wide.gguf", parse_rules("*=f32"));
    quantize(scratch / "wide.gguf", scratch / "again.gguf", parse_rules(rule));
    CHECK(read_file(scratch / "again.gguf") == read_file(out));
  }
  quantize(in, out, parse_rules("decoder.answers=f16"));
  {
    const Gguf file = Gguf::open(out);
    const TableView t = Weights(file).table("decoder.answers", 5, 12);
    const auto v = values(named("decoder.answers"));
    REQUIRE(t.f16.size() == v.size());
    CHECK(t.f16[7] == quant::f32_to_f16(v[7]));
    // And back again: exact, for every half is a float.
    quantize(out, out, parse_rules("*=f32"));
    const Gguf back = Gguf::open(out);
    CHECK(Weights(back).table("decoder.answers", 5, 12).f32[7] == quant::f16_to_f32(t.f16[7]));
  }
  const auto fault = [&](const std::string& rules) {
    return error([&] { quantize(in, scratch / "no.gguf", parse_rules(rules)); });
  };
  CHECK(fault("vision.stem.head.bias=t5") ==
        in.string() +
            ": tensor \"vision.stem.head.bias\": rule \"vision.stem.head.bias=t5\": expected "
            "two or more dimensions, found f32 [24]");
  CHECK(contains(fault("vision.stem.head.bias=i8row"), "expected two or more dimensions"));
  CHECK(contains(fault("vision.stem.head.bias=q4_0"), "expected two or more dimensions"));
  CHECK(contains(fault("vision.blocks.0.qkv.weight=q4_0"),
                 "expected rows of a multiple of 32 weights, found f32 [48, 40]"));
  quantize(in, scratch / "small.gguf", shipped_rules());
  CHECK(contains(
      error([&] {
        quantize(scratch / "small.gguf", scratch / "no.gguf", parse_rules("*.qkv.weight=i8"));
      }),
      "expected f32, f16, bf16, tq1_0 or tq2_0 (others only widen, to f32), found t5 [48, 40]"));
  CHECK(!std::filesystem::exists(scratch / "no.gguf"));
}

TEST_CASE("weights that aren't numbers are named") {
  const Folder scratch;
  const std::vector<uint64_t> shape{2, 32};
  for (const float bad : {INFINITY, NAN, 70000.0f}) {
    {
      GgufWriter w(scratch / "in.gguf");
      w.declare("t", GgmlType::f32, shape);
      std::vector<float> v(64, 1.0f);
      v[5] = bad;
      w.write(std::as_bytes(std::span(v)));
      w.commit();
    }
    for (const char* rule : {"t=t5", "t=i8", "t=f16", "t=i8row", "t=q4_0"}) {
      if (bad == 70000.0f && rule != std::string("t=f16")) continue;
      const std::string message =
          error([&] { quantize(scratch / "in.gguf", scratch / "out.gguf", parse_rules(rule)); });
      CHECK(contains(message, "in.gguf: tensor \"t\": "));
    }
  }
}

TEST_CASE("info: sums, parts, and both formats") {
  const Folder scratch;
  write_float_file(scratch / "float.gguf");
  quantize(scratch / "float.gguf", scratch / "m.gguf", shipped_rules());
  const FileInfo info = describe(scratch / "m.gguf");
  CHECK(info.format == "GGUF v3");
  CHECK(info.bytes == std::filesystem::file_size(scratch / "m.gguf"));
  CHECK(info.tensors.size() == tensors.size());  // scales aren't tensors of their own
  Amount sum, parts;
  for (const auto& t : info.tensors) sum += t.amount;
  for (const auto& [part, amount] : info.parts) parts += amount;
  CHECK(sum.bytes == info.total.bytes);
  CHECK(parts.weights == info.total.weights);
  size_t weights = 0;
  for (const Plain& t : tensors) weights += count(t);
  CHECK(info.total.weights == weights);
  const auto& qkv = info.tensors[0];
  CHECK(qkv.type == "t5");
  CHECK(qkv.part == Part::tower);
  CHECK(qkv.amount.bytes == 48 / 16 * (40 / 20) * 64 + 48 * 2);
  CHECK(qkv.amount.bits_per_weight() == doctest::Approx(1.6 + 16.0 / 40));
  CHECK(part_of("predictor.head.weight") == Part::predictor);
  CHECK(part_of("language.token_embedding") == Part::table);
  CHECK(part_of("language.blocks.0.qkv.bias") == Part::text);
  CHECK(part_of("decoder.answers") == Part::decoder);
  CHECK(part_of("blk.0.attn_q.weight") == Part::other);

  const std::string header = R"({"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}})";
  std::string text(8, '\0');
  text[0] = static_cast<char>(header.size());
  text += header + std::string(12, 'x');
  const auto path = scratch.write("m.safetensors", std::as_bytes(std::span(text)));
  const FileInfo safe = describe(path);
  CHECK(safe.format == "safetensors");
  CHECK(safe.tensors.at(0).type == "bf16");
  CHECK(safe.total.bits_per_weight() == 16);
  text = "neither one nor the other";
  CHECK(contains(error([&] { describe(scratch.write("x", std::as_bytes(std::span(text)))); }),
                 "expected a GGUF or safetensors file, found something else"));
}
