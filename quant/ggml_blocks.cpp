#include "sterna/quant/ggml_blocks.h"

#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
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

using Block = std::span<const float, kGgmlBlockWeights>;

int code_of(float w, float inverse) noexcept {
  constexpr float kNoFraction = 12582912.0F;  // 1.5 * 2^23: adding it rounds, half to even
  return static_cast<int>(std::clamp(w * inverse, -8.0F, 7.0F) + kNoFraction - kNoFraction);
}

float squared_error(Block w, float d) noexcept {
  float sum = 0;
  for (const float x : w) {
    const float e = x - static_cast<float>(code_of(x, 1 / d)) * d;
    sum += e * e;
  }
  return sum;
}

// The d, an fp16 number, whose squared error is least; 0 of zeros, or where none is above zero.
uint16_t best_step(Block w, float top) {
  uint16_t best = 0;
  float least = std::numeric_limits<float>::infinity();
  for (int code = -8; code <= 7; ++code) {
    if (code == 0) continue;
    const uint16_t half = f32_to_f16(top / static_cast<float>(code));
    const float d = f16_to_f32(half);
    if (d == 0) continue;
    const float error = squared_error(w, d);
    if (error >= least) continue;
    least = error;
    best = half;
  }
  return best;
}

void write_nibbles(Block w, std::byte* p) {
  const float top = *std::ranges::max_element(w, {}, [](float x) { return std::fabs(x); });
  constexpr float kMostTop = 65504;  // of fp16
  if (!(std::fabs(top) <= kMostTop))
    throw Error("q4_0 blocks: expected numbers up to 65504 (fp16), found " + std::to_string(top));
  const uint16_t half = best_step(w, top);
  const float d = f16_to_f32(half), inverse = d == 0 ? 0 : 1 / d;
  std::memcpy(p, &half, sizeof half);
  for (size_t j = 0; j < kHalf; ++j) {
    const int low = code_of(w[j], inverse) + 8, high = code_of(w[j + kHalf], inverse) + 8;
    p[sizeof half + j] = static_cast<std::byte>(low | high << 4);
  }
}

void expect_sizes(GgmlBlock kind, size_t bytes, size_t weights) {
  const size_t n = weights / kGgmlBlockWeights, each = block_bytes(kind);
  if (weights % kGgmlBlockWeights == 0 && bytes % each == 0 && bytes / each == n) return;
  throw Error(std::string(name(kind)) + " blocks: expected " + std::to_string(each) +
              " bytes for each 32 weights, found " + std::to_string(bytes) + " bytes for " +
              std::to_string(weights) + " weights");
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
  expect_sizes(kind, blocks.size(), out.size());
  const size_t n = out.size() / kGgmlBlockWeights, bytes = block_bytes(kind);
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

void quantise_q4_0(std::span<const float> w, std::span<std::byte> blocks) {
  expect_sizes(GgmlBlock::q4_0, blocks.size(), w.size());
  for (const float x : w) {
    if (!std::isfinite(x))
      throw Error("q4_0 blocks: expected finite numbers, found " + std::to_string(x));
  }
  const size_t bytes = block_bytes(GgmlBlock::q4_0);
  for (size_t i = 0; i < w.size() / kGgmlBlockWeights; ++i)
    write_nibbles(w.subspan(i * kGgmlBlockWeights).first<kGgmlBlockWeights>(),
                  blocks.data() + i * bytes);
}

void lay_out_q4_0(std::span<const std::byte> blocks, size_t m, size_t k, std::span<std::byte> out) {
  expect_sizes(GgmlBlock::q4_0, blocks.size(), m * k);
  const size_t panel_bytes = weight_bytes(Type::bf16, kPanelRows, k), bytes = 2 + kHalf;
  if (k % kGgmlBlockWeights != 0 || out.size() != weight_bytes(Type::bf16, m, k))
    throw Error("q4_0 blocks: expected rows of a multiple of 32 weights and room for them in bf16");
  std::ranges::fill(out.subspan(out.size() - panel_bytes), std::byte{0});  // the last one's padding
  const size_t across = k / kGgmlBlockWeights;
  for (size_t first = 0; first < m; first += kPanelRows, out = out.subspan(panel_bytes)) {
    for (size_t b = 0; b < across; ++b) {  // lines of a panel are written once, while in the cache
      std::byte* const lines = out.data() + b * (kGgmlBlockWeights / 2) * kLineBytes;
      for (size_t r = first; r < std::min(first + kPanelRows, m); ++r) {
        const std::byte* p = blocks.data() + (r * across + b) * bytes;
        const float d = f16_to_f32(take<uint16_t>(p));
        if (!std::isfinite(d)) {
          throw Error("q4_0 blocks: expected a finite d, found " + std::to_string(d) + " in row " +
                      std::to_string(r));
        }
        std::array<uint32_t, 16> weight;
        for (int code = 0; code < 16; ++code)
          weight[static_cast<size_t>(code)] = f32_to_bf16(static_cast<float>(code - 8) * d);
        std::byte* lane = lines + 4 * (r - first);
        for (size_t j = 0; j < kHalf; j += 2, lane += kLineBytes) {
          const auto even = std::to_integer<size_t>(p[j]), odd = std::to_integer<size_t>(p[j + 1]);
          const uint32_t low = weight[even & 15] | weight[odd & 15] << 16;
          const uint32_t high = weight[even >> 4] | weight[odd >> 4] << 16;
          std::memcpy(lane, &low, sizeof low);
          std::memcpy(lane + kHalf / 2 * kLineBytes, &high, sizeof high);
        }
      }
    }
  }
}

}  // namespace sterna::quant
