// Blocks of vision tower and predictor, trained in float, rounded on pictures and questions.
#include <doctest/doctest.h>
#include <sterna/models/gguf.h>
#include <sterna/models/model.h>
#include <sterna/models/quantize.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "models/quantize_rules.h"

using namespace sterna;
using namespace sterna::models;
using namespace sterna::test;

namespace {

const std::string kTiny = STERNA_TEST_DATA "/golden/tower/tiny.gguf";
const std::vector<std::string> kTexts = {"a dog", "what is this?", "red", "is it a cat or a dog"};

/// Squares of one colour on another, with noise.
vision::Image picture(unsigned seed) {
  std::mt19937 random(seed);
  vision::Image image{50, 40, std::vector<uint8_t>(size_t{50} * 40 * 3)};
  const uint_fast32_t colours[] = {random(), random()};
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    const size_t x = i / 3 % 50, y = i / 150, inside = x > 10 && x < 30 && y > 8 && y < 30 ? 1 : 0;
    image.rgb[i] = static_cast<uint8_t>((colours[inside] >> (8 * (i % 3)) & 0xC0) + random() % 64);
  }
  return image;
}

std::vector<AskedPicture> asked() {
  std::vector<AskedPicture> pictures;
  for (unsigned seed = 0; seed < 6; ++seed) {
    pictures.push_back(
        {[seed] { return picture(seed); }, {"what is this?", "is it a dog?", "red"}});
  }
  return pictures;
}

QuantizeReport make(const std::string& in, const std::filesystem::path& out,
                    const std::string& rules, std::span<const AskedPicture> pictures,
                    int threads = 1, std::span<const std::string> texts = {}) {
  return quantize(in, out, parse_rules(rules),
                  {.texts = texts, .pictures = pictures, .threads = threads});
}

/// The sum of (1 - cosine) of what two files predict about pictures that were not calibrated on.
double apart(const std::filesystem::path& a, const std::filesystem::path& b) {
  const Model one = Model::open(a), two = Model::open(b);
  Session session(1);
  std::vector<float> x(one.dim()), y(one.dim());
  double sum = 0;
  for (unsigned seed = 100; seed < 120; ++seed) {
    one.predict(one.see(picture(seed).view(), session), "what is this?", x, session);
    two.predict(two.see(picture(seed).view(), session), "what is this?", y, session);
    sum += 1.0 - std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  }
  return sum;
}

bool block_map(const std::string& name) {
  return (glob_matches("vision.blocks.*.weight*", name) ||
          glob_matches("predictor.blocks.*.weight*", name) ||
          glob_matches("predictor.ground.blocks.*.weight*", name)) &&
         !glob_matches("*norm.weight", name);
}

}  // namespace

TEST_CASE("calibration on pictures: no map worse, the same layout and bytes for any threads") {
  const Folder scratch;
  const auto pictures = asked();
  const QuantizeReport plain = make(kTiny, scratch / "plain.gguf", "shipped", {});
  const QuantizeReport report = make(kTiny, scratch / "one.gguf", "shipped", pictures);
  CHECK(report.file_after == plain.file_after);
  REQUIRE(report.calibrated.size() == 16);  // four blocks of four maps, in the order of a pass
  CHECK(report.calibrated[0].name == "vision.blocks.0.qkv.weight");
  CHECK(report.calibrated[3].name == "vision.blocks.0.mlp_down.weight");
  CHECK(report.calibrated[5].name == "predictor.ground.blocks.0.attn_out.weight");
  CHECK(report.calibrated[9].name == "predictor.blocks.0.attn_out.weight");
  CHECK(report.calibrated[15].name == "predictor.blocks.1.mlp_down.weight");
  for (const CalibratedMap& map : report.calibrated) {
    CAPTURE(map.name);
    CHECK(map.error > 0);
    CHECK(map.error < map.refitted);
    CHECK(map.refitted < map.nearest);
  }
  make(kTiny, scratch / "three.gguf", "shipped", pictures, 3);
  CHECK(read_file(scratch / "one.gguf") == read_file(scratch / "three.gguf"));

  // Nothing else differs from the plain file, and it answers more like the float one.
  const Gguf a = Gguf::open(scratch / "plain.gguf"), b = Gguf::open(scratch / "one.gguf");
  REQUIRE(a.tensors().size() == b.tensors().size());
  for (const GgufTensor& t : a.tensors()) {
    CAPTURE(t.name);
    const GgufTensor& other = *b.find(t.name);
    REQUIRE(other.data.size() == t.data.size());
    CHECK(std::equal(t.data.begin(), t.data.end(), other.data.begin()) != block_map(t.name));
  }
  CHECK(apart(kTiny, scratch / "one.gguf") < 0.6 * apart(kTiny, scratch / "plain.gguf"));
}

