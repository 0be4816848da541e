#pragma once

#include <string_view>

namespace sterna::quant {

/// Instruction sets that kernels exist for, weakest first. `avxvnni` is avx2 with the
/// 256-bit dot products of CPUs that lack AVX-512; `avx512` means F+BW+VL+DQ+VNNI; further
/// extensions (VBMI, BF16) are used inside it where the CPU has them. `amx` is avx512 with those
/// and AMX's int8 and bf16 tiles, where Linux lets the process use them. `neon` is what every
/// aarch64 CPU has; dot products and int8 matrix products are used inside it likewise.
enum class Isa { scalar, avx2, avxvnni, avx512, amx, neon };
inline constexpr Isa kEveryIsa[] = {Isa::scalar, Isa::avx2, Isa::avxvnni,
                                    Isa::avx512, Isa::amx,  Isa::neon};

/// What a set has for work other than linear maps: `avxvnni` adds nothing to avx2 there, nor `amx`
/// to avx512.
constexpr Isa vector_isa(Isa isa) noexcept {
  return isa == Isa::avxvnni ? Isa::avx2 : isa == Isa::amx ? Isa::avx512 : isa;
}

/// The strongest set this CPU and operating system support.
Isa best_isa() noexcept;
/// Whether this build has kernels for `isa` and this CPU can run them.
bool has_isa(Isa isa) noexcept;
/// Whether `isa` has instructions that multiply bf16 on this CPU (AMX; AVX-512 with BF16).
bool multiplies_bf16(Isa isa) noexcept;
/// "scalar", "avx2", "avxvnni", "avx512", "amx", "neon".
std::string_view name(Isa isa) noexcept;
/// Inverse of name(); throws sterna::Error for an unknown name (listing the known ones), or for one
/// that this CPU lacks.
Isa parse_isa(std::string_view text);

}  // namespace sterna::quant
