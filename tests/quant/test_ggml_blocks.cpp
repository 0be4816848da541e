#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/ggml_blocks.h>
#include <sterna/quant/half.h>
#include <tests/support/folder.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "support.h"

using namespace sterna;
using namespace sterna::quant;

namespace {

constexpr size_t kBytes = 18;

std::vector<std::byte> quantised(std::span<const float> w) {
  std::vector<std::byte> blocks(w.size() / kGgmlBlockWeights * kBytes);
  quantise_q4_0(w, blocks);
  return blocks;
}

std::vector<float> read(std::span<const std::byte> blocks) {
  std::vector<float> w(blocks.size() / kBytes * kGgmlBlockWeights);
  dequantise_blocks(GgmlBlock::q4_0, blocks, w);
  return w;
}

// ggml-quants.c, quantize_row_q4_0_ref, written down again: the largest becomes -8.
double error_of_ggml(std::span<const float> w) {
  double sum = 0;
  for (size_t i = 0; i < w.size(); i += kGgmlBlockWeights) {
    const auto block = w.subspan(i, kGgmlBlockWeights);
    const float top = *std::ranges::max_element(block, {}, [](float x) { return std::fabs(x); });
    const double d = static_cast<double>(f16_to_f32(f32_to_f16(top / -8)));
    for (const float x : block) {
      const double w = x, q = d == 0 ? 0 : std::clamp(std::floor(w / d + 8.5), 0.0, 15.0);
      sum += std::pow(w - (q - 8) * d, 2);
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("q4_0 blocks: what they can hold is held, the rest loses less than by ggml's own rule") {
  const auto w = quant::test::normal(64 * kGgmlBlockWeights, 3);
  const std::vector<float> once = read(quantised(w));
  double error = 0;
  for (size_t i = 0; i < w.size(); ++i)
    error += std::pow(static_cast<double>(w[i]) - static_cast<double>(once[i]), 2);
  CHECK(error < 0.99 * error_of_ggml(w));
  CHECK(error > 0);
  CHECK(read(quantised(once)) == once);
  // Whatever the largest code of a block is, of either sign; and zeros.
  for (int top = -8; top <= 7; ++top) {
    const int others = std::abs(top) - (top < 0);  // smaller, so that -8 needs no 8
    std::vector<float> v(kGgmlBlockWeights);
    for (size_t i = 0; i < v.size(); ++i) {
      const int code = i == 5 ? top : static_cast<int>(i) % (2 * others + 1) - others;
      v[i] = 3.0F / 128 * static_cast<float>(code);
    }
    CAPTURE(top);
    CHECK(read(quantised(v)) == v);
  }
}

TEST_CASE("q4_0 laid out as bf16 panels is what packing the dequantised weights gives") {
  for (const size_t m : {size_t{1}, size_t{16}, size_t{37}}) {
    for (const size_t k : {size_t{32}, size_t{96}}) {
      const auto blocks = quantised(quant::test::normal(m * k, 5));
      const Packed wanted = pack(Type::bf16, read(blocks), m, k);
      std::vector<std::byte> out(weight_bytes(Type::bf16, m, k), std::byte{7});
      lay_out_q4_0(blocks, m, k, out);
      CHECK(out == wanted.data);
    }
  }
  std::vector<std::byte> blocks(kBytes), out(weight_bytes(Type::bf16, 1, 32));
  CHECK_THROWS_AS(lay_out_q4_0(blocks, 1, 16, out), Error);
  CHECK_THROWS_AS(lay_out_q4_0(blocks, 1, 32, std::span(out).first(64)), Error);
  blocks[1] = std::byte{0x7c};  // infinite
  CHECK(sterna::test::message_of<Error>([&] { lay_out_q4_0(blocks, 1, 32, out); }) ==
        "q4_0 blocks: expected a finite d, found inf in row 0");
}

TEST_CASE("q4_0 blocks: sizes and numbers that they can't take are named") {
  const std::vector<float> w(64, 1.0F);
  std::vector<std::byte> blocks(2 * kBytes);
  const auto error = [&](std::span<const float> from, std::span<std::byte> to) {
    return sterna::test::message_of<Error>([&] { quantise_q4_0(from, to); });
  };
  CHECK(error(std::span(w).first(63), blocks) ==
        "q4_0 blocks: expected 18 bytes for each 32 weights, found 36 bytes for 63 weights");
  CHECK(error(w, std::span(blocks).first(35)) ==
        "q4_0 blocks: expected 18 bytes for each 32 weights, found 35 bytes for 64 weights");
  std::vector<float> bad(w);
  bad[40] = std::numeric_limits<float>::quiet_NaN();
  CHECK(error(bad, blocks) == "q4_0 blocks: expected finite numbers, found nan");
  bad[40] = -65600;
  CHECK(error(bad, blocks) ==
        "q4_0 blocks: expected numbers up to 65504 (fp16), found -65600.000000");
}
