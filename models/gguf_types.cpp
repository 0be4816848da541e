#include <array>

#include "sterna/models/gguf.h"

namespace sterna::models {
namespace {

constexpr GgmlTypeInfo known(uint32_t number, std::string_view name, uint32_t block,
                             uint32_t bytes) {
  return {static_cast<GgmlType>(number), name, block, bytes};
}

// ggml's types as they occur in files (ggml.c, type_traits; gguf-py, GGML_QUANT_SIZES).
constexpr std::array types = {
    known(0, "f32", 1, 4),         known(1, "f16", 1, 2),         known(2, "q4_0", 32, 18),
    known(3, "q4_1", 32, 20),      known(6, "q5_0", 32, 22),      known(7, "q5_1", 32, 24),
    known(8, "q8_0", 32, 34),      known(10, "q2_k", 256, 84),    known(11, "q3_k", 256, 110),
    known(12, "q4_k", 256, 144),   known(13, "q5_k", 256, 176),   known(14, "q6_k", 256, 210),
    known(16, "iq2_xxs", 256, 66), known(17, "iq2_xs", 256, 74),  known(18, "iq3_xxs", 256, 98),
    known(19, "iq1_s", 256, 50),   known(20, "iq4_nl", 32, 18),   known(21, "iq3_s", 256, 110),
    known(22, "iq2_s", 256, 82),   known(23, "iq4_xs", 256, 136), known(24, "i8", 1, 1),
    known(25, "i16", 1, 2),        known(26, "i32", 1, 4),        known(27, "i64", 1, 8),
    known(28, "f64", 1, 8),        known(29, "iq1_m", 256, 56),   known(30, "bf16", 1, 2),
    known(34, "tq1_0", 256, 54),   known(35, "tq2_0", 256, 66),   known(39, "mxfp4", 32, 17),
};

}  // namespace

std::optional<GgmlTypeInfo> ggml_type_info(GgmlType type) {
  for (const GgmlTypeInfo& info : types) {
    if (info.type == type) return info;
  }
  return std::nullopt;
}

std::string ggml_type_name(GgmlType type) {
  if (const auto info = ggml_type_info(type)) return std::string(info->name);
  return "type " + std::to_string(static_cast<uint32_t>(type));
}

uint64_t GgufTensor::elements() const {
  uint64_t n = 1;
  for (const uint64_t d : shape) n *= d;
  return n;
}

}  // namespace sterna::models
