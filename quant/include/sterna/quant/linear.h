#pragma once

#include <sterna/quant/isa.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sterna::quant {

/// How the weights of a linear map W [m, k] lie in a model file, which is also how kernels read
/// them (no repack at load). `f32` is row-major; the others lie in panels of rows; see formats.h
/// for each layout byte by byte.
enum class Type { f32, bf16, i8, t2, t5, t34, t14 };

/// Weights as they lie in the file. Owns nothing: the file stays mapped while a Linear lives.
struct WeightView {
  Type type = Type::f32;
  size_t m = 0;                     // outputs
  size_t k = 0;                     // inputs
  std::span<const std::byte> data;  // weight_bytes(type, m, k) bytes, 64-byte aligned
  std::span<const uint16_t> scale;  // fp16; [m] (group 0) or [m, ceil(k / group)]; none for floats
  size_t group = 0;                 // inputs that share a scale; 0 = the whole row
};

/// Bytes of W [m, k] in `type`, padding included, scales apart.
size_t weight_bytes(Type type, size_t m, size_t k);
std::string_view name(Type type) noexcept;
/// Throws sterna::Error naming the known types.
Type parse_type(std::string_view text);

/// y [n, m] = x [n, k] W^T (+ bias [m]).
///
/// f32: products and sums in f32. bf16: x rounded to bf16, sums in f32. integer types: x quantised
/// a token (row of x) by absmax to int8 in [-127, 127], integer sums exact on every ISA, then
/// scaled (BitNet b1.58, arXiv 2402.17764, eq. 1-3; activations arXiv 2310.11453, eq. 4-5).
///
/// Immutable after construction; every method is const, noexcept, allocates nothing, and may be
/// called by any number of threads.
class Linear {
 public:
  Linear() = default;
  /// Throws sterna::Error if sizes disagree or the CPU lacks `isa`. `bias` is empty or [m].
  Linear(const WeightView& weight, std::span<const float> bias = {}, Isa isa = best_isa());

  size_t m() const { return w_.m; }
  size_t k() const { return w_.k; }
  Type type() const { return w_.type; }
  const WeightView& weight() const { return w_; }

  /// Bytes that prepare() writes for n tokens.
  size_t scratch_bytes(size_t n) const noexcept;
  /// Quantises / packs x [n, k] (rows ldx apart) into `scratch` (64-byte aligned).
  void prepare(const float* x, size_t ldx, size_t n, std::byte* scratch) const noexcept;
  /// The same for tokens [n0, n1) of the n alone, so that threads may share the work: n0 must be a
  /// multiple of token_tile(n), n1 too unless it is n.
  void prepare(const float* x, size_t ldx, size_t n, std::byte* scratch, size_t n0,
               size_t n1) const noexcept;
  /// Whether a token may be prepared a part at a time. Not where its scale is that of all inputs.
  bool prepares_inputs() const noexcept;
  /// The same for inputs [k0, k1) alone, x [n, k1 - k0], of all n tokens: k0 must be a multiple of
  /// kInputTile, k1 too unless it is k(). Parts that do not overlap may be prepared at once.
  static constexpr size_t kInputTile = 32;
  void prepare_inputs(const float* x, size_t ldx, size_t n, std::byte* scratch, size_t k0,
                      size_t k1) const noexcept;
  /// Whether what prepare() writes for one is what it writes for the other.
  bool prepares_as(const Linear& other) const noexcept {
    return kernels_ == other.kernels_ && w_.type == other.w_.type && w_.k == other.w_.k &&
           w_.group == other.w_.group;
  }
  /// Tokens that a kernel packs together when there are n.
  size_t token_tile(size_t n) const noexcept;
  /// Output columns [m0, m1) of y [n, m] (rows ldy apart) from prepared activations.
  /// m0 must be a multiple of row_tile(), m1 too unless it is m().
  void run(const std::byte* scratch, size_t n, size_t m0, size_t m1, float* y,
           size_t ldy) const noexcept;
  /// The same of y [n, m1 - m0], those columns alone.
  void run_part(const std::byte* scratch, size_t n, size_t m0, size_t m1, float* y,
                size_t ldy) const noexcept;
  /// Rows of W that a kernel handles together: split work over threads at its multiples.
  size_t row_tile() const noexcept;

 private:
  WeightView w_;
  std::span<const float> bias_;
  const struct LinearKernels* kernels_ = nullptr;
};

}  // namespace sterna::quant
