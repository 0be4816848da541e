#include "attention_bf16.h"

#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <sterna/quant/linear.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels.h"
#include "rounded.h"

namespace sterna::nn::bf16 {

namespace {

using quant::kPanelRows;

size_t key_bytes(size_t keys, size_t dim) {
  return quant::weight_bytes(quant::Type::bf16, keys, dim);
}
size_t value_bytes(size_t keys, size_t dim) {
  return quant::weight_bytes(quant::Type::bf16, dim, keys);
}

uint32_t pair(float first, float second) {
  return quant::f32_to_bf16(first) | uint32_t{quant::f32_to_bf16(second)} << 16;
}

// W = k [keys, dim] (formats.h): lane i of line b of a panel holds columns 2b and 2b + 1 of row i.
void pack_keys(const float* k, size_t ldk, size_t keys, size_t dim, uint32_t* to) noexcept {
  const size_t lines = (dim + 1) / 2;
  for (size_t row = 0; row < keys; row += kPanelRows, to += lines * kPanelRows) {
    for (size_t i = 0; i < kPanelRows; ++i) {
      const bool there = row + i < keys;
      const float* from = k + (there ? row + i : 0) * ldk;
      for (size_t b = 0; b < dim / 2; ++b)
        to[b * kPanelRows + i] = there ? pair(from[2 * b], from[2 * b + 1]) : 0;
      if (dim % 2 != 0) to[dim / 2 * kPanelRows + i] = there ? pair(from[dim - 1], 0) : 0;
    }
  }
}

// W = v^T [dim, keys]: lane i of line b of a panel holds keys 2b and 2b + 1 of column i.
void pack_values(const float* v, size_t ldv, size_t keys, size_t dim, uint32_t* to) noexcept {
  for (size_t column = 0; column < dim; column += kPanelRows) {
    const size_t n = std::min(kPanelRows, dim - column);
    for (size_t c = 0; c < keys; c += 2, to += kPanelRows) {
      const float* from = v + c * ldv + column;
      const bool last = c + 1 == keys;
      for (size_t i = 0; i < n; ++i) to[i] = pair(from[i], last ? 0 : from[ldv + i]);
      for (size_t i = n; i < kPanelRows; ++i) to[i] = 0;
    }
  }
}

struct Pack {
  void (*keys)(const float* k, size_t ldk, size_t keys, size_t dim, uint32_t* to) noexcept;
  void (*values)(const float* v, size_t ldv, size_t keys, size_t dim, uint32_t* to) noexcept;
};
Pack pack_of([[maybe_unused]] quant::Isa isa) {
#if defined(__x86_64__)
  if (quant::multiplies_bf16(isa)) return {pack_keys_avx512, pack_values_avx512};
#endif
  return {pack_keys, pack_values};
}

/// The two maps of the step whose packed keys and values begin at `packed`.
struct Step {
  quant::Linear keys, values;

  Step(const std::byte* packed, size_t n, size_t dim, quant::Isa isa)
      : keys({quant::Type::bf16, n, dim, {packed, key_bytes(n, dim)}, {}, 0}, {}, isa),
        values({quant::Type::bf16,
                dim,
                n,
                {packed + key_bytes(n, dim), value_bytes(n, dim)},
                {},
                0},
               {}, isa) {}
};

size_t most_bytes(const quant::Linear& map) {
  size_t most = 0;
  for (size_t n = 1; n <= kQueries; ++n) most = std::max(most, map.scratch_bytes(n));
  return (most + 63) / 64 * 64;
}

constexpr size_t kScoreBytes = kQueries * kKeys * sizeof(float);

}  // namespace

size_t packed_bytes(size_t keys, size_t dim) noexcept {
  const size_t rest = keys % kKeys;
  const size_t step = key_bytes(kKeys, dim) + value_bytes(kKeys, dim);
  return keys / kKeys * step + (rest == 0 ? 0 : key_bytes(rest, dim) + value_bytes(rest, dim));
}

void pack(const float* k, size_t ldk, const float* v, size_t ldv, size_t keys, size_t dim,
          std::byte* to, quant::Isa isa) noexcept {
  const Pack pack = pack_of(isa);
  for (size_t c = 0; c < keys; c += kKeys) {
    const size_t n = std::min(kKeys, keys - c);
    pack.keys(k + c * ldk, ldk, n, dim, reinterpret_cast<uint32_t*>(to));
    to += key_bytes(n, dim);
    pack.values(v + c * ldv, ldv, n, dim, reinterpret_cast<uint32_t*>(to));
    to += value_bytes(n, dim);
  }
}

Room room(const std::byte* packed, size_t keys, size_t dim, quant::Isa isa) {
  const Step step(packed, std::min(keys, kKeys), dim, isa);
  Room room{};
  room.query = kScoreBytes + (kQueries * dim * sizeof(float) + 63) / 64 * 64;
  room.weight = room.query + most_bytes(step.keys);
  room.bytes = room.weight + most_bytes(step.values);
  return room;
}

void attend(const float* q, size_t ldq, size_t rows, const std::byte* packed, size_t keys,
            size_t dim, float scale, float* out, size_t ldo, std::byte* scratch, const Room& room,
            quant::Isa isa) {
  const RoundedKernels* const rounded = rounded_kernels(isa);
  const auto weigh = rounded != nullptr ? rounded->weigh : kernels(isa).weigh;
  auto* score = reinterpret_cast<float*>(scratch);
  auto* part = reinterpret_cast<float*>(scratch + kScoreBytes);
  std::byte *query = scratch + room.query, *weight = scratch + room.weight;
  float top[kQueries], total[kQueries], shrink[kQueries];
  std::fill_n(top, rows, -std::numeric_limits<float>::infinity());
  std::fill_n(total, rows, 0.0f);
  for (size_t c = 0; c < keys; c += kKeys) {
    const size_t n = std::min(kKeys, keys - c);
    const Step step(packed, n, dim, isa);
    packed += key_bytes(n, dim) + value_bytes(n, dim);
    if (c == 0) step.keys.prepare(q, ldq, rows, query);
    step.keys.run(query, rows, 0, n, score, kKeys);
    for (size_t r = 0; r < rows; ++r) {
      const float before = top[r];
      const float sum = weigh(score + r * kKeys, n, scale, &top[r], score + r * kKeys);
      shrink[r] = std::exp(before - top[r]);
      total[r] = total[r] * shrink[r] + sum;
    }
    step.values.prepare(score, kKeys, rows, weight);
    if (c == 0) {
      step.values.run(weight, rows, 0, dim, out, ldo);
      continue;
    }
    step.values.run(weight, rows, 0, dim, part, dim);
    for (size_t r = 0; r < rows; ++r)
      for (size_t j = 0; j < dim; ++j)
        out[r * ldo + j] = out[r * ldo + j] * shrink[r] + part[r * dim + j];
  }
  for (size_t r = 0; r < rows; ++r) {
    const float f = 1.0f / total[r];
    for (size_t j = 0; j < dim; ++j) out[r * ldo + j] *= f;
  }
}

}  // namespace sterna::nn::bf16
