#pragma once

// From sums in tiles to y. Included by kernels_amx.cpp alone, inside its target region.

namespace sterna::quant::amx {

struct Call : TileCall<Tokens> {
  const std::byte* panel(size_t row) const {
    return w.data.data() + row / kPanelRows * panel_bytes;
  }
};

// float(acc_g) * s_g of one token; acc lacks base = -offset * sum q, which is added here.
inline __m512 scaled(const int32_t* acc, int32_t base, __m512 s_w) {
  const __m512i v = _mm512_add_epi32(_mm512_load_si512(acc), _mm512_set1_epi32(base));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(v), s_w);
}

inline __m512 group_scales(const Call& c, size_t row, size_t g) {
  return avx512::row_scales(c.w.scale.data() + row * c.s.groups + g, c.s.groups,
                            std::min(kPanelRows, c.m1 - row));
}

inline const int32_t* base_of(const Call& c, size_t g, size_t tile) {
  return reinterpret_cast<const int32_t*>(c.scratch + c.s.base_at) + g * c.s.count() +
         tile * c.s.tile;
}

// Adds group g of a token tile and panel to its real sums.
inline void add_group(const Call& c, size_t row, size_t tile, size_t g, const std::byte* exact,
                      float* real) {
  const __m512 s_w = group_scales(c, row, g);
  const int32_t* base = base_of(c, g, tile);
  for (size_t t = 0; t < c.s.tile; ++t, exact += kRowBytes, real += kPanelRows) {
    const __m512 part = scaled(reinterpret_cast<const int32_t*>(exact), base[t], s_w);
    _mm512_store_ps(real, g == 0 ? part : _mm512_add_ps(_mm512_load_ps(real), part));
  }
}

// The sums of one or two panels by one or two token tiles on their way to y, a few lines at a time
// while the tiles of the next pair are multiplied (multiply()). Sums are read where they were put:
// exact ones, or real ones where a row has many scales.
template <class D>
class Outputs {
 public:
  explicit Outputs(const Call& call) : c_(call) {}

  // Sums [tiles][2][kTileBytes] of `panels` panels from `row` on and the `tiles` from `tile` on.
  void take(size_t row, size_t panels, size_t tile, size_t tiles, const std::byte* sums) {
    assert(left_ == 0);
    row_ = row;
    panels_ = panels;
    tile_ = tile;
    sums_ = sums;
    next_ = 0;
    here_ = 0;
    left_ = panels * (std::min(c_.n, (tile + tiles) * c_.s.tile) - tile * c_.s.tile);
  }

  void share(size_t steps) { share_ = steps >= kLines ? kLines : kTileRows; }
  void some() {
    if (left_ != 0) lines();
  }
  void rest() {
    while (left_ != 0) lines();
  }

 private:
  static constexpr size_t kLines = 8;  // of four tiles in eight steps: two tiles are two steps each

  // As many lines of one panel as some() is to take, or what is left of them.
  void lines() {
    if (here_ == 0) open_next();
    if (share_ == kLines && here_ >= kLines) {
      store<kLines>(kLines);
    } else {
      store<1>(std::min(here_, share_));
    }
  }

  // The next panel of this token tile, or the first of the next one.
  void open_next() {
    const size_t t = next_ / panels_, r = next_ % panels_, row = row_ + r * kPanelRows;
    const size_t token = (tile_ + t) * c_.s.tile;
    ++next_;
    here_ = std::min(c_.s.tile, c_.n - token);
    from_ = sums_ + (2 * t + r) * kTileBytes;
    to_ = c_.y + token * c_.ldy + row;
    rows_ = avx512::tail_mask(c_.m1 - row);
    if (c_.bias != nullptr) bias_ = _mm512_maskz_loadu_ps(rows_, c_.bias + row);
    if constexpr (D::kScaled) {
      s_a_ = reinterpret_cast<const float*>(c_.scratch) + token;
      if (c_.w.group != 0) return;
      s_w_ = group_scales(c_, row, 0);
      base_ = base_of(c_, 0, tile_ + t);
    }
  }

  // `count` lines of this panel. In local variables: stores to y might change members.
  template <size_t kUnroll>
  void store(size_t count) {
    left_ -= count;
    here_ -= count;
    const std::byte* from = from_;
    float* to = to_;
    const float* s_a = s_a_;
    const int32_t* base = base_;
    const __m512 bias = bias_, s_w = s_w_;
    const __mmask16 rows = rows_;
    const size_t ldy = c_.ldy;
    const bool exact = c_.w.group == 0, biased = c_.bias != nullptr;
#pragma GCC unroll 8
    for (size_t i = 0; i < (kUnroll > 1 ? kUnroll : count); ++i) {
      __m512 v = _mm512_load_ps(from);
      if constexpr (D::kScaled) {
        if (exact) v = scaled(reinterpret_cast<const int32_t*>(from), *base++, s_w);
        v = _mm512_mul_ps(v, _mm512_set1_ps(*s_a++));
      }
      if (biased) v = _mm512_add_ps(v, bias);
      _mm512_mask_storeu_ps(to, rows, v);
      to += ldy;
      from += kRowBytes;
    }
    from_ = from;
    to_ = to;
    s_a_ = s_a;
    base_ = base;
  }

  const Call& c_;
  size_t row_ = 0, panels_ = 0, tile_ = 0, next_ = 0;
  size_t left_ = 0, here_ = 0, share_ = 0;  // lines: of all, of this panel and tile, of some()
  const std::byte *sums_ = nullptr, *from_ = nullptr;
  float* to_ = nullptr;
  const float* s_a_ = nullptr;
  const int32_t* base_ = nullptr;
  __mmask16 rows_ = 0;
  __m512 bias_ = {}, s_w_ = {};
};

}  // namespace sterna::quant::amx
