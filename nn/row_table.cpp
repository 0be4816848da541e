#include <sterna/nn/row_table.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "row_kernels.h"

namespace sterna::nn {

namespace {

struct L {
  float f[16];
  static L zero() noexcept { return {}; }
  static L set(float x) noexcept {
    L v;
    for (float& e : v.f) e = x;
    return v;
  }
  static L set_half(uint16_t h) noexcept { return set(quant::f16_to_f32(h)); }
  static L load(const float* p) noexcept {
    L v;
    for (size_t i = 0; i < 16; ++i) v.f[i] = p[i];
    return v;
  }
  static L load(const uint16_t* p) noexcept {
    L v;
    for (size_t i = 0; i < 16; ++i) v.f[i] = quant::f16_to_f32(p[i]);
    return v;
  }
  static L load(const Bf16* p) noexcept {
    L v;
    for (size_t i = 0; i < 16; ++i) v.f[i] = quant::bf16_to_f32(p[i].bits);
    return v;
  }
  static L load(const int8_t* p) noexcept {
    L v;
    for (size_t i = 0; i < 16; ++i) v.f[i] = static_cast<float>(p[i]);
    return v;
  }
  static L low_codes(const uint8_t* p) noexcept {
    L v;
    for (size_t i = 0; i < 16; ++i) v.f[i] = static_cast<float>((p[i] & 15) - 8);
    return v;
  }
  static L high_codes(const uint8_t* p) noexcept {
    L v;
    for (size_t i = 0; i < 16; ++i) v.f[i] = static_cast<float>((p[i] >> 4) - 8);
    return v;
  }
  void store(float* p) const noexcept {
    for (size_t i = 0; i < 16; ++i) p[i] = f[i];
  }
  static L mul(L a, L b) noexcept {
    for (size_t i = 0; i < 16; ++i) a.f[i] *= b.f[i];
    return a;
  }
  static L fma(L a, L b, L c) noexcept {
    for (size_t i = 0; i < 16; ++i) c.f[i] = std::fma(a.f[i], b.f[i], c.f[i]);
    return c;
  }
};

#include "row_body.inc"

}  // namespace

const RowKernels& row_kernels(quant::Isa isa) noexcept {
#if defined(__x86_64__)
  if (vector_isa(isa) == quant::Isa::avx2) return row_kernels_avx2();
  if (vector_isa(isa) == quant::Isa::avx512) return row_kernels_avx512();
#elif defined(__aarch64__)
  if (isa == quant::Isa::neon) return row_kernels_neon();
#endif
  (void)isa;
  return kKernels;
}

RowTable::RowTable(Kind kind, const void* data, std::span<const uint16_t> scale, size_t found,
                   size_t rows, size_t cols, quant::Isa isa)
    : kind_(kind),
      data_(data),
      scale_(scale.data()),
      rows_(rows),
      cols_(cols),
      kernels_(&row_kernels(isa)) {
  const bool fits = cols == 0 || rows <= SIZE_MAX / cols;
  if (!fits || found != rows * cols) {
    throw Error("row table: expected " + std::to_string(rows) + " x " + std::to_string(cols) +
                " elements, found " + std::to_string(found));
  }
  if (kind == Kind::i8 && scale.size() != rows) {
    throw Error("row table: expected " + std::to_string(rows) + " scales, found " +
                std::to_string(scale.size()));
  }
}

RowTable::RowTable(std::span<const float> data, size_t rows, size_t cols, quant::Isa isa)
    : RowTable(Kind::f32, data.data(), {}, data.size(), rows, cols, isa) {}
RowTable RowTable::half(std::span<const uint16_t> data, size_t rows, size_t cols, quant::Isa isa) {
  return {Kind::f16, data.data(), {}, data.size(), rows, cols, isa};
}
RowTable RowTable::bf16(std::span<const uint16_t> data, size_t rows, size_t cols, quant::Isa isa) {
  return {Kind::bf16, data.data(), {}, data.size(), rows, cols, isa};
}
RowTable RowTable::int8(std::span<const int8_t> data, std::span<const uint16_t> scale, size_t rows,
                        size_t cols, quant::Isa isa) {
  return {Kind::i8, data.data(), scale, data.size(), rows, cols, isa};
}

RowTable RowTable::q4_0(std::span<const std::byte> blocks, size_t rows, size_t cols,
                        quant::Isa isa) {
  const size_t all = blocks.size() / sizeof(Q4Block) * Q4Block::kWeights;
  if (cols % Q4Block::kWeights != 0 || blocks.size() % sizeof(Q4Block) != 0 ||
      reinterpret_cast<uintptr_t>(blocks.data()) % alignof(Q4Block) != 0) {
    throw Error("row table: expected rows of whole q4_0 blocks at a multiple of 2 bytes, found " +
                std::to_string(blocks.size()) + " bytes for " + std::to_string(cols) + " columns");
  }
  return {Kind::q4_0, blocks.data(), {}, all, rows, cols, isa};
}
RowTable RowTable::packed(const quant::WeightView& matrix, quant::Isa isa) {
  quant::check(matrix);
  if (!quant::is_integer(matrix.type))
    throw Error("row table: expected an integer layout, found " + std::string(name(matrix.type)));
  RowTable table(Kind::packed, nullptr, {}, matrix.m * matrix.k, matrix.m, matrix.k, isa);
  table.packed_ = matrix;
  return table;
}

template <class Piece>
void RowTable::for_pieces(size_t i, Piece&& piece) const noexcept {
  std::array<int8_t, 256> integers;  // the largest group
  const size_t groups = quant::group_count(cols_, packed_.group);
  const size_t step = packed_.group == 0 ? integers.size() : packed_.group;
  for (size_t c = 0; c < cols_; c += step) {
    const auto part = std::span(integers).first(std::min(step, cols_ - c));
    quant::unpack_row(packed_, i, c, part);
    const size_t group = packed_.group == 0 ? 0 : c / packed_.group;
    piece(std::span<const int8_t>(part), quant::f16_to_f32(packed_.scale[i * groups + group]), c);
  }
}

void RowTable::add(size_t i, float factor, float* y) const noexcept {
  const size_t at = i * cols_;
  switch (kind_) {
    case Kind::f32:
      kernels_->f32.add(static_cast<const float*>(data_) + at, factor, cols_, y);
      break;
    case Kind::f16:
      kernels_->f16.add(static_cast<const uint16_t*>(data_) + at, factor, cols_, y);
      break;
    case Kind::bf16:
      kernels_->bf16.add(static_cast<const Bf16*>(data_) + at, factor, cols_, y);
      break;
    case Kind::i8:
      kernels_->i8.add(static_cast<const int8_t*>(data_) + at,
                       factor * quant::f16_to_f32(scale_[i]), cols_, y);
      break;
    case Kind::q4_0:
      kernels_->q4.add(static_cast<const Q4Block*>(data_) + at / Q4Block::kWeights, factor, cols_,
                       y);
      break;
    case Kind::packed:
      for_pieces(i, [&](std::span<const int8_t> part, float scale, size_t c) {
        kernels_->i8.add(part.data(), factor * scale, part.size(), y + c);
      });
      break;
  }
}

void RowTable::panel_cosines(const float* x, size_t first, size_t count,
                             float* out) const noexcept {
  constexpr size_t kRows = quant::kPanelRows;
  const size_t bytes = packed_.data.size() / ((rows_ + kRows - 1) / kRows);
  const auto* data = reinterpret_cast<const uint8_t*>(packed_.data.data());
  for (size_t row = first; row < first + count;) {
    std::array<float, kRows> dot, square;
    kernels_->t5_panel(data + row / kRows * bytes, cols_, x, dot.data(), square.data());
    const size_t end = std::min(first + count, (row / kRows + 1) * kRows);
    for (; row < end; ++row) {
      const size_t r = row % kRows;
      const bool zero = square[r] == 0 || quant::f16_to_f32(packed_.scale[row]) == 0;
      out[row - first] = zero ? 0.0F : dot[r] / std::sqrt(square[r]);
    }
  }
}

void RowTable::cosines(const float* x, size_t first, size_t count, float* out) const noexcept {
  if (kind_ == Kind::packed && packed_.type == quant::Type::t5 && packed_.group == 0) {
    panel_cosines(x, first, count, out);  // a row's scale is positive and cancels
    return;
  }
  for (size_t j = 0; j < count; ++j) {
    const size_t at = (first + j) * cols_;
    RowKernels::Dot d{};
    switch (kind_) {  // an int8 row's scale is positive and cancels
      case Kind::f32:
        d = kernels_->f32.dot(static_cast<const float*>(data_) + at, x, cols_);
        break;
      case Kind::f16:
        d = kernels_->f16.dot(static_cast<const uint16_t*>(data_) + at, x, cols_);
        break;
      case Kind::bf16:
        d = kernels_->bf16.dot(static_cast<const Bf16*>(data_) + at, x, cols_);
        break;
      case Kind::i8:
        d = kernels_->i8.dot(static_cast<const int8_t*>(data_) + at, x, cols_);
        break;
      case Kind::q4_0:
        d = kernels_->q4.dot(static_cast<const Q4Block*>(data_) + at / Q4Block::kWeights, x, cols_);
        break;
      case Kind::packed:
        for_pieces(first + j, [&](std::span<const int8_t> part, float scale, size_t c) {
          const RowKernels::Dot of = kernels_->i8.dot(part.data(), x + c, part.size());
          d.dot += scale * of.dot;
          d.square += scale * scale * of.square;
        });
        break;
    }
    out[j] = d.square > 0 ? d.dot / std::sqrt(d.square) : 0.0F;
  }
}

}  // namespace sterna::nn
