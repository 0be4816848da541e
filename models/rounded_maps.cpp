#include "rounded_maps.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "gptq.h"
#include "quantize_rules.h"
#include "text.h"

namespace sterna::models {

const QuantizeRule* rounding_rule(std::span<const QuantizeRule> rules, std::string_view name,
                                  const Role* role) {
  const QuantizeRule* found = find_rule(rules, name, role);
  if (found == nullptr || !format_of(found->type).layout) return nullptr;
  return quant::is_integer(quant::parse_type(found->type)) ? found : nullptr;
}

double output_power(std::span<const float> w, size_t m, size_t k, std::span<const double> h) {
  double sum = 0;
  std::vector<double> hw(k);
  for (size_t r = 0; r < m; ++r) {
    std::fill(hw.begin(), hw.end(), 0.0);
    for (size_t a = 0; a < k; ++a) {
      const auto factor = static_cast<double>(w[r * k + a]);
      for (size_t b = 0; b < k; ++b) hw[b] += factor * h[a * k + b];
    }
    for (size_t b = 0; b < k; ++b) sum += hw[b] * static_cast<double>(w[r * k + b]);
  }
  return sum;
}

double error_share(double error, double power) noexcept {
  return power > 0 ? std::sqrt(error / power) : 0;
}

quant::WeightView PackedStore::keep(quant::Type type, size_t m, size_t k,
                                    const quant::Packed& packed, size_t group) {
  std::byte* data = data_.bytes(packed.data.size());
  std::memcpy(data, packed.data.data(), packed.data.size());
  const std::vector<uint16_t>& scale = scales_.emplace_back(packed.scale);
  return {type, m, k, {data, packed.data.size()}, scale, group};
}

void RoundedMaps::see(const std::string& name, nn::Mat<const float> x,
                      InputMoments& moments) const {
  try {
    moments.add(x);
  } catch (const Error& e) {
    throw Error(file_ + ": tensor " + in_quotes(name) + ": " + e.what());
  }
}

void RoundedMaps::round(const std::string& name, std::span<const float> w, size_t m, size_t k,
                        const QuantizeRule& rule, const InputMoments& moments) {
  const quant::Type type = quant::parse_type(rule.type);
  const std::vector<double> h = moments.second_moments();
  try {
    const Rounded rounded = gptq(w, m, k, h, rule.group, type);
    const quant::Packed& packed = out_.weights[name] =
        quant::pack_integers(type, rounded.q, rounded.scale, m, k, rule.group);
    replaced_[name] = store_.keep(type, m, k, packed, rule.group);
    const double power = output_power(w, m, k, h);
    out_.maps.push_back({name, error_share(rounded.nearest, power),
                         error_share(rounded.error, power), error_share(rounded.refitted, power)});
  } catch (const Error& e) {
    throw Error(file_ + ": tensor " + in_quotes(name) + ": " + e.what());
  }
}

}  // namespace sterna::models