TEST_CASE("calibration on pictures: groups, int8, one part alone, beside texts") {
  const Folder scratch;
  const auto pictures = asked();
  const std::string norms = "*.blocks.*norm.weight=f32,";
  // A text tower that was not trained ternary.
  const std::string int8 =
      "language.*.bias=keep,language.blocks.*norm.weight=f16,language.blocks.*.weight=i8,shipped";
  const auto count = [&](const std::string& rules, std::span<const std::string> texts = {}) {
    return make(kTiny, scratch / "out.gguf", rules, pictures, 2, texts).calibrated.size();
  };
  CHECK(count(norms + "vision.blocks.*.weight=t2,predictor.blocks.*.weight=t5/64,shipped") == 16);
  CHECK(count("predictor.blocks.1.qkv.weight=i8/64,*.mlp_up.weight=bf16,shipped") == 12);
  CHECK(count("vision.blocks.*=keep,shipped") == 12);
  CHECK(count("predictor.blocks.*=keep,shipped") == 8);
  // What is ternary already is run as it is, and stays.
  make(kTiny, scratch / "half.gguf", "predictor.blocks.*=keep,shipped", {});
  CHECK(make((scratch / "half.gguf").string(), scratch / "out.gguf", "shipped", pictures)
            .calibrated.size() == 8);

  CHECK(count(int8, kTexts) == 8 + 16);
  make(kTiny, scratch / "texts.gguf", int8, {}, 1, kTexts);
  make(kTiny, scratch / "pictures.gguf", int8, pictures);
  const Gguf both = Gguf::open(scratch / "out.gguf");
  for (const char* part : {"texts", "pictures"}) {
    const Gguf one = Gguf::open(scratch / (std::string(part) + ".gguf"));
    for (const GgufTensor& t : one.tensors()) {
      if (t.name.starts_with("language.") != (part == std::string("texts"))) continue;
      const auto other = both.find(t.name)->data;
      CHECK(std::equal(t.data.begin(), t.data.end(), other.begin(), other.end()));
    }
  }
}

TEST_CASE("calibration on pictures: what can't be is named, and nothing is written") {
  const Folder scratch;
  const auto pictures = asked();
  const auto fault = [&](const std::string& in, const std::string& rules,
                         const std::vector<AskedPicture>& from) {
    return message_of<Error>([&] { make(in, scratch / "no.gguf", rules, from); });
  };
  const std::string none =
      ": calibration on pictures: expected rules that store f32 maps of vision.blocks.* or "
      "predictor.blocks.* as i8 or ternary, found none";
  CHECK(fault(kTiny, "*=keep", pictures) == kTiny + none);
  CHECK(fault(kTiny, "*.qkv.weight=bf16", pictures) == kTiny + none);
  const std::string ternary = (scratch / "ternary.gguf").string();
  make(kTiny, ternary, "shipped", {});
  CHECK(fault(ternary, "shipped", pictures) == ternary + none);
  CHECK(fault(kTiny, "shipped", {{[] { return picture(1); }, {}}}) ==
        kTiny + ": calibration on pictures: expected a question, found none");
  const auto missing = []() -> vision::Image { throw Error("cat.jpg: can't be opened"); };
  CHECK(fault(kTiny, "shipped", {{missing, {"what?"}}}) == "cat.jpg: can't be opened");
  CHECK(!fault(kTiny, "shipped", {{[] { return vision::Image{}; }, {"what?"}}}).empty());
  const std::string empty = (scratch / "empty.gguf").string();
  scratch.write("empty.gguf", "");
  CHECK(fault(empty, "shipped", pictures).starts_with(empty));
  CHECK(!std::filesystem::exists(scratch / "no.gguf"));
}
