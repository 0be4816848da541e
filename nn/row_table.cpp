#include <sterna/nn/row_table.h>
#include <sterna/quant/error.h>
#include <sterna/quant/half.h>

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
  void store(float* p) const noexcept {
    for (size_t i = 0; i < 16; ++i) p[i] = f[i];
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
  }
}

void RowTable::cosines(const float* x, size_t first, size_t count, float* out) const noexcept {
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
    }
    out[j] = d.square > 0 ? d.dot / std::sqrt(d.square) : 0.0F;
  }
}

}  // namespace sterna::nn
