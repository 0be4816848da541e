#pragma once

#include <sterna/nn/mat.h>
#include <sterna/quant/isa.h>

#include <cstring>
#include <random>
#include <vector>

namespace sterna::test {

/// Every instruction set that this machine can run, scalar first.
inline std::vector<quant::Isa> isas() {
  std::vector<quant::Isa> list;
  for (const auto isa : quant::kEveryIsa)
    if (quant::has_isa(isa)) list.push_back(isa);
  return list;
}

/// A matrix with memory of its own, rows `pad` elements further apart than they need be.
struct Owned {
  std::vector<float> data;
  size_t rows, cols, stride;

  Owned(size_t r, size_t c, size_t pad = 0)
      : data(r * (c + pad), -77.0f), rows(r), cols(c), stride(c + pad) {}
  nn::Mat<float> view() { return {data.data(), rows, cols, stride}; }
  float& at(size_t i, size_t j) { return data[i * stride + j]; }
};

inline Owned random(size_t r, size_t c, unsigned seed, float sigma = 1.0f, size_t pad = 0) {
  Owned m(r, c, pad);
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, sigma);
  for (size_t i = 0; i < r; ++i)
    for (size_t j = 0; j < c; ++j) m.at(i, j) = normal(rng);
  return m;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace sterna::test
