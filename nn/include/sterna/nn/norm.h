#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/quant/isa.h>

#include <span>

// Row-wise normalisations, f32. Rows are shared out over threads, a row's sums never split; every
// instruction set and any number of threads give the same bits. y may be x. Sizes must agree
// (asserted); `isa` must be one that the CPU has.
namespace sterna::nn {

/// y[t, d] = (x - mean) / sqrt(variance + eps) * gain + bias, mean and (population) variance over a
/// row, computed in two passes (Ba et al., arXiv 1607.06450; torch.nn.LayerNorm). `bias` [d] may be
/// empty.
void layer_norm(Mat<const float> x, std::span<const float> gain, std::span<const float> bias,
                float eps, Mat<float> y, const Executor& executor,
                quant::Isa isa = quant::best_isa()) noexcept;

/// y[t, d] = x / sqrt(mean(x^2) + eps) * gain (Zhang & Sennrich, arXiv 1910.07467;
/// torch.nn.RMSNorm).
void rms_norm(Mat<const float> x, std::span<const float> gain, float eps, Mat<float> y,
              const Executor& executor, quant::Isa isa = quant::best_isa()) noexcept;

/// y[i] = exp(x[i] - max x) / sum, over each row. A row must hold a finite number.
void softmax(Mat<const float> x, Mat<float> y, const Executor& executor,
             quant::Isa isa = quant::best_isa()) noexcept;

}  // namespace sterna::nn
