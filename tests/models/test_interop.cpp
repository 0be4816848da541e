// Files made by the Python packages `gguf` and `safetensors` (tests/golden/make_gguf.py). The other
// direction, our files read by those packages, is tests/models/interop.py.
#include <doctest/doctest.h>
#include <sterna/models/gguf.h>
#include <sterna/models/safetensors.h>
#include <sterna/quant/half.h>

#include <cstring>

using namespace sterna;
using namespace sterna::models;

namespace {

template <class T>
T element(const GgufTensor& t, size_t i) {
  T x;
  std::memcpy(&x, t.data.data() + i * sizeof(T), sizeof(T));
  return x;
}

}  // namespace

TEST_CASE("a file of the gguf package") {
  const Gguf g = Gguf::open(STERNA_TEST_DATA "/golden/models/package.gguf");
  CHECK(g.version() == 3);
  CHECK(g.alignment() == 32);
  CHECK(g.string("general.architecture") == "sterna");
  CHECK(g.integer("k.u8") == 200);
  CHECK(std::get<int64_t>(g.metadata().at("k.i8")) == -100);
  CHECK(g.integer("k.u16") == 60000);
  CHECK(std::get<int64_t>(g.metadata().at("k.i16")) == -30000);
  CHECK(g.integer("k.u32") == 4000000000);
  CHECK(std::get<int64_t>(g.metadata().at("k.i32")) == -2000000000);
  CHECK(g.integer("k.u64") == (uint64_t{1} << 63) + 1);
  CHECK(std::get<int64_t>(g.metadata().at("k.i64")) == -(int64_t{1} << 62));
  CHECK(g.number("k.f32") == 0.25);
  CHECK(g.number("k.f64") == 1e-300);
  CHECK(g.boolean("k.bool"));
  CHECK(g.string("k.string") == "K\xC3\xBCstenseeschwalbe \xF0\x9F\x90\xA6");
  CHECK(g.strings("k.words") == std::vector<std::string_view>{"[PAD]", "the", "", "\xE9\xB3\xA5"});
  CHECK(g.integers("k.ints") == std::vector<int64_t>{3, -1, 2});
  CHECK(g.numbers("k.floats") == std::vector<double>{0.5, -0.5});
  CHECK(std::get<std::vector<bool>>(g.metadata().at("k.bools")) == std::vector<bool>{true, false});

  REQUIRE(g.tensors().size() == 5);
  const GgufTensor& f32 = *g.find("m.f32");
  CHECK(f32.shape == std::vector<uint64_t>{2, 3});
  for (size_t i = 0; i < 6; ++i) CHECK(element<float>(f32, i) == static_cast<float>(i));
  const GgufTensor& f16 = *g.find("m.f16");
  CHECK(f16.shape == std::vector<uint64_t>{2, 2, 2});
  for (size_t i = 0; i < 8; ++i) {
    CHECK(quant::f16_to_f32(element<uint16_t>(f16, i)) == static_cast<float>(i) / 4);
  }
  CHECK(g.find("m.i8")->type == GgmlType::i8);
  CHECK(element<int8_t>(*g.find("m.i8"), 6) == 3);
  CHECK(element<int32_t>(*g.find("m.i32"), 0) == 7);
  CHECK(g.find("m.q8_0")->shape == std::vector<uint64_t>{2, 32});
  CHECK(g.find("m.q8_0")->data.size() == 2 * 34);
}

TEST_CASE("a file of the safetensors package") {
  const Safetensors s = Safetensors::open(STERNA_TEST_DATA "/golden/models/package.safetensors");
  CHECK(s.metadata().at("format") == "pt");
  CHECK(s.metadata().at("\xC3\xBC") == "\xC3\xB6");
  REQUIRE(s.tensors().size() == 6);
  CHECK(s.at("a.f32").shape == std::vector<uint64_t>{2, 3});
  CHECK(s.at("a.f32").floats() == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(s.at("b.f16").floats() == std::vector<float>{0, 0.25f, 0.5f, 0.75f});
  CHECK(s.at("c.i64").integers() == std::vector<int64_t>{-(int64_t{1} << 40), 5});
  CHECK(s.at("d.bool").integers() == std::vector<int64_t>{1, 0});
  CHECK(s.at("e.u8").shape == std::vector<uint64_t>{0, 4});
  CHECK(s.at("f.f64").shape.empty());
}
