#include <doctest/doctest.h>
#include <sterna/nn/row_table.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/ggml_blocks.h>
#include <sterna/quant/half.h>

#include <cmath>
#include <limits>
#include <vector>

#include "common.h"

using namespace sterna;
using nn::RowTable;

namespace {

struct Tables {
  size_t rows, cols;
  std::vector<float> f32;
  std::vector<uint16_t> f16, bf16, scale;
  std::vector<int8_t> i8;
  std::vector<std::byte> q4;   // where cols is a multiple of 32
  std::vector<float> q4_read;
  quant::Packed t5, grouped;   // a scale a row, and of 64 inputs
  std::vector<float> t5_read, grouped_read;

  quant::WeightView view(const quant::Packed& p, size_t group) const {
    return {quant::Type::t5, rows, cols, p.data, p.scale, group};
  }
  Tables(size_t r, size_t c) : rows(r), cols(c), f32(test::random(r, c, 7).data) {
    for (const float v : f32) {
      f16.push_back(quant::f32_to_f16(v));
      bf16.push_back(quant::f32_to_bf16(v));
      i8.push_back(static_cast<int8_t>(std::lround(std::fmin(std::fmax(v * 40, -127.0f), 127.0f))));
    }
    for (size_t i = 0; i < r; ++i) scale.push_back(quant::f32_to_f16(0.01f * (1.0f + (float)i)));
    if (c % 32 == 0) {
      q4.resize(r * c / 32 * 18);
      q4_read.resize(r * c);
      quant::quantise_q4_0(f32, q4);
      quant::dequantise_blocks(quant::GgmlBlock::q4_0, q4, q4_read);
    }
    t5 = quant::pack(quant::Type::t5, f32, r, c);
    grouped = quant::pack(quant::Type::t5, f32, r, c, 64);
    t5_read.resize(r * c);
    grouped_read.resize(r * c);
    quant::dequantise(view(t5, 0), t5_read);
    quant::dequantise(view(grouped, 64), grouped_read);
  }
  RowTable make(int kind, quant::Isa isa) const {
    if (kind == 0) return {f32, rows, cols, isa};
    if (kind == 1) return RowTable::half(f16, rows, cols, isa);
    if (kind == 3) return RowTable::bf16(bf16, rows, cols, isa);
    if (kind == 4) return RowTable::packed(view(t5, 0), isa);
    if (kind == 5) return RowTable::packed(view(grouped, 64), isa);
    if (kind == 6) return RowTable::q4_0(q4, rows, cols, isa);
    return RowTable::int8(i8, scale, rows, cols, isa);
  }
  double value(int kind, size_t i, size_t j) const {
    const size_t at = i * cols + j;
    if (kind == 0) return f32[at];
    if (kind == 1) return quant::f16_to_f32(f16[at]);
    if (kind == 3) return quant::bf16_to_f32(bf16[at]);
    if (kind == 4) return t5_read[at];
    if (kind == 5) return grouped_read[at];
    if (kind == 6) return q4_read[at];
    return static_cast<double>(i8[at]) * static_cast<double>(quant::f16_to_f32(scale[i]));
  }
};

}  // namespace

TEST_CASE("rows of every kind: against double, same bits on every ISA, ragged widths") {
  for (const size_t cols :
       std::initializer_list<size_t>{1UL, 7UL, 15UL, 16UL, 17UL, 32UL, 61UL, 384UL}) {
    const Tables t(5, cols);
    const auto x = test::random(1, cols, 8).data;
    for (int kind = 0; kind < (cols % 32 == 0 ? 7 : 6); ++kind) {
      CAPTURE(cols);
      CAPTURE(kind);
      std::vector<float> first_cosines, first_sum;
      for (const auto isa : test::isas()) {
        const RowTable table = t.make(kind, isa);
        std::vector<float> cosines(3), sum = x;
        table.cosines(x.data(), 1, 3, cosines.data());
        table.add(2, 0.75f, sum.data());
        if (first_sum.empty()) {
          first_cosines = cosines;
          first_sum = sum;
          const double eps = std::numeric_limits<float>::epsilon();
          for (size_t r = 0; r < 3; ++r) {
            double dot = 0, square = 0, magnitude = 0;
            for (size_t j = 0; j < cols; ++j) {
              const double v = t.value(kind, 1 + r, j);
              dot += v * static_cast<double>(x[j]);
              magnitude += std::fabs(v * static_cast<double>(x[j]));
              square += v * v;
            }
            const double norm = std::sqrt(square);
            const double steps = static_cast<double>(cols) / 16 + 8;
            CHECK(std::fabs(static_cast<double>(cosines[r]) - dot / norm) <=
                  2 * steps * eps * magnitude / norm);
          }
          for (size_t j = 0; j < cols; ++j) {
            const double want = static_cast<double>(x[j]) + 0.75 * t.value(kind, 2, j);
            CHECK(std::fabs(static_cast<double>(sum[j]) - want) <=
                  2 * eps * (std::fabs(static_cast<double>(x[j])) + std::fabs(want)));
          }
        }
        CHECK_MESSAGE(test::same_bits(cosines, first_cosines), quant::name(isa));
        CHECK_MESSAGE(test::same_bits(sum, first_sum), quant::name(isa));
      }
    }
  }
}

TEST_CASE("a row of zeros has cosine 0, and sizes must agree") {
  const std::vector<int8_t> zeros(32, 0);
  const std::vector<uint16_t> scale(2, quant::f32_to_f16(1.0f));
  const std::vector<float> x(16, 1.0f);
  const RowTable table = RowTable::int8(zeros, scale, 2, 16);
  float out[2] = {5, 5};
  table.cosines(x.data(), 0, 2, out);
  CHECK(out[0] == 0.0f);
  CHECK(out[1] == 0.0f);
  CHECK_THROWS_AS(RowTable(x, 3, 5), Error);
  CHECK_THROWS_AS(RowTable::int8(zeros, std::span(scale).first(1), 2, 16), Error);
  CHECK_THROWS_AS(RowTable(x, SIZE_MAX, 16), Error);
  alignas(2) const std::byte blocks[37] = {};
  CHECK_THROWS_AS(RowTable::q4_0(std::span(blocks, 36), 2, 48), Error);   // no whole blocks
  CHECK_THROWS_AS(RowTable::q4_0(std::span(blocks, 18), 2, 32), Error);   // one row's
  CHECK_THROWS_AS(RowTable::q4_0(std::span(blocks + 1, 36), 2, 32), Error);
  const quant::WeightView floats{quant::Type::f32, 1, 16, std::as_bytes(std::span(x)), {}, 0};
  CHECK_THROWS_AS(RowTable::packed(floats), Error);
}
