#pragma once

#include <cstddef>
#include <span>
#include <string_view>

/// ggml's blocks of 32 weights (ggml-common.h: block_q4_0 .. block_q8_0), as llama.cpp's files hold
/// them. They are read, not multiplied: a map of them is laid out anew as formats.h says. A table's
/// rows of q4_0 are looked up as they lie (nn/row_table.h).
///
/// All numbers little-endian, d and m fp16. qs of 4 bits: byte j holds code j in its low and code
/// j + 16 in its high half; qh: bit j is the fifth bit of code j.
///   q4_0, 18 bytes: d, qs[16]; weight = (code - 8) d      q4_1, 20: d, m, qs[16]; code d + m
///   q5_0, 22 bytes: d, qh, qs[16]; (code - 16) d          q5_1, 24: d, m, qh, qs[16]; code d + m
///   q8_0, 34 bytes: d, 32 signed bytes; weight = byte d
namespace sterna::quant {

enum class GgmlBlock { q4_0, q4_1, q5_0, q5_1, q8_0 };

inline constexpr size_t kGgmlBlockWeights = 32;

/// As ggml writes it: "q4_0".
std::string_view name(GgmlBlock kind) noexcept;
/// Bytes of one block of kGgmlBlockWeights weights.
size_t block_bytes(GgmlBlock kind) noexcept;

/// The weights of n blocks, with ggml's rounding (dequantize_row_q4_0 .. q8_0: a product, then a
/// sum, in f32); out holds n * 32. Throws sterna::Error for other sizes.
void dequantise_blocks(GgmlBlock kind, std::span<const std::byte> blocks, std::span<float> out);

/// Quantises weights, n blocks of 32, to q4_0 blocks: of the d that make the largest magnitude one
/// of the 15 codes, as fp16, the one whose squared error is least (ggml's quantize_row_q4_0_ref
/// tries -8 alone); codes are rounded half to even. Weights that q4_0 can hold are held exactly.
/// `blocks` holds n * 18 bytes. Throws sterna::Error for other sizes or a weight that is not finite
/// or beyond fp16.
void quantise_q4_0(std::span<const float> w, std::span<std::byte> blocks);

/// Lays out W [m, k] in q4_0, k a multiple of 32, as bf16 panels (formats.h): what pack() makes of
/// the dequantised weights. `out` holds weight_bytes(Type::bf16, m, k). Throws sterna::Error for
/// other sizes or a d that is not finite.
void lay_out_q4_0(std::span<const std::byte> blocks, size_t m, size_t k, std::span<std::byte> out);

}  // namespace sterna::quant
