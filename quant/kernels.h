#pragma once

#include <sterna/quant/linear.h>

#include <cstddef>

namespace sterna::quant {

/// What the CPU and operating system offer, asked once. `avx2` includes FMA and F16C, `avx512` is
/// F+BW+VL+DQ+VNNI, `avxvnni` is the 256-bit VNNI that needs no AVX-512, `amx` is tiles of int8 and
/// bf16 (with `vbmi` and `bf16`) that this process may use. Every aarch64 CPU has `neon`; `dotprod`
/// is FEAT_DotProd (SDOT), `i8mm` FEAT_I8MM (SMMLA) and `dotprod` with it. `amd` is the maker
/// of an x86 CPU, no instruction: Zen has vector pipes that do not multiply, on Intel's all that
/// compute 512 bits do (avx512_int.h).
struct CpuFeatures {
  bool avx2 = false, avx512 = false, vbmi = false, bf16 = false, avxvnni = false, amx = false;
  bool amd = false;
  bool neon = false, dotprod = false, i8mm = false;
};
const CpuFeatures& cpu_features() noexcept;

/// The linear map of one weight type on one ISA: what Linear calls, in its words. A kernel chooses
/// its own layout of prepared activations, in *tiles* of tokens; `prepare` may be called for
/// ranges of whole tiles.
///
/// Contract of every table: no allocation, no exceptions; output (token, row) depends on that token
/// of x and that row of W alone (bit for bit), not on [m0, m1). For integer types, with
/// acc_g = sum over group g of weight integer * activation integer (exact), every ISA computes in
/// IEEE single precision, no operation fused:
///   y = (float(acc_0) * s_0 + float(acc_1) * s_1 + ... left to right) * s_a  [+ bias]
struct LinearKernels {
  size_t (*token_tile)(size_t n) noexcept;
  size_t (*scratch_bytes)(const WeightView& w, size_t n) noexcept;
  void (*prepare)(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0, size_t n1,
                  std::byte* scratch) noexcept;
  void (*run)(const WeightView& w, const float* bias, const std::byte* scratch, size_t n, size_t m0,
              size_t m1, float* y, size_t ldy) noexcept;
  /// prepare() of inputs [k0, k1) alone, x [n, k1 - k0]; null where a token is prepared as a whole.
  void (*prepare_inputs)(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0,
                         size_t n1, size_t k0, size_t k1, std::byte* scratch) noexcept = nullptr;
};

/// The table of an ISA, or nullptr if this build or this CPU lacks it.
const LinearKernels* linear_kernels(Isa isa, Type type) noexcept;

/// Tables of single ISAs, whatever the CPU; `features` chooses among what AVX-512 CPUs, and those
/// with NEON, differ in.
const LinearKernels* scalar_kernels(Type type) noexcept;
const LinearKernels* avx2_kernels(Type type) noexcept;
const LinearKernels* avxvnni_kernels(Type type) noexcept;
const LinearKernels* avx512_kernels(Type type, const CpuFeatures& features) noexcept;
const LinearKernels* amx_kernels(Type type) noexcept;
const LinearKernels* neon_kernels(Type type, const CpuFeatures& features) noexcept;

/// The integer types on CPUs with those instructions: parts of neon_kernels().
const LinearKernels* neon_dot_kernels(Type type) noexcept;
const LinearKernels* neon_i8mm_kernels(Type type) noexcept;

}  // namespace sterna::quant
