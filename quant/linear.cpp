#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/linear.h>

#include <string>

#include "kernels.h"

namespace sterna::quant {

const LinearKernels* linear_kernels(Isa isa, Type type) noexcept {
  switch (isa) {
    case Isa::scalar:
      return scalar_kernels(type);
#if defined(__x86_64__)
    case Isa::avx2:
      return cpu_features().avx2 ? avx2_kernels(type) : nullptr;
    case Isa::avxvnni:
      return cpu_features().avxvnni ? avxvnni_kernels(type) : nullptr;
    case Isa::avx512:
      return cpu_features().avx512 ? avx512_kernels(type, cpu_features()) : nullptr;
    case Isa::amx:
      return cpu_features().amx ? amx_kernels(type) : nullptr;
#elif defined(__aarch64__)
    case Isa::neon:
      return neon_kernels(type, cpu_features());
#endif
    default:
      return nullptr;
  }
}

Linear::Linear(const WeightView& weight, std::span<const float> bias, Isa isa)
    : w_(weight), bias_(bias), kernels_(linear_kernels(isa, weight.type)) {
  check(w_);
  if (!bias.empty() && bias.size() != w_.m)
    throw Error("bias: expected " + std::to_string(w_.m) + " numbers, found " +
                std::to_string(bias.size()));
  if (kernels_ == nullptr)
    throw Error("instruction set \"" + std::string(name(isa)) +
                "\": this CPU or this build lacks it");
}

size_t Linear::scratch_bytes(size_t n) const noexcept { return kernels_->scratch_bytes(w_, n); }

size_t Linear::token_tile(size_t n) const noexcept { return kernels_->token_tile(n); }

void Linear::prepare(const float* x, size_t ldx, size_t n, std::byte* scratch) const noexcept {
  kernels_->prepare(w_, x, ldx, n, 0, n, scratch);
}

void Linear::prepare(const float* x, size_t ldx, size_t n, std::byte* scratch, size_t n0,
                     size_t n1) const noexcept {
  kernels_->prepare(w_, x, ldx, n, n0, n1, scratch);
}

void Linear::run(const std::byte* scratch, size_t n, size_t m0, size_t m1, float* y,
                 size_t ldy) const noexcept {
  kernels_->run(w_, bias_.empty() ? nullptr : bias_.data(), scratch, n, m0, m1, y, ldy);
}

bool Linear::prepares_inputs() const noexcept { return kernels_->prepare_inputs != nullptr; }

void Linear::prepare_inputs(const float* x, size_t ldx, size_t n, std::byte* scratch, size_t k0,
                            size_t k1) const noexcept {
  kernels_->prepare_inputs(w_, x, ldx, n, 0, n, k0, k1, scratch);
}

void Linear::run_part(const std::byte* scratch, size_t n, size_t m0, size_t m1, float* y,
                      size_t ldy) const noexcept {
  run(scratch, n, m0, m1, y - m0, ldy);  // kernels add m0 again
}

size_t Linear::row_tile() const noexcept { return kPanelRows; }

}  // namespace sterna::quant
