#include <doctest/doctest.h>
#include <sterna/models/safetensors.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <cstring>
#include <string>

using namespace sterna;
using namespace sterna::models;
using namespace sterna::test;

namespace {

Bytes file_of(const std::string& header, size_t data, uint64_t length) {
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  text += header;
  text.append(data, '\0');
  const auto b = std::as_bytes(std::span(text));
  return {b.begin(), b.end()};
}
Bytes file_of(const std::string& header, size_t data) {
  return file_of(header, data, header.size());
}

std::string fault(const Bytes& bytes) {
  const std::string message = message_of<Error>([&] { Safetensors::parse("x", bytes); });
  CHECK(message.find('\n') == std::string::npos);
  if (message.empty()) return message;
  REQUIRE(message.rfind("x: ", 0) == 0);
  return message.substr(3);
}
std::string fault(const std::string& header, size_t data = 0) {
  return fault(file_of(header, data));
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

const std::string good = R"({"__metadata__":{"a":"b"},"m":)" + entry("F32", "[2,3]", "[8,32]") +
                         R"(,"empty":)" + entry("I64", "[0,7]", "[32,32]") + R"(,"s":)" +
                         entry("F64", "[]", "[0,8]") + "}  ";

}  // namespace

TEST_CASE("a well-formed file") {
  Bytes bytes = file_of(good, 32);
  const float seven = 7;
  std::memcpy(bytes.data() + bytes.size() - 4, &seven, 4);
  const Safetensors f = Safetensors::parse("x", bytes);
  CHECK(f.metadata().at("a") == "b");
  REQUIRE(f.tensors().size() == 3);
  CHECK(f.tensors()[0].name == "s");  // in the order of the data
  CHECK(f.at("s").shape.empty());
  CHECK(f.at("s").elements() == 1);
  CHECK(f.at("empty").elements() == 0);
  CHECK(f.at("m").shape == std::vector<uint64_t>{2, 3});
  CHECK(f.at("m").floats() == std::vector<float>{0, 0, 0, 0, 0, 7});
  CHECK(f.find("absent") == nullptr);
  CHECK(message_of<Error>([&] { f.at("absent"); }) == "x: tensor \"absent\" is missing");
  CHECK(message_of<Error>([&] { f.at("m").integers(); }) ==
        "tensor \"m\": expected integers, found F32");
}

TEST_CASE("every dtype reads as floats") {
  const auto value = [](const std::string& dtype, auto x) {
    Bytes bytes = file_of(
        "{\"t\":" + entry(dtype, "[1]", "[0," + std::to_string(sizeof x) + "]") + "}", sizeof x);
    std::memcpy(bytes.data() + bytes.size() - sizeof x, &x, sizeof x);
    return Safetensors::parse("x", bytes).at("t").floats().at(0);
  };
  CHECK(value("F64", -0.1) == -0.1f);
  CHECK(value("F32", 0.1f) == 0.1f);
  CHECK(value("F16", uint16_t{0x3C01}) == 1.0009765625f);
  CHECK(value("BF16", uint16_t{0xBF80}) == -1.0f);
  CHECK(value("I64", int64_t{-5}) == -5.0f);
  CHECK(value("I32", int32_t{1 << 20}) == 1048576.0f);
  CHECK(value("I8", int8_t{-128}) == -128.0f);
  CHECK(value("U8", uint8_t{255}) == 255.0f);
  CHECK(value("BOOL", uint8_t{1}) == 1.0f);
}

TEST_CASE("a file cut anywhere is refused") {
  const Folder scratch;
  const Bytes whole = file_of(good, 32);
  REQUIRE(fault(whole).empty());
  for (size_t n = 0; n < whole.size(); ++n) {
    CHECK(!fault(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))).empty());
  }
  for (size_t percent = 0; percent < 100; ++percent) {
    const auto n = static_cast<std::ptrdiff_t>(whole.size() * percent / 100);
    const auto path = scratch.write("cut", Bytes(whole.begin(), whole.begin() + n));
    CHECK(contains(message_of<Error>([&] { Safetensors::open(path); }), path.string() + ": "));
  }
}

TEST_CASE("every byte set to extremes gives a result or an Error") {
  const Bytes whole = file_of(good, 32);
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char value : {'\0', '\xFF', '\x7F', '9', '"', '{', '}', '[', ']', ',', '-', 'e'}) {
      Bytes changed = whole;
      changed[i] = static_cast<std::byte>(value);
      fault(changed);
    }
  }
}

