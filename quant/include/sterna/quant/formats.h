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
/// other, the last one padded with rows of zeros. A panel is a sequence of 64-byte *blocks* along
/// k. A block holds one 4-byte *lane* a row, row 16p+i in bytes 4i .. 4i+3: sixteen rows fill one
/// 512-bit register, eight a 256-bit one, four a 128-bit one, and all lanes multiply the same
/// inputs. k is padded with zeros to whole blocks.
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
/// Scales are a separate fp16 array [m, groups]: one a row (group 0), or one for each `group` (64,
/// 128 or 256) inputs, groups = ceil(k / group). The value of a weight is integer * scale. Groups
/// change nothing in the layout of the data.
///
/// i8row is a table that is looked up by row, not multiplied: row-major signed int8 [m, k] and one
/// fp16 scale a row.
namespace sterna::quant {

inline constexpr size_t kPanelRows = 16;
inline constexpr size_t kBlockBytes = 64;

/// Inputs that one 64-byte block covers: bf16 2, i8 4, t2 16, t5 20. 0 for f32, which has none.
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
    case Type::f32:
      break;
  }
  return 0;
}

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
///           (BitNet b1.58, arXiv 2402.17764, eq. 1-3);
///   i8:     s = fp16(max |w| / 127), q = clip(round_half_even(w / s), -127, 127);
///   bf16:   round to nearest even; f32: copied.
/// Where s rounds to zero, q is zero. Rows are independent: panels may be packed one at a time.
/// Throws sterna::Error for a weight that is not finite, or a group that is not 0, 64, 128 or 256.
Packed pack(Type type, std::span<const float> w, size_t m, size_t k, size_t group = 0);

/// The same into memory of the caller: weight_bytes(type, m, k) bytes and m * group_count scales.
void pack(Type type, std::span<const float> w, size_t m, size_t k, size_t group,
          std::span<std::byte> data, std::span<uint16_t> scale);

/// Lays out integers that were chosen elsewhere: the inverse of unpack_integers(). `type` is i8, t2
/// or t5, q [m, k] is row-major and within the limits of pack(), scale fp16 [m, groups]. Throws
/// sterna::Error for another type, other sizes, or an integer that the type lacks.
Packed pack_integers(Type type, std::span<const int8_t> q, std::span<const uint16_t> scale,
                     size_t m, size_t k, size_t group = 0);

/// W as float, row-major [m, k]. `out` must hold m * k.
void dequantise(const WeightView& w, std::span<float> out);

/// The integers of an i8, t2 or t5 matrix, row-major [m, k].
void unpack_integers(const WeightView& w, std::span<int8_t> out);

/// An i8row table of W [m, k], by the rule of i8.
struct RowTable {
  std::vector<int8_t> data;
  std::vector<uint16_t> scale;
};
RowTable pack_rows(std::span<const float> w, size_t m, size_t k);

/// Row of an i8row table as float: out[c] = row[c] * fp16 scale.
void lookup_row(std::span<const int8_t> row, uint16_t scale, std::span<float> out) noexcept;

/// Throws sterna::Error unless the sizes of `w` fit each other: data bytes, number of scales, a
/// known group, k <= kMaxInputs for integers, alignment of the elements.
void check(const WeightView& w);

}  // namespace sterna::quant
