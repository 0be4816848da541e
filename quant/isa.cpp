#include <sterna/quant/error.h>
#include <sterna/quant/isa.h>

#include <string>
#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "kernels.h"

namespace sterna::quant {

namespace {
struct IsaName {
  Isa isa;
  std::string_view name;
};
constexpr IsaName kIsas[] = {{Isa::scalar, "scalar"},
                             {Isa::avx2, "avx2"},
                             {Isa::avxvnni, "avxvnni"},
                             {Isa::avx512, "avx512"},
                             {Isa::amx, "amx"},
                             {Isa::neon, "neon"}};

#if defined(__x86_64__)
// Tiles of int8 and bf16. Linux saves their registers only for a process that asked for them: the
// request is for all its threads, and fails where kernel or hypervisor do not know them.
bool may_use_tiles() noexcept {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr unsigned kTile = 1U << 24, kInt8 = 1U << 25, kBf16 = 1U << 22;  // leaf 7, EDX
  constexpr unsigned kAll = kTile | kInt8 | kBf16;
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // asm/prctl.h of Linux 5.16
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (edx & kAll) != kAll) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif
}  // namespace

const CpuFeatures& cpu_features() noexcept {
  static const CpuFeatures features = [] {
    CpuFeatures f;
#if defined(__x86_64__)
    __builtin_cpu_init();
    f.amd = __builtin_cpu_is("amd");
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
    f.avx2 = f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    f.avx512 = f.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vnni");
    f.vbmi = f.avx512 && __builtin_cpu_supports("avx512vbmi");
    f.bf16 = f.avx512 && __builtin_cpu_supports("avx512bf16");
    f.amx = f.vbmi && f.bf16 && may_use_tiles();
    // Leaf 7, subleaf 1, EAX bit 4: AVX-VNNI.
    f.avxvnni =
        f.avx2 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
#elif defined(__aarch64__)
    f.neon = true;
#if defined(__linux__)
    f.dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
    f.i8mm = f.dotprod && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
#elif defined(__ARM_FEATURE_DOTPROD)  // elsewhere what the compiler was told to expect
    f.dotprod = true;
#if defined(__ARM_FEATURE_MATMUL_INT8)
    f.i8mm = true;
#endif
#endif
#endif
    return f;
  }();
  return features;
}

bool has_isa(Isa isa) noexcept { return linear_kernels(isa, Type::f32) != nullptr; }

bool multiplies_bf16(Isa isa) noexcept {
  return isa == Isa::amx || (isa == Isa::avx512 && cpu_features().bf16);
}

Isa best_isa() noexcept {
  for (Isa isa : {Isa::amx, Isa::avx512, Isa::avxvnni, Isa::avx2, Isa::neon})
    if (has_isa(isa)) return isa;
  return Isa::scalar;
}

std::string_view name(Isa isa) noexcept {
  for (const auto& i : kIsas)
    if (i.isa == isa) return i.name;
  return "?";
}

Isa parse_isa(std::string_view text) {
  std::string known;
  for (const auto& i : kIsas) {
    if (i.name == text) {
      if (!has_isa(i.isa))
        throw Error("instruction set \"" + std::string(text) +
                    "\": this CPU or this build lacks it, the best here is \"" +
                    std::string(name(best_isa())) + "\"");
      return i.isa;
    }
    known += (known.empty() ? "" : ", ") + std::string(i.name);
  }
  throw Error("instruction set: expected one of " + known + ", found \"" + std::string(text) +
              "\"");
}

}  // namespace sterna::quant