TEST_CASE("the header's length") {
  CHECK(contains(fault(Bytes{}), "expected a safetensors file of at least 8 bytes, found 0"));
  for (const uint64_t n : {uint64_t{3}, uint64_t{100'000'001}, uint64_t{1} << 63, UINT64_MAX}) {
    CHECK(contains(fault(file_of("{}", 0, n)),
                   "header of at most 2 bytes, found " + std::to_string(n)));
  }
  CHECK(contains(fault(file_of("", 0)), "expected \"{\" as its first character"));
  CHECK(contains(fault(" {}"), "expected \"{\" as its first character"));
  CHECK(fault("{}").empty());
  CHECK(fault("{}   ").empty());
  CHECK(contains(fault("{} x"), "header: expected JSON, found a fault at its byte 4"));
}

TEST_CASE("what a header may not say") {
  const auto one = [](const std::string& e, size_t data = 8) {
    return fault("{\"t\":" + e + "}", data);
  };
  CHECK(one(entry("F32", "[2]", "[0,8]")).empty());
  CHECK(contains(one(entry("F31", "[2]", "[0,8]")), "tensor \"t\": expected dtype F64, F32,"));
  CHECK(contains(one(entry("F32", "[2.5]", "[0,8]")),
                 "expected whole numbers for \"shape\", found 2.5"));
  CHECK(contains(one(entry("F32", "[-2]", "[0,8]")),
                 "expected whole numbers for \"shape\", found -2"));
  CHECK(contains(one(entry("F32", "[[2]]", "[0,8]")), "found an array"));
  CHECK(contains(one(entry("F32", "{}", "[0,8]")), "found an object"));
  CHECK(contains(one(entry("F32", "null", "[0,8]")), "found null"));
  CHECK(contains(one(entry("F32", "[1e99]", "[0,8]")), "found 1e99"));
  CHECK(
      contains(one(entry("F32", "[18446744073709551616]", "[0,8]")), "found 18446744073709551616"));
  CHECK(contains(one(entry("F32", "[4611686018427387904]", "[0,0]")), "below 2^64 bytes"));
  CHECK(contains(one(entry("F32", "[4294967296,4294967296]", "[0,0]")), "below 2^64 bytes"));
  CHECK(contains(one(entry("F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]")),
                 "at most 16 numbers"));
  CHECK(contains(one(entry("F32", "[2]", "[0]")), "expected two data_offsets"));
  CHECK(contains(one(entry("F32", "[2]", "[0,8,9]")), "at most 2 numbers"));
  CHECK(contains(one(entry("F32", "[2]", "[0,7]")),
                 "data_offsets 8 apart for F32 [2], found 0 and 7"));
  CHECK(contains(one(entry("F32", "[2]", "[8,0]")), "where those before it end, found 8"));
  CHECK(contains(one(entry("F32", "[2]", "[0,18446744073709551615]")), "8 apart"));
  CHECK(contains(one(entry("F32", "[3]", "[0,12]")),
                 "expected data up to byte 12, found the end at 8"));
  CHECK(
      contains(one(entry("F32", "[2]", "[0,8]"), 9), "expected data that end at byte 8, found 9"));
  CHECK(contains(one(R"({"dtype":"F32","shape":[2]})"), "found a part of them"));
  CHECK(contains(one(R"({"dtype":"F32","dtype":"F32"})"), "key \"dtype\" occurs twice"));
  CHECK(contains(one(R"({"x":1})"), "found key \"x\""));
  CHECK(contains(one("5"), "expected an object for \"t\", found 5"));
  CHECK(contains(fault("[]"), "expected \"{\""));
  CHECK(contains(fault(R"({"a":)" + entry("F32", "[1]", "[0,4]") + R"(,"a":)" +
                           entry("F32", "[1]", "[4,8]") + "}",
                       8),
                 "tensor \"a\": name occurs twice"));
  CHECK(contains(fault(R"({"a":)" + entry("F32", "[1]", "[0,4]") + R"(,"b":)" +
                           entry("F32", "[1]", "[0,4]") + "}",
                       4),
                 "expected data from byte 4, where those before it end, found 0"));
  CHECK(contains(fault(R"({"a":)" + entry("F32", "[1]", "[4,8]") + "}", 8),
                 "expected data from byte 0, where those before it end, found 4"));
  CHECK(contains(fault(R"({"__metadata__":{"a":5}})"), "expected a text for \"a\", found 5"));
  CHECK(contains(fault(R"({"__metadata__":{"a":{}}})"), "found an object"));
  CHECK(contains(fault(R"({"__metadata__":{"a":"","a":""}})"), "key \"a\" occurs twice"));
  // A million brackets must not use a stack frame each.
  CHECK(contains(fault("{\"t\":" + std::string(1'000'000, '[')), "found an array"));
}
