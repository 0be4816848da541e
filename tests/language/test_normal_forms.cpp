#include <doctest/doctest.h>
#include <language/charsmap.h>
#include <language/normal_forms.h>
#include <language/utf8.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "golden.h"

using namespace sterna;
using namespace sterna::language;

namespace {

/// CONTEXT of tests/golden/make_tokenizers.py.
std::string in_context(const std::string& c) {
  const std::string acute = "\xCC\x81", joiner = "\xE2\x80\x8D", ka = "\xE0\xA4\x95";
  return "A" + c + "\xCC\xA3" + c + acute + " " + c + "\xE1\x85\xA1\xE1\x86\xA8" + "e" + acute + c +
         "\xC2\xA9" + acute + c + joiner + c + acute + ka + "\xE0\xA5\x8D" + c + ka + acute + " " +
         c + "\xCD\x80";
}

/// Every byte is a key, and "X" its replacement.
Charsmap every_byte() {
  std::vector<uint32_t> units(768);
  units[0] = 256 << 10;
  for (uint32_t byte = 1; byte < 256; ++byte) units[256 ^ byte] = 768 << 10 | 1 << 8 | byte;
  std::string bytes("\0\x0C\0\0", 4);
  for (const uint32_t unit : units)
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(unit >> (8 * i) & 0xFF);
  return Charsmap(bytes + std::string("X\0", 2));
}

/// CRC-32 as zlib has it.
class Crc32 {
 public:
  Crc32() {
    for (uint32_t i = 0; i < 256; ++i) {
      table_[i] = i;
      for (int bit = 0; bit < 8; ++bit)
        table_[i] = table_[i] >> 1 ^ ((table_[i] & 1) != 0 ? 0xEDB88320u : 0);
    }
  }
  uint32_t operator()(std::string_view bytes) const {
    uint32_t crc = UINT32_MAX;
    for (const char c : bytes) crc = crc >> 8 ^ table_[(crc ^ static_cast<unsigned char>(c)) & 255];
    return ~crc;
  }

 private:
  uint32_t table_[256];
};

}  // namespace

TEST_CASE("normal forms and graphemes of every code point equal those of tokenizers") {
  const Charsmap map = every_byte();
  const auto form = [](bool compose, bool compatibility) {
    return [=](const std::string& text) { return normal_form(text, {compose, compatibility}); };
  };
  const std::function<std::string(const std::string&)> makers[] = {
      form(true, false), form(false, false), form(true, true), form(false, true),
      [&](const std::string& text) {
        std::string out;
        map.map(text, [&](std::string_view, std::string_view to) { out += to; });
        return out;
      }};
  test::Golden golden("tokenizers/points.bin");
  const Crc32 crc;
  size_t wrong = 0;
  for (char32_t first = 0; first < 0x110000; first += 1024)
    for (const auto& make : makers) {
      std::string all;
      for (char32_t c = first; c < first + 1024; ++c) {
        if (c >= 0xD800 && c < 0xE000) continue;
        char bytes[4];
        all += make(in_context(std::string(bytes, utf8::encode(c, bytes)))) + '\n';
      }
      wrong += crc(all) != golden.value<uint32_t>();
    }
  CHECK(golden.done());
  CHECK(wrong == 0);
}

TEST_CASE("long runs of marks are put in order in little time") {
  std::string text = "a";
  for (int i = 0; i < 200'000; ++i) text += i % 2 == 0 ? "\xCC\x81" : "\xCC\xA3";  // 230, 220
  const std::string ordered = normal_form(text, {false, false});
  CHECK(ordered.size() == text.size());
  CHECK(ordered.substr(1, 2) == "\xCC\xA3");
  CHECK(ordered.substr(ordered.size() - 2) == "\xCC\x81");
  CHECK(normal_form(text, {true, false}).substr(0, 3) == "\xE1\xBA\xA1");  // a with a dot below
}
