#pragma once

#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// Layouts of weights W [m, k] in a file. They are also what the kernels read: a mapped file is
/// used as it lies. All numbers are little-endian.
///
/// f32   row-major: W[r, c] at byte 4 * (r * k + c).
///
/// The others lie in *panels* of 16 rows, panel p holding rows 16p .. 16p+15, panels one after the
/// other, the last one padded with rows of zeros. A panel is a sequence of *blocks* along k, a
/// block one or more 64-byte *lines*. A line holds one 4-byte *lane* a row, row 16p+i in bytes 4i
/// .. 4i+3: sixteen rows fill one 512-bit register, eight a 256-bit one, four a 128-bit one, and
/// all lanes multiply the same inputs. k is padded with zeros to whole blocks. A block of bf16, i8,
/// t2 and t5 is one line.
///
/// bf16  a block is 2 inputs: lane = { W[r, 2b], W[r, 2b+1] }, bfloat16.
/// i8    a block is 4 inputs: byte j of the lane = W[r, 4b+j] + 128 (unsigned: the dot-product
///       instructions of x86 multiply unsigned by signed, and the inputs are the signed side).
/// t2    a block is 16 inputs: byte j of the lane holds four codes (weight + 1) of 2 bits:
///       W[r, 16b + 4f + j] + 1 in bits 2f, 2f+1. Masking field f leaves inputs 16b+4f .. +3 in
///       byte order. A zero is code 1, so an all-zero block is bytes 0x55. Code 3 is never
///       written and reads as weight 2.
/// t5    a block is 20 inputs: byte j of the lane holds five codes c_f = W[r, 20b + 4f + j] + 1 as
///       c_0 + 3 c_1 + 9 c_2 + 27 c_3 + 81 c_4 (0 .. 242). An all-zero block is bytes 121.
///       Bytes above 242 are never written and read as 242.
///
/// t34 and t14 are sparse: inputs 4g .. 4g+3 of a row are a *group of four* with one *state*. A
/// block is 128 inputs, 32 groups, in 8 *steps* of 16 inputs: the state of inputs 128b + 16s + 4j
/// .. +3 (s = 0 .. 7) lies in byte j of the row's lane, in one line or in several. With A the bytes
/// j of that lane in the lines of a block:
///
/// t34   exactly one of four is zero: 4 positions x 8 signs = 32 states = 5 bits. Bits 0, 1 of a
///       state are the index of the zero, bits 2, 3, 4 the signs of the others from the first to
///       the last (1 = negative). A block is 5 lines A0 .. A4:
///         steps 0 .. 4: bits 0 .. 4 of A0 .. A4;
///         step 5: bits 5 .. 7 of A0, then bits 6, 7 of A1 (as bits 3, 4 of the state);
///         step 6: bits 5 .. 7 of A2, then bits 6, 7 of A3;
///         step 7: bits 5 .. 7 of A4, then bit 5 of A1, then bit 5 of A3.
/// t14   exactly one of four is not zero: 4 positions x 2 signs = 8 states = 3 bits. Bits 0, 1 of a
///       state are the index of the weight, bit 2 its sign (1 = negative). A block is 3 lines A0 ..
///       A2:
///         steps 2l and 2l+1 (l = 0, 1, 2): bits 0 .. 2 and bits 3 .. 5 of Al;
///         steps 6 and 7: bits 6, 7 of A0, A1, A2 as bits 0, 1; 2, 3; 4, 5 of a number: the low
///         three are the state of step 6, the high three of step 7.
///       Every byte is valid in both. There is no state of four zeros: padding is state 0, and
///       reads as whatever it is beyond the matrix, where inputs are zero and outputs are not
///       stored.
///
/// Scales are a separate fp16 array [m, groups]: one a row (group 0), or one for each `group` (64,
/// 128 or 256) inputs, groups = ceil(k / group). The value of a weight is integer * scale. Groups
/// change nothing in the layout of the data.
///
/// i8row is a table that is looked up by row, not multiplied: row-major signed int8 [m, k] and one
/// fp16 scale a row.
namespace sterna::quant {

inline constexpr size_t kPanelRows = 16;
inline constexpr size_t kLineBytes = 64;

/// Inputs that one block covers: bf16 2, i8 4, t2 16, t5 20, t34 and t14 128. 0 for f32, which has
/// none.
constexpr size_t block_inputs(Type type) noexcept {
  switch (type) {
    case Type::bf16:
      return 2;
    case Type::i8:
      return 4;
    case Type::t2:
      return 16;
    case Type::t5:
      return 20;
    case Type::t34:
    case Type::t14:
      return 128;
    case Type::f32:
      break;
  }
  return 0;
}

/// Bytes of one block: 64, but t34 320 and t14 192.
constexpr size_t block_bytes(Type type) noexcept {
  return (type == Type::t34 ? 5 : type == Type::t14 ? 3 : 1) * kLineBytes;
}

/// Whether four neighbours share a pattern.
constexpr bool is_sparse(Type type) noexcept { return type == Type::t34 || type == Type::t14; }

/// Whether weights of `type` carry scales (and inputs are quantised to int8).
constexpr bool is_integer(Type type) noexcept { return type != Type::f32 && type != Type::bf16; }

/// Scales of one row: 1 for group 0, else ceil(k / group).
constexpr size_t group_count(size_t k, size_t group) noexcept {
  return group == 0 ? 1 : (k + group - 1) / group;
}

/// Integer sums are exact in 32 bits up to this many inputs: |sum| <= 128 * 127 * 2^17 < 2^31.
inline constexpr size_t kMaxInputs = size_t{1} << 17;

/// Weights in file form.
struct Packed {
  std::vector<std::byte> data;
  std::vector<uint16_t> scale;
};

/// Quantises W [m, k] (row-major) and lays it out.
///   t2, t5: s = fp16(mean |w|) over the row or group, q = clip(round_half_even(w / s), -1, 1)
///           (BitNet b1.58, arXiv 2402.17764, eq. 1-3); weights that are ternary already, zeros and
///           magnitudes all equal to one fp16 number, keep that number as s;
///   t34:    in each four inputs the smallest |w| becomes 0 and the others their sign, in t14 the
///           largest its sign and the others 0 (the first among equals; zero counts as positive);
///           s = fp16(mean |w| over the weights that are kept), which is the least-squares scale of
///           that pattern, and the pattern is the best one for any scale. Cf. Sherry, arXiv
///           2601.07892. Four zeros have no state: they become one, or three, weights of size s;
///   i8:     s = fp16(max |w| / l), q = clip(round_half_even(w / s), -127, 127), l = 127 or, of a
///   row
///           or group of at most 128 weights, that of 127, 126 .. 100 whose squared error is least;
///   bf16:   round to nearest even; f32: copied.
/// Where s rounds to zero, q is zero (but t34 and t14 keep their pattern). Rows are independent:
/// panels may be packed one at a time. Throws sterna::Error for a weight that is not finite, or a
/// group that is not 0, 64, 128 or 256.
Packed pack(Type type, std::span<const float> w, size_t m, size_t k, size_t group = 0);

/// The same into memory of the caller: weight_bytes(type, m, k) bytes and m * group_count scales.
void pack(Type type, std::span<const float> w, size_t m, size_t k, size_t group,
          std::span<std::byte> data, std::span<uint16_t> scale);

/// Lays out integers that were chosen elsewhere: the inverse of unpack_integers(). `type` is an
/// integer type, q [m, k] is row-major and within the limits of pack(), scale fp16 [m, groups].
/// Throws sterna::Error for another type, other sizes, or an integer or a pattern that the type
/// lacks.
Packed pack_integers(Type type, std::span<const int8_t> q, std::span<const uint16_t> scale,
                     size_t m, size_t k, size_t group = 0);

/// W as float, row-major [m, k]. `out` must hold m * k.
void dequantise(const WeightView& w, std::span<float> out);

/// The integers of a matrix of an integer type, row-major [m, k].
void unpack_integers(const WeightView& w, std::span<int8_t> out);

/// The integers of inputs [first, first + out.size()) of a row of `w`, which check() takes.
void unpack_row(const WeightView& w, size_t row, size_t first, std::span<int8_t> out) noexcept;

/// An i8row table of W [m, k], by the rule of i8.
struct RowTable {
  std::vector<int8_t> data;
  std::vector<uint16_t> scale;
};
/// Throws sterna::Error for another size than m * k or a weight that is not finite.
RowTable pack_rows(std::span<const float> w, size_t m, size_t k);

/// Row of an i8row table as float: out[c] = row[c] * fp16 scale.
void lookup_row(std::span<const int8_t> row, uint16_t scale, std::span<float> out) noexcept;

/// Throws sterna::Error unless the sizes of `w` fit each other: data bytes, number of scales, a
/// known group, k <= kMaxInputs for integers, alignment of the elements.
void check(const WeightView& w);

}  // namespace sterna::quant
