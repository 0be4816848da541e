#include "bench/limits.h"

#include <sterna/quant/isa.h>
#include <sterna/quant/target.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace sterna::cli {

namespace {

// Runs body(thread index) once on each thread of the executor; seconds.
template <class F>
double on_every_thread(const nn::Executor& executor, F&& body) {
  const double start = bench_seconds(executor.threads());
  executor.for_ranges(static_cast<size_t>(executor.threads()), 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) body(i);
  });
  return bench_seconds(executor.threads()) - start;
}

constexpr size_t kLoops = 200'000;

#if defined(__x86_64__)
STERNA_TARGET("avx2,fma")

void read_avx2(const std::byte* p, size_t bytes) {
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (const std::byte* end = p + bytes / 128 * 128; p != end; p += 128) {
    _mm_prefetch(reinterpret_cast<const char*>(p) + 4096, _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(p) + 4160, _MM_HINT_T0);
    const auto* v = reinterpret_cast<const __m256i*>(p);
    a = _mm256_or_si256(a, _mm256_loadu_si256(v));
    b = _mm256_or_si256(b, _mm256_loadu_si256(v + 1));
    c = _mm256_or_si256(c, _mm256_loadu_si256(v + 2));
    d = _mm256_or_si256(d, _mm256_loadu_si256(v + 3));
  }
  a = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
  asm volatile("" : : "x"(a));
}

struct Maddubs {
  using V = __m256i;
  static constexpr int kChains = 10;
  static V zero() { return _mm256_setzero_si256(); }
  static V one() { return _mm256_set1_epi8(1); }
  static void step(V& acc, V x) {
    V t;
    asm volatile("vpmaddubsw %2, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(acc), "=&x"(t) : "x"(x));
  }
};
struct Vnni256 {
  using V = __m256i;
  static constexpr int kChains = 12;
  static V zero() { return _mm256_setzero_si256(); }
  static V one() { return _mm256_set1_epi8(1); }
  static void step(V& acc, V x) {
    asm volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(acc) : "x"(x));
  }
};
struct Fma256 {
  using V = __m256;
  static constexpr int kChains = 12;
  static V zero() { return _mm256_setzero_ps(); }
  static V one() { return _mm256_set1_ps(0.5f); }
  static void step(V& acc, V x) { asm volatile("vfmadd231ps %1, %1, %0" : "+x"(acc) : "x"(x)); }
};

// Independent chains of one instruction, all in registers: every loop over them is unrolled.
template <class Op>
void chains_256() {
  typename Op::V acc[Op::kChains];
  const typename Op::V x = Op::one();
#pragma GCC unroll 16
  for (int j = 0; j < Op::kChains; ++j) acc[j] = Op::zero();
  for (size_t i = 0; i < kLoops; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < Op::kChains; ++j) Op::step(acc[j], x);
  }
#pragma GCC unroll 16
  for (int j = 0; j < Op::kChains; ++j) asm volatile("" : : "x"(acc[j]));
}

STERNA_TARGET_END
STERNA_TARGET("avx512f,avx512bw")

void read_avx512(const std::byte* p, size_t bytes) {
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  for (const std::byte* end = p + bytes / 256 * 256; p != end; p += 256) {
    for (int i = 0; i < 4; ++i)
      _mm_prefetch(reinterpret_cast<const char*>(p) + 6144 + 64 * i, _MM_HINT_T0);
    a = _mm512_or_si512(a, _mm512_loadu_si512(p));
    b = _mm512_or_si512(b, _mm512_loadu_si512(p + 64));
    c = _mm512_or_si512(c, _mm512_loadu_si512(p + 128));
    d = _mm512_or_si512(d, _mm512_loadu_si512(p + 192));
  }
  a = _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d));
  asm volatile("" : : "v"(a));
}

