#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// ggml's ternary blocks (ggml-quants.c: block_tq1_0, block_tq2_0), as llama.cpp's files hold them:
/// rows of 256 weights a block, one fp16 scale each. They are read and written, not multiplied: the
/// layouts of formats.h are, to which integers and scales go over without loss (group 256).
///
/// tq1_0, 54 bytes. A byte holds trits c_0 .. c_4 (c = weight + 1) as the fraction ceil(256 *
///       (81 c_0 + 27 c_1 + 9 c_2 + 3 c_3 + c_4) / 243) of 256: trit n is floor(3 * (3^n * byte mod
///       256) / 256). Bytes 0 .. 31: byte i holds weights 32n + i; bytes 32 .. 47: byte 32+i holds
///       weights 160 + 16n + i; bytes 48 .. 51 (four trits, c_4 = 0): byte 48+i holds weights 240 +
///       4n + i; bytes 52, 53: the scale.
/// tq2_0, 66 bytes. Byte 32h + i (h = 0, 1; i < 32) holds weight + 1 of weights 128h + 32n + i in
///       bits 2n, 2n+1; bytes 64, 65: the scale. Code 3 is weight 2, which no packer writes.
namespace sterna::quant {

enum class TernaryBlock { tq1_0, tq2_0 };

inline constexpr size_t kTernaryBlockWeights = 256;
constexpr size_t block_bytes(TernaryBlock kind) noexcept {
  return kind == TernaryBlock::tq1_0 ? 54 : 66;
}

/// Quantises w, n * 256 numbers, into n blocks: d = max |w| of the block, q = round_half_away(w *
/// (1 / d)), scale = fp16(d) (ggml: quantize_row_tq1_0_ref; the same bytes). Throws sterna::Error
/// for sizes that do not fit, and numbers that are not finite or whose d is beyond fp16.
void pack_blocks(TernaryBlock kind, std::span<const float> w, std::span<std::byte> out);

/// Lays out integers -1, 0, +1 with a fp16 scale for each 256. Throws sterna::Error for others.
void pack_block_integers(TernaryBlock kind, std::span<const int8_t> q,
                         std::span<const uint16_t> scale, std::span<std::byte> out);

/// Integers and scales of n blocks; q holds n * 256, scale n. Throws sterna::Error for other sizes.
void unpack_blocks(TernaryBlock kind, std::span<const std::byte> blocks, std::span<int8_t> q,
                   std::span<uint16_t> scale);

/// integer * scale; out holds n * 256. Throws sterna::Error for other sizes.
void dequantise_blocks(TernaryBlock kind, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace sterna::quant
