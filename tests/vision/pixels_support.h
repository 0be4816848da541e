#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace sterna::test {

inline std::string golden(const std::string& name) {
  return std::string(STERNA_TEST_DATA) + "/golden/pixels/" + name;
}

inline std::vector<uint8_t> read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::span<const std::byte> bytes_of(const std::vector<uint8_t>& v) {
  return std::as_bytes(std::span(v));
}

/// The lines of a tab-separated golden.
inline std::vector<std::vector<std::string>> table(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::vector<std::string> row;
    for (std::string field; std::getline(fields, field, '\t');) row.push_back(field);
    rows.push_back(row);
  }
  return rows;
}

inline std::string fnv1a(std::span<const uint8_t> data) {
  uint64_t h = 0xCBF29CE484222325U;
  for (uint8_t b : data) h = (h ^ b) * 0x100000001B3U;
  constexpr char kHex[] = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = 0; i < 16; ++i) text[15 - i] = kHex[h >> (4 * i) & 15];
  return text;
}

/// noise() of tests/golden/make_pixels.py.
inline vision::Image noise(size_t width, size_t height, uint64_t seed, bool blocks = false) {
  vision::Image image{width, height, std::vector<uint8_t>(width * height * 3)};
  for (size_t k = 0; k < image.rgb.size(); ++k) {
    const uint64_t i = blocks ? k / 7 : k;
    auto v = static_cast<uint32_t>((i + seed * 0x9E3779B9U) * 2654435761U);
    v ^= v >> 15;
    v *= 2246822519U;
    v ^= v >> 13;
    const auto b = static_cast<uint8_t>(v >> 24);
    image.rgb[k] = blocks ? (b >= 128 ? 255 : 0) : b;
  }
  return image;
}

}  // namespace sterna::test