struct Vnni {
  using V = __m512i;
  static constexpr int kChains = 16;
  static V zero() { return _mm512_setzero_si512(); }
  static V one() { return _mm512_set1_epi8(1); }
  static void step(V& acc, V x) { asm volatile("vpdpbusd %1, %1, %0" : "+v"(acc) : "v"(x)); }
};
struct FloatChains {
  using V = __m512;
  static constexpr int kChains = 16;
  static V zero() { return _mm512_setzero_ps(); }
  static V one() { return _mm512_set1_ps(0.5f); }
};
struct Bf16 : FloatChains {
  static void step(V& acc, V x) { asm volatile("vdpbf16ps %1, %1, %0" : "+v"(acc) : "v"(x)); }
};
struct Fma512 : FloatChains {
  static void step(V& acc, V x) { asm volatile("vfmadd231ps %1, %1, %0" : "+v"(acc) : "v"(x)); }
};

// Independent chains of one instruction, all in registers: every loop over them is unrolled.
template <class Op>
void chains_512() {
  typename Op::V acc[Op::kChains];
  const typename Op::V x = Op::one();
#pragma GCC unroll 16
  for (int j = 0; j < Op::kChains; ++j) acc[j] = Op::zero();
  for (size_t i = 0; i < kLoops; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < Op::kChains; ++j) Op::step(acc[j], x);
  }
#pragma GCC unroll 16
  for (int j = 0; j < Op::kChains; ++j) asm volatile("" : : "v"(acc[j]));
}

STERNA_TARGET_END
STERNA_TARGET("amx-tile,amx-int8,amx-bf16")

struct alignas(64) TileConfig {  // eight tiles of 16 rows of 64 bytes
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Four sums by one pair of tiles: what is in the tiles does not matter.
template <bool bf16>
void chains_amx() {
  const TileConfig config;
  asm volatile("ldtilecfg %0" : : "m"(config));
  for (size_t i = 0; i < kLoops; ++i) {
    if constexpr (bf16) {
      asm volatile(
          "tdpbf16ps %tmm5, %tmm4, %tmm0\n\ttdpbf16ps %tmm5, %tmm4, %tmm1\n\t"
          "tdpbf16ps %tmm5, %tmm4, %tmm2\n\ttdpbf16ps %tmm5, %tmm4, %tmm3");
    } else {
      asm volatile(
          "tdpbsud %tmm5, %tmm4, %tmm0\n\ttdpbsud %tmm5, %tmm4, %tmm1\n\t"
          "tdpbsud %tmm5, %tmm4, %tmm2\n\ttdpbsud %tmm5, %tmm4, %tmm3");
    }
  }
  asm volatile("tilerelease");
}

STERNA_TARGET_END
#endif  // __x86_64__

void read_plain(const std::byte* p, size_t bytes) {
  uint64_t sum[4] = {};
  for (size_t i = 0; i + 32 <= bytes; i += 32) {
    uint64_t v[4];
    std::memcpy(v, p + i, 32);
    for (int j = 0; j < 4; ++j) sum[j] |= v[j];
  }
  asm volatile("" : : "r"(sum[0] | sum[1] | sum[2] | sum[3]));
}

void read(const std::byte* p, size_t bytes) {
#if defined(__x86_64__)
  if (quant::has_isa(quant::Isa::avx512)) return read_avx512(p, bytes);
  if (quant::has_isa(quant::Isa::avx2)) return read_avx2(p, bytes);
#endif
  read_plain(p, bytes);
}

// `streams` runs of the same length read side by side, a kilobyte of each in turn.
void read_streams(const std::byte* p, size_t bytes, size_t streams) {
  constexpr size_t kPiece = 1024;
  const size_t run = bytes / streams / kPiece * kPiece;
  for (size_t at = 0; at < run; at += kPiece)
    for (size_t i = 0; i < streams; ++i) read(p + i * run + at, kPiece);
}

// The best of several patterns: some memory controllers like one stream, some like many.
double dram_read(const nn::Executor& e, std::span<const std::byte> memory) {
  constexpr size_t kPatterns[] = {1, 2, 4, 16};
  const auto threads = static_cast<size_t>(e.threads());
  const size_t share = memory.size() / std::size(kPatterns) / threads / 65536 * 65536;
  const std::byte* p = memory.data();
  double best = 0;
  for (const size_t streams : kPatterns) {
    const double s = on_every_thread(e, [&](size_t i) {
      if (streams == 1) return read(p + i * share, share);
      read_streams(p + i * share, share, streams);
    });
    best = std::max(best, static_cast<double>(share * threads) / s * 1e-9);
    p += share * threads;
  }
  return best;
}

double l2_read(const nn::Executor& e, std::span<const std::byte> memory) {
  constexpr size_t kBytes = size_t{512} << 10, kTimes = 400;
  const double s = on_every_thread(e, [&](size_t i) {
    for (size_t j = 0; j < kTimes; ++j) read(memory.data() + i * kBytes, kBytes);
  });
  return static_cast<double>(kBytes * kTimes) * e.threads() / s * 1e-9;
}

// Rate of `loop`, which does `operations` in each of its kLoops turns.
double rate(const nn::Executor& e, void (*loop)(), double operations) {
  const double s = on_every_thread(e, [&](size_t) { loop(); });
  return operations * static_cast<double>(kLoops) * e.threads() / s * 1e-9;
}

#if defined(__x86_64__)
double vnni(const nn::Executor& e, std::span<const std::byte>) {
  return rate(e, chains_512<Vnni>, 16 * 64 * 2);
}
double bf16(const nn::Executor& e, std::span<const std::byte>) {
  return rate(e, chains_512<Bf16>, 16 * 32 * 2);
}
double amx(const nn::Executor& e, std::span<const std::byte>) {
  return rate(e, chains_amx<false>, 4 * 16 * 16 * 64 * 2);
}
double amx_bf16(const nn::Executor& e, std::span<const std::byte>) {
  return rate(e, chains_amx<true>, 4 * 16 * 16 * 32 * 2);
}
double f32_512(const nn::Executor& e, std::span<const std::byte>) {
  return rate(e, chains_512<Fma512>, 16 * 16 * 2);
}
double f32_256(const nn::Executor& e, std::span<const std::byte>) {
  return rate(e, chains_256<Fma256>, 12 * 8 * 2);
}
double vnni256(const nn::Executor& e, std::span<const std::byte>) {
  return rate(e, chains_256<Vnni256>, 12 * 32 * 2);
}
double maddubs(const nn::Executor& e, std::span<const std::byte>) {
  return rate(e, chains_256<Maddubs>, 10 * 32 * 2);
}
#endif

}  // namespace

