#pragma once

#include <sterna/quant/isa.h>

#include <cstddef>
#include <cstdint>

/// Attention whose products are the linear maps of quant/ in bf16: the keys of a head are the
/// weights of one map (queries to scores), its values, transposed, those of another (probabilities
/// to outputs), kKeys keys at a time. q, k, v and the probabilities are rounded to bf16; sums and
/// the softmax are f32, with a running maximum as in the f32 kernel.
namespace sterna::nn::bf16 {

inline constexpr size_t kKeys = 256;    // of a step: their scores stay in the first-level cache
inline constexpr size_t kQueries = 32;  // the most that attend() takes: two tiles of AMX

/// Keys times columns of a head up to which attention in f32 is no slower, so that bf16 buys
/// nothing: tiles are mostly padding there. `perf_micro --benchmark_filter=attention` prints both
/// just above it.
inline constexpr size_t kLeastWork = 1536;

/// Bytes of a head's packed keys and values, `dim` wide; a multiple of 64.
size_t packed_bytes(size_t keys, size_t dim) noexcept;
/// Packs k and v [keys, dim], rows `ld` apart, at `to` (64-byte aligned). Vectorised where
/// instructions multiply bf16: there alone it takes a noticeable part of the time.
void pack(const float* k, size_t ldk, const float* v, size_t ldv, size_t keys, size_t dim,
          std::byte* to, quant::Isa isa) noexcept;

/// What attend() works in: `bytes`, in which prepared queries and probabilities begin at `query`
/// and `weight`. For heads of at most so many keys, of which `packed` is one.
struct Room {
  size_t query, weight, bytes;
};
Room room(const std::byte* packed, size_t keys, size_t dim, quant::Isa isa);
/// out[i] = softmax(scale * q[i] k^T) v for `rows` <= kQueries queries; keys > 0, scale > 0.
void attend(const float* q, size_t ldq, size_t rows, const std::byte* packed, size_t keys,
            size_t dim, float scale, float* out, size_t ldo, std::byte* scratch, const Room& room,
            quant::Isa isa);

// pack()'s two halves, of one step of keys, for CPUs that convert to bf16.
void pack_keys_avx512(const float* k, size_t ldk, size_t keys, size_t dim, uint32_t* to) noexcept;
void pack_values_avx512(const float* v, size_t ldv, size_t keys, size_t dim, uint32_t* to) noexcept;

}  // namespace sterna::nn::bf16
