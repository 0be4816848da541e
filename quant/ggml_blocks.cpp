#include "sterna/quant/ggml_blocks.h"

#include <sterna/quant/error.h>
#include <sterna/quant/half.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace sterna::quant {

namespace {

struct Kind {
  std::string_view name;
  int offset;      // what a code of zero stands for, in units of d
  bool minimum;    // m follows d
  bool fifth_bit;  // qh follows
};
constexpr std::array<Kind, 4> kNibbles = {{{"q4_0", -8, false, false},
                                           {"q4_1", 0, true, false},
                                           {"q5_0", -16, false, true},
                                           {"q5_1", 0, true, true}}};
constexpr size_t kHalf = kGgmlBlockWeights / 2;

template <class T>
T take(const std::byte*& p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof value);
  p += sizeof value;
  return value;
}

void read_nibbles(const Kind& kind, const std::byte* p, float* out) noexcept {
  const float d = f16_to_f32(take<uint16_t>(p));
  const float m = kind.minimum ? f16_to_f32(take<uint16_t>(p)) : 0.0F;
  const uint32_t fifth = kind.fifth_bit ? take<uint32_t>(p) : 0;
  for (size_t j = 0; j < kHalf; ++j) {
    const auto byte = std::to_integer<uint32_t>(p[j]);
    const uint32_t low = (byte & 15) | (fifth >> j & 1) << 4;
    const uint32_t high = byte >> 4 | (fifth >> (j + kHalf) & 1) << 4;
    out[j] = static_cast<float>(static_cast<int>(low) + kind.offset) * d;
    out[j + kHalf] = static_cast<float>(static_cast<int>(high) + kind.offset) * d;
    if (!kind.minimum) continue;
    out[j] += m;
    out[j + kHalf] += m;
  }
}

void read_bytes(const std::byte* p, float* out) noexcept {
  const float d = f16_to_f32(take<uint16_t>(p));
  for (size_t j = 0; j < kGgmlBlockWeights; ++j)
    out[j] = static_cast<float>(std::to_integer<int8_t>(p[j])) * d;
}

}  // namespace

std::string_view name(GgmlBlock kind) noexcept {
  return kind == GgmlBlock::q8_0 ? "q8_0" : kNibbles[static_cast<size_t>(kind)].name;
}

size_t block_bytes(GgmlBlock kind) noexcept {
  if (kind == GgmlBlock::q8_0) return 2 + kGgmlBlockWeights;
  const Kind& k = kNibbles[static_cast<size_t>(kind)];
  return size_t{2} + (k.minimum ? 2 : 0) + (k.fifth_bit ? 4 : 0) + kHalf;
}

void dequantise_blocks(GgmlBlock kind, std::span<const std::byte> blocks, std::span<float> out) {
  const size_t n = out.size() / kGgmlBlockWeights, bytes = block_bytes(kind);
  if (out.size() % kGgmlBlockWeights != 0 || blocks.size() % bytes != 0 ||
      blocks.size() / bytes != n) {
    throw Error(std::string(name(kind)) + " blocks: expected " + std::to_string(bytes) +
                " bytes for each 32 weights, found " + std::to_string(blocks.size()) +
                " bytes for " + std::to_string(out.size()) + " weights");
  }
  for (size_t i = 0; i < n; ++i) {
    const std::byte* from = blocks.data() + i * bytes;
    float* to = out.data() + i * kGgmlBlockWeights;
    if (kind == GgmlBlock::q8_0) {
      read_bytes(from, to);
    } else {
      read_nibbles(kNibbles[static_cast<size_t>(kind)], from, to);
    }
  }
}

}  // namespace sterna::quant