double bench_seconds(int threads) {
  if (threads == 1) {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::vector<Limit> machine_limits() {
  std::vector<Limit> limits = {{"dram_read", dram_read}, {"l2_read", l2_read}};
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx512 = quant::has_isa(quant::Isa::avx512);
  if (avx512) limits.push_back({"vnni", vnni});
  if (avx512 && __builtin_cpu_supports("avx512bf16")) limits.push_back({"bf16", bf16});
  if (quant::has_isa(quant::Isa::amx)) {
    limits.push_back({"amx", amx});
    limits.push_back({"amx_bf16", amx_bf16});
  }
  if (quant::has_isa(quant::Isa::avxvnni)) limits.push_back({"vnni256", vnni256});
  if (quant::has_isa(quant::Isa::avx2)) {
    limits.push_back({"f32", avx512 ? f32_512 : f32_256});
    limits.push_back({"maddubs", maddubs});
  }
#endif
  return limits;
}

const char* compute_limit(quant::Type type, quant::Isa isa) {
  if (!quant::is_integer(type)) {
    if (type != quant::Type::bf16 || vector_isa(isa) != quant::Isa::avx512) return "f32";
    return isa == quant::Isa::amx ? "amx_bf16" : "bf16";
  }
  return isa == quant::Isa::amx       ? "amx"
         : isa == quant::Isa::avx512  ? "vnni"
         : isa == quant::Isa::avxvnni ? "vnni256"
                               : "maddubs";
}

}  // namespace sterna::cli
