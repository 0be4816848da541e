#include "sterna/quant/ggml_ternary.h"

#include <sterna/quant/error.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>

namespace sterna::quant {

namespace {

constexpr size_t kWeights = kTernaryBlockWeights;
using Codes = std::array<uint8_t, kWeights>;  // weight + 1

// Runs of bytes of a tq1_0 block: `count` bytes at `at`, trit n of the i-th of them being weight
// `weight` + n * count + i.
struct Run {
  size_t at, count, weight, trits;
};
constexpr Run kRuns[] = {{0, 32, 0, 5}, {32, 16, 160, 5}, {48, 4, 240, 4}};
constexpr std::array<unsigned, 5> kPower = {1, 3, 9, 27, 81};

[[noreturn]] void fail(TernaryBlock kind, const std::string& what) {
  throw Error(std::string(kind == TernaryBlock::tq1_0 ? "tq1_0" : "tq2_0") + " blocks: " + what);
}

// Number of blocks of `weights` numbers in `bytes` bytes.
size_t count_blocks(TernaryBlock kind, size_t weights, size_t bytes) {
  const size_t blocks = weights / kWeights;
  if (weights % kWeights != 0)
    fail(kind, "expected a multiple of 256 weights, found " + std::to_string(weights));
  if (bytes % block_bytes(kind) != 0 || bytes / block_bytes(kind) != blocks)
    fail(kind, "expected " + std::to_string(blocks) + " blocks of " +
                   std::to_string(block_bytes(kind)) + " bytes, found " + std::to_string(bytes) +
                   " bytes");
  return blocks;
}

void put_block(TernaryBlock kind, const Codes& codes, uint16_t scale, std::byte* out) {
  uint8_t bytes[64] = {};
  if (kind == TernaryBlock::tq1_0) {
    for (const Run& run : kRuns) {
      for (size_t i = 0; i < run.count; ++i) {
        unsigned v = 0;
        for (size_t n = 0; n < run.trits; ++n)
          v += kPower[4 - n] * codes[run.weight + n * run.count + i];
        bytes[run.at + i] = static_cast<uint8_t>((v * 256 + 242) / 243);
      }
    }
  } else {
    for (size_t i = 0; i < kWeights; ++i) {
      uint8_t& byte = bytes[i / 128 * 32 + i % 32];
      byte = static_cast<uint8_t>(byte | codes[i] << 2 * (i % 128 / 32));
    }
  }
  std::memcpy(out, bytes, block_bytes(kind) - 2);
  std::memcpy(out + block_bytes(kind) - 2, &scale, 2);
}

void get_block(TernaryBlock kind, const std::byte* in, int8_t* q) {
  const auto byte = [&](size_t i) { return std::to_integer<unsigned>(in[i]); };
  if (kind == TernaryBlock::tq1_0) {
    for (const Run& run : kRuns)
      for (size_t n = 0; n < run.trits; ++n)
        for (size_t i = 0; i < run.count; ++i)
          q[run.weight + n * run.count + i] = static_cast<int8_t>(
              static_cast<int>((byte(run.at + i) * kPower[n] & 255) * 3 >> 8) - 1);
  } else {
    for (size_t i = 0; i < kWeights; ++i)
      q[i] = static_cast<int8_t>(
          static_cast<int>(byte(i / 128 * 32 + i % 32) >> 2 * (i % 128 / 32) & 3) - 1);
  }
}

uint16_t get_scale(TernaryBlock kind, const std::byte* in) {
  uint16_t scale;
  std::memcpy(&scale, in + block_bytes(kind) - 2, 2);
  return scale;
}

}  // namespace

void pack_blocks(TernaryBlock kind, std::span<const float> w, std::span<std::byte> out) {
  const size_t blocks = count_blocks(kind, w.size(), out.size());
  for (size_t b = 0; b < blocks; ++b) {
    const float* block = w.data() + b * kWeights;
    float d = 0;
    for (size_t i = 0; i < kWeights; ++i) {
      if (!(std::fabs(block[i]) < 65520.0f))
        fail(kind, "expected numbers that fit f16, found " + std::to_string(block[i]));
      d = std::max(d, std::fabs(block[i]));
    }
    // A subnormal d has no inverse; its scale is zero, and so are its weights.
    const float inverse = d > 0 && std::isfinite(1 / d) ? 1 / d : 0.0f;
    Codes codes;
    for (size_t i = 0; i < kWeights; ++i)
      codes[i] = static_cast<uint8_t>(
          static_cast<int>(std::clamp(std::round(block[i] * inverse), -1.0f, 1.0f)) + 1);
    put_block(kind, codes, f32_to_f16(d), out.data() + b * block_bytes(kind));
  }
}

void pack_block_integers(TernaryBlock kind, std::span<const int8_t> q,
                         std::span<const uint16_t> scale, std::span<std::byte> out) {
  const size_t blocks = count_blocks(kind, q.size(), out.size());
  if (scale.size() != blocks)
    fail(kind,
         "expected " + std::to_string(blocks) + " scales, found " + std::to_string(scale.size()));
  for (size_t b = 0; b < blocks; ++b) {
    Codes codes;
    for (size_t i = 0; i < kWeights; ++i) {
      const int v = q[b * kWeights + i];
      if (v < -1 || v > 1) fail(kind, "expected -1, 0 or 1, found " + std::to_string(v));
      codes[i] = static_cast<uint8_t>(v + 1);
    }
    put_block(kind, codes, scale[b], out.data() + b * block_bytes(kind));
  }
}

void unpack_blocks(TernaryBlock kind, std::span<const std::byte> blocks, std::span<int8_t> q,
                   std::span<uint16_t> scale) {
  const size_t count = count_blocks(kind, q.size(), blocks.size());
  if (scale.size() != count)
    fail(kind, "expected room for " + std::to_string(count) + " scales, found " +
                   std::to_string(scale.size()));
  for (size_t b = 0; b < count; ++b) {
    const std::byte* block = blocks.data() + b * block_bytes(kind);
    get_block(kind, block, q.data() + b * kWeights);
    scale[b] = get_scale(kind, block);
  }
}

void dequantise_blocks(TernaryBlock kind, std::span<const std::byte> blocks, std::span<float> out) {
  const size_t count = count_blocks(kind, out.size(), blocks.size());
  int8_t q[kWeights];
  for (size_t b = 0; b < count; ++b) {
    const std::byte* block = blocks.data() + b * block_bytes(kind);
    get_block(kind, block, q);
    const float s = f16_to_f32(get_scale(kind, block));
    for (size_t i = 0; i < kWeights; ++i) out[b * kWeights + i] = static_cast<float>(q[i]) * s;
  }
}

}  // namespace sterna::quant
