#pragma once

#include <cstddef>

/// Vector instructions, and regions of a file whose functions may use more of them than the rest of
/// the program:
///   STERNA_TARGET("avx2,fma")
///   ... functions, called only where CpuFeatures says that the CPU has these ...
///   STERNA_TARGET_END
/// Headers go before the region: an inline function of theirs that was compiled in it could be the
/// copy that the whole program calls. Not for NEON: the compilers' names for its extensions differ.

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own header warns about its _mm512_undefined_*() (GCC bug 105593), wherever inlined.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#define STERNA_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define STERNA_TARGET(isa) \
  STERNA_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define STERNA_TARGET_END STERNA_PRAGMA(clang attribute pop)
#else
#define STERNA_TARGET(isa) STERNA_PRAGMA(GCC push_options) STERNA_PRAGMA(GCC target(isa))
#define STERNA_TARGET_END STERNA_PRAGMA(GCC pop_options)
#endif

namespace sterna::quant::avx512 {

/// The first `count` of 16 lanes, all from 16 on.
constexpr __mmask16 tail_mask(std::size_t count) noexcept {
  return count >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1u << count) - 1);
}

}  // namespace sterna::quant::avx512
#endif
