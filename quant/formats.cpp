#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "codes.h"
#include "sparse.h"

namespace sterna::quant {

namespace {

struct TypeName {
  Type type;
  std::string_view name;
};
constexpr TypeName kTypes[] = {{Type::f32, "f32"}, {Type::bf16, "bf16"}, {Type::i8, "i8"},
                               {Type::t2, "t2"},   {Type::t5, "t5"},     {Type::t34, "t34"},
                               {Type::t14, "t14"}};

// What the largest of some int8 weights may be, from and to; and up to how many weights all are
// tried.
constexpr float kInt8Levels[] = {127.0f, 100.0f};
constexpr size_t kMostTried = 128;

std::string shape(size_t m, size_t k) {
  return "[" + std::to_string(m) + ", " + std::to_string(k) + "]";
}

[[noreturn]] void fail(Type type, size_t m, size_t k, const std::string& what) {
  throw Error(std::string(name(type)) + " weights " + shape(m, k) + ": " + what);
}

// 0 if the product does not fit.
size_t product(size_t a, size_t b) {
  return b != 0 && a > std::numeric_limits<size_t>::max() / b ? 0 : a * b;
}

void check_group(Type type, size_t m, size_t k, size_t group) {
  if (group != 0 && group != 64 && group != 128 && group != 256)
    fail(type, m, k, "expected group 0, 64, 128 or 256, found " + std::to_string(group));
}

constexpr float kMostScale = 65504;  // of fp16
uint16_t half_scale(float s) { return f32_to_f16(std::min(s, kMostScale)); }

// The squared error of weights, padded with zeros to fours, of magnitude at most 127.5 * s.
float int8_error(std::span<const float> w, float s) {
  constexpr float kToInteger = 12582912.0f;  // 1.5 * 2^23: adding it rounds, half to even
  const float inverse = s > 0 ? 1 / s : 0;
  std::array<float, 4> sum{};
  for (size_t i = 0; i < w.size(); i += sum.size()) {
    for (size_t j = 0; j < sum.size(); ++j) {
      const float q = w[i + j] * inverse + kToInteger - kToInteger, e = w[i + j] - q * s;
      sum[j] += e * e;
    }
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// The scale of int8 weights whose largest is `top`: of the levels that `top` may become, the one
// whose squared error is least. The error of few weights varies much from one to the next.
uint16_t int8_scale(const float* w, size_t count, float top) {
  uint16_t best = half_scale(top / kInt8Levels[0]);
  if (count > kMostTried) return best;
  std::array<float, kMostTried> padded{};
  std::copy(w, w + count, padded.begin());
  float least = std::numeric_limits<float>::infinity();
  for (float level = kInt8Levels[0]; level >= kInt8Levels[1]; --level) {
    const uint16_t scale = half_scale(top / level);
    const float error = int8_error(std::span(padded).first((count + 3) / 4 * 4), f16_to_f32(scale));
    if (error >= least) continue;
    least = error;
    best = scale;
  }
  return best;
}

// The magnitude of weights that are ternary already, -s, 0 and +s; 0 if they are not.
float ternary_magnitude(std::span<const float> w, float top) {
  const bool ternary =
      std::ranges::all_of(w, [top](float x) { return x == 0 || std::fabs(x) == top; });
  return ternary && f16_to_f32(half_scale(top)) == top ? top : 0;
}

// Integers q of weights w that share the scale returned.
uint16_t quantise_group(Type type, const float* w, size_t count, int8_t* q) {
  const auto expect_half = [&](bool fits, float wanted) {
    if (!fits)
      fail(type, 1, count, "expected a scale up to 65504 (fp16), found " + std::to_string(wanted));
  };
  if (is_sparse(type)) {
    const uint16_t scale = quantise_sparse(type, {w, count}, q);
    expect_half(std::isfinite(f16_to_f32(scale)), f16_to_f32(scale));
    return scale;
  }
  double sum = 0;
  float top = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += std::fabs(static_cast<double>(w[i]));
    top = std::max(top, std::fabs(w[i]));
  }
  const bool ternary = type != Type::i8;
  const float exact = ternary ? ternary_magnitude({w, count}, top) : 0;
  const float wanted = exact > 0 ? exact
                       : ternary ? static_cast<float>(sum / static_cast<double>(count))
                                 : top / 127;
  expect_half(wanted <= kMostScale, wanted);
  const uint16_t scale = ternary ? half_scale(wanted) : int8_scale(w, count, top);
  const float s = f16_to_f32(scale), limit = ternary ? 1.0f : 127.0f;
  if (!(s > 0)) {
    std::fill_n(q, count, int8_t{0});
    return scale;
  }
  // Adding 1.5 * 2^23 leaves no bits behind the point: the sum rounds half to even, as nearbyint()
  // does, which is a call.
  constexpr float kNoFraction = 12582912.0f;
  for (size_t i = 0; i < count; ++i) {
    const float r = std::clamp(w[i] / s, -limit, limit);
    q[i] = static_cast<int8_t>((r + kNoFraction) - kNoFraction);
  }
  return scale;
}

void check_finite(Type type, std::span<const float> w, size_t m, size_t k) {
  for (size_t i = 0; i < w.size(); ++i) {
    if (!std::isfinite(w[i]))
      fail(type, m, k,
           "expected finite numbers, found " + std::to_string(w[i]) + " in row " +
               std::to_string(i / k));
  }
}

// Writes integers q [k] as row `row` of a panel whose bytes are all zero-weights so far.
void place_row(Type type, const int8_t* q, size_t k, size_t row, uint8_t* panel) {
  if (is_sparse(type)) return place_sparse_row(type, {q, k}, row, panel);
  if (type == Type::i8) {
    for (size_t c = 0; c < k; c += 4) {
      uint8_t* const four = panel + c * kPanelRows + row * 4;
      for (size_t i = 0; i < std::min<size_t>(4, k - c); ++i)
        four[i] = static_cast<uint8_t>(q[c + i] + 128);
    }
    return;
  }
  const size_t inputs = block_inputs(type);
  for (size_t c = 0; c < k; ++c) {
    const size_t field = c % inputs / 4;
    uint8_t& byte = panel[c / inputs * kLineBytes + row * 4 + c % 4];
    const int unit = type == Type::t2 ? 1 << 2 * field : kPowersOf3[field];
    byte = static_cast<uint8_t>(byte + q[c] * unit);
  }
}

// Every four inputs of a row must be a pattern of the type.
void check_patterns(Type type, std::span<const int8_t> q, size_t m, size_t k) {
  for (size_t i = 0; i < q.size(); i += std::min(kGroupInputs, k - i % k)) {
    const size_t count = std::min(kGroupInputs, k - i % k);
    if (sparse_state_of(type, &q[i], count) >= 0) continue;
    std::string found;
    for (size_t j = 0; j < count; ++j) found += " " + std::to_string(q[i + j]);
    fail(type, m, k,
         std::string("expected ") + (type == Type::t34 ? "one zero" : "one non-zero") +
             " in each four inputs, found" + found + " in row " + std::to_string(i / k));
  }
}

void pack_bf16(std::span<const float> w, size_t m, size_t k, uint8_t* out) {
  constexpr uint32_t kNotFinite = 0x7f80;
  const size_t panel_bytes = weight_bytes(Type::bf16, kPanelRows, k);
  for (size_t r = 0; r < m; ++r) {
    uint8_t* lane = out + r / kPanelRows * panel_bytes + r % kPanelRows * 4;
    const float* row = &w[r * k];
    bool fits = true;
    for (size_t c = 0; c < k; c += 2, lane += kLineBytes) {
      const uint32_t low = f32_to_bf16(row[c]), high = c + 1 < k ? f32_to_bf16(row[c + 1]) : 0;
      fits = fits && (low & kNotFinite) != kNotFinite && (high & kNotFinite) != kNotFinite;
      const uint32_t both = low | high << 16;
      std::memcpy(lane, &both, sizeof both);
    }
    if (fits) continue;
    const float* bad = std::find_if(row, row + k, [](float x) {
      return !std::isfinite(bf16_to_f32(f32_to_bf16(x)));
    });
    fail(Type::bf16, m, k, "expected numbers of bf16's range, found " + std::to_string(*bad));
  }
}

}  // namespace

size_t weight_bytes(Type type, size_t m, size_t k) {
  size_t bytes = 0;
  if (type == Type::f32) {
    bytes = product(product(m, k), 4);
  } else {
    const size_t inputs = block_inputs(type);
    const size_t panels = m / kPanelRows + (m % kPanelRows != 0);
    bytes = product(product(panels, k / inputs + (k % inputs != 0)), block_bytes(type));
  }
  if (bytes == 0 && m != 0 && k != 0) fail(type, m, k, "too large");
  return bytes;
}

std::string_view name(Type type) noexcept {
  for (const auto& t : kTypes)
    if (t.type == type) return t.name;
  return "?";
}

Type parse_type(std::string_view text) {
  std::string known;
  for (const auto& t : kTypes) {
    if (t.name == text) return t.type;
    known += (known.empty() ? "" : ", ") + std::string(t.name);
  }
  throw Error("weight type: expected one of " + known + ", found \"" + std::string(text) + "\"");
}

void pack(Type type, std::span<const float> w, size_t m, size_t k, size_t group,
          std::span<std::byte> data, std::span<uint16_t> scale) {
  check_group(type, m, k, group);
  if (w.size() != m * k)
    fail(type, m, k,
         "expected " + std::to_string(m * k) + " numbers, found " + std::to_string(w.size()));
  const size_t groups = is_integer(type) ? group_count(k, group) : 0;
  if (data.size() != weight_bytes(type, m, k) || scale.size() != m * groups)
    fail(type, m, k,
         "expected room for " + std::to_string(weight_bytes(type, m, k)) + " bytes and " +
             std::to_string(m * groups) + " scales, found " + std::to_string(data.size()) +
             " and " + std::to_string(scale.size()));
  if (type == Type::f32) {
    if (!w.empty()) std::memcpy(data.data(), w.data(), w.size_bytes());
    return;
  }
  check_finite(type, w, m, k);
  auto* out = reinterpret_cast<uint8_t*>(data.data());
  std::fill(data.begin(), data.end(), std::byte{zero_byte(type)});
  if (type == Type::bf16) return pack_bf16(w, m, k, out);
  const size_t panel_bytes = weight_bytes(type, kPanelRows, k);
  const size_t step = group == 0 ? k : group;
  std::vector<int8_t> q(k);
  for (size_t r = 0; r < m; ++r) {
    for (size_t c = 0; c < k; c += step)
      scale[r * groups + c / step] =
          quantise_group(type, &w[r * k + c], std::min(step, k - c), q.data() + c);
    place_row(type, q.data(), k, r % kPanelRows, out + r / kPanelRows * panel_bytes);
  }
}

Packed pack(Type type, std::span<const float> w, size_t m, size_t k, size_t group) {
  Packed p;
  check_group(type, m, k, group);
  p.data.resize(weight_bytes(type, m, k));
  if (is_integer(type)) p.scale.resize(m * group_count(k, group));
  pack(type, w, m, k, group, p.data, p.scale);
  return p;
}

Packed pack_integers(Type type, std::span<const int8_t> q, std::span<const uint16_t> scale,
                     size_t m, size_t k, size_t group) {
  check_group(type, m, k, group);
  if (!is_integer(type)) fail(type, m, k, "expected an integer type");
  const size_t scales = m * group_count(k, group);
  if (q.size() != m * k || scale.size() != scales)
    fail(type, m, k,
         "expected " + std::to_string(m * k) + " integers and " + std::to_string(scales) +
             " scales, found " + std::to_string(q.size()) + " and " + std::to_string(scale.size()));
  const int limit = type == Type::i8 ? 127 : 1;
  const auto outside = [limit](int8_t v) { return v < -limit || v > limit; };
  if (const auto bad = std::find_if(q.begin(), q.end(), outside); bad != q.end())
    fail(type, m, k,
         "expected integers from " + std::to_string(-limit) + " to " + std::to_string(limit) +
             ", found " + std::to_string(*bad));
  if (is_sparse(type)) check_patterns(type, q, m, k);
  Packed p{std::vector<std::byte>(weight_bytes(type, m, k), std::byte{zero_byte(type)}),
           {scale.begin(), scale.end()}};
  auto* out = reinterpret_cast<uint8_t*>(p.data.data());
  const size_t panel_bytes = weight_bytes(type, kPanelRows, k);
  for (size_t r = 0; r < m; ++r)
    place_row(type, q.data() + r * k, k, r % kPanelRows, out + r / kPanelRows * panel_bytes);
  return p;
}

void check(const WeightView& w) {
  check_group(w.type, w.m, w.k, w.group);
  if (w.m == 0 || w.k == 0) fail(w.type, w.m, w.k, "expected at least one row and column");
  if (is_integer(w.type) && w.k > kMaxInputs)
    fail(w.type, w.m, w.k, "expected at most " + std::to_string(kMaxInputs) + " inputs");
  const size_t bytes = weight_bytes(w.type, w.m, w.k);
  if (w.data.size() != bytes)
    fail(w.type, w.m, w.k,
         "expected " + std::to_string(bytes) + " bytes, found " + std::to_string(w.data.size()));
  const size_t scales = is_integer(w.type) ? product(w.m, group_count(w.k, w.group)) : 0;
  if (w.scale.size() != scales)
    fail(w.type, w.m, w.k,
         "expected " + std::to_string(scales) + " scales, found " + std::to_string(w.scale.size()));
  if (w.type == Type::f32 && reinterpret_cast<uintptr_t>(w.data.data()) % alignof(float) != 0)
    fail(w.type, w.m, w.k, "expected data aligned to 4 bytes");
  if (reinterpret_cast<uintptr_t>(w.scale.data()) % alignof(uint16_t) != 0)
    fail(w.type, w.m, w.k, "expected scales aligned to 2 bytes");
}

namespace {

void check_room(const WeightView& w, size_t found) {
  if (found != w.m * w.k)
    fail(w.type, w.m, w.k,
         "expected room for " + std::to_string(w.m * w.k) + " numbers, found " +
             std::to_string(found));
}

}  // namespace

void unpack_row(const WeightView& w, size_t row, size_t first, std::span<int8_t> out) noexcept {
  const size_t inputs = block_inputs(w.type), blocks = (w.k + inputs - 1) / inputs;
  const auto* panel = reinterpret_cast<const uint8_t*>(w.data.data()) +
                      row / kPanelRows * blocks * block_bytes(w.type);
  const size_t lane = row % kPanelRows;
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t c = first + i;
    const int q = is_sparse(w.type)
                      ? sparse_panel_weight(w.type, panel, lane, c)
                      : integer_weight(w.type, panel[c / inputs * kLineBytes + 4 * lane + c % 4],
                                       c % inputs / 4);
    out[i] = static_cast<int8_t>(q);
  }
}

void unpack_integers(const WeightView& w, std::span<int8_t> out) {
  check(w);
  check_room(w, out.size());
  if (!is_integer(w.type)) fail(w.type, w.m, w.k, "expected an integer type");
  for (size_t r = 0; r < w.m; ++r) unpack_row(w, r, 0, out.subspan(r * w.k, w.k));
}

void dequantise(const WeightView& w, std::span<float> out) {
  check(w);
  check_room(w, out.size());
  if (w.type == Type::f32) {
    std::memcpy(out.data(), w.data.data(), w.data.size());
    return;
  }
  if (w.type == Type::bf16) {
    const size_t panel_bytes = weight_bytes(w.type, kPanelRows, w.k);
    for (size_t r = 0; r < w.m; ++r) {
      const std::byte* lane = w.data.data() + r / kPanelRows * panel_bytes + r % kPanelRows * 4;
      for (size_t c = 0; c < w.k; ++c) {
        uint16_t h;
        std::memcpy(&h, lane + c / 2 * kLineBytes + c % 2 * 2, 2);
        out[r * w.k + c] = bf16_to_f32(h);
      }
    }
    return;
  }
  std::vector<int8_t> q(w.m * w.k);
  unpack_integers(w, q);
  const size_t groups = group_count(w.k, w.group);
  const size_t step = w.group == 0 ? w.k : w.group;
  for (size_t r = 0; r < w.m; ++r) {
    for (size_t c = 0; c < w.k; ++c)
      out[r * w.k + c] =
          static_cast<float>(q[r * w.k + c]) * f16_to_f32(w.scale[r * groups + c / step]);
  }
}

RowTable pack_rows(std::span<const float> w, size_t m, size_t k) {
  if (w.size() != m * k)
    fail(Type::i8, m, k,
         "expected " + std::to_string(m * k) + " numbers, found " + std::to_string(w.size()));
  check_finite(Type::i8, w, m, k);
  RowTable t{std::vector<int8_t>(m * k), std::vector<uint16_t>(m)};
  for (size_t r = 0; r < m; ++r)
    t.scale[r] = quantise_group(Type::i8, &w[r * k], k, &t.data[r * k]);
  return t;
}

void lookup_row(std::span<const int8_t> row, uint16_t scale, std::span<float> out) noexcept {
  const float s = f16_to_f32(scale);
  for (size_t c = 0; c < row.size(); ++c) out[c] = static_cast<float>(row[c]) * s;
}

}  // namespace sterna::quant
