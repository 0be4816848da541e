#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/ggml_blocks.h>
#include <sterna/quant/half.h>

#include <algorithm>

#include "ggml_rows.h"
#include "quantize_rules.h"
#include "quantize_ternary.h"
#include "tensor_job.h"
#include "text.h"

namespace sterna::models {
namespace {

std::vector<float> floats(const TensorJob& job) {
  if (!job.floats) return read_all(*job.source);
  return SafeTensor{job.name, *job.floats, job.shape, job.data}.floats();
}

std::vector<uint16_t> halves(const std::vector<float>& w) {
  std::vector<uint16_t> half(w.size());
  for (size_t i = 0; i < w.size(); ++i) {
    half[i] = quant::f32_to_f16(w[i]);
    if ((half[i] & 0x7c00) == 0x7c00)
      throw Error("expected numbers that fit f16, found " + std::to_string(w[i]));
  }
  return half;
}

// Ternary weights into another ternary type, without a float in between.
void write_ternary(const TensorJob& job, GgufWriter& out) {
  const std::string& type = job.rule.type;
  const auto blocks = ternary_block(type);
  const Ternary t =
      regrouped(ternary(*job.source), blocks ? quant::kTernaryBlockWeights : job.rule.group);
  if (blocks) {
    std::vector<std::byte> packed(static_cast<size_t>(job.report.bytes_after));
    quant::pack_block_integers(*blocks, t.q, t.scale, packed);
    out.write(packed);
    return;
  }
  const quant::Packed packed =
      quant::pack_integers(quant::parse_type(type), t.q, t.scale, t.rows, t.cols, t.group);
  out.write(packed.data);
  out.write(std::as_bytes(std::span(packed.scale)));
}

}  // namespace

std::vector<float> as_stored(const TensorJob& job) {
  std::vector<float> w = floats(job);
  if (job.keep || job.rule.type == "f32") return w;
  const size_t m = static_cast<size_t>(job.rows), k = static_cast<size_t>(job.cols);
  const std::string& type = job.rule.type;
  try {
    if (const auto blocks = ternary_block(type)) {
      std::vector<std::byte> packed(quant::block_bytes(*blocks) * w.size() /
                                    quant::kTernaryBlockWeights);
      quant::pack_blocks(*blocks, w, packed);
      quant::dequantise_blocks(*blocks, packed, w);
    } else if (type == "q4_0") {
      constexpr auto kKind = quant::GgmlBlock::q4_0;
      std::vector<std::byte> blocks(quant::block_bytes(kKind) * w.size() /
                                    quant::kGgmlBlockWeights);
      quant::quantise_q4_0(w, blocks);
      quant::dequantise_blocks(kKind, blocks, w);
    } else if (type == "f16") {
      std::ranges::transform(halves(w), w.begin(), quant::f16_to_f32);
    } else if (type == "i8row") {
      const quant::RowTable table = quant::pack_rows(w, m, k);
      for (size_t r = 0; r < m; ++r)
        quant::lookup_row(std::span(table.data).subspan(r * k, k), table.scale[r],
                          std::span(w).subspan(r * k, k));
    } else {
      const quant::Type layout = quant::parse_type(type);
      const quant::Packed packed = quant::pack(layout, w, m, k, job.rule.group);
      quant::dequantise({layout, m, k, packed.data, packed.scale, job.rule.group}, w);
    }
  } catch (const Error& e) {
    throw Error(job.file + ": tensor " + in_quotes(job.name) + ": " + e.what());
  }
  return w;
}

void declare(TensorJob& job, GgufWriter& out) {
  const std::string& name = job.stored_name;
  const std::string& type = job.rule.type;
  uint64_t& bytes = job.report.bytes_after;
  if (job.keep || !format_of(type).layout) {
    // Only plain tensors have shapes that GGUF lacks; a layout has rows and columns.
    const bool i8row = !job.keep && type == "i8row";
    const GgmlType plain = job.keep          ? job.plain
                           : i8row           ? GgmlType::i8
                           : type == "f32"   ? GgmlType::f32
                           : type == "f16"   ? GgmlType::f16
                           : type == "q4_0"  ? GgmlType::q4_0
                           : type == "tq1_0" ? GgmlType::tq1_0
                                             : GgmlType::tq2_0;
    out.declare(name, plain, job.plain_shape);
    const auto info = ggml_type_info(plain);
    bytes = job.keep ? job.report.bytes_before : job.elements() / info->block * info->bytes;
    if (job.keep && job.scale != nullptr)
      out.declare(job.scale->name, job.scale->type, job.scale->shape);
    if (!i8row) return;
    out.declare(name + ".scale", GgmlType::f16, std::vector{job.rows});
    bytes += 2 * job.rows;
    return;
  }
  const quant::Type layout = quant::parse_type(type);
  const std::vector<uint64_t> size{quant::weight_bytes(layout, job.rows, job.cols)};
  out.declare(name, GgmlType::i8, size);
  out.set(tensor_key(name, "type"), std::string_view(type));
  out.set(tensor_key(name, "rows"), job.rows);
  out.set(tensor_key(name, "cols"), job.cols);
  out.set(tensor_key(name, "group"), uint64_t{job.rule.group});
  bytes = size[0];
  if (!quant::is_integer(layout)) return;
  const std::vector<uint64_t> scales{job.rows * quant::group_count(job.cols, job.rule.group)};
  out.declare(name + ".scale", GgmlType::f16, scales);
  bytes += 2 * scales[0];
}

void write(const TensorJob& job, const Calibrated& calibrated, GgufWriter& out) {
  const auto write_all = [&](const auto& values) { out.write(std::as_bytes(std::span(values))); };
  if (const auto found = calibrated.weights.find(job.name); found != calibrated.weights.end()) {
    write_all(found->second.data);
    write_all(found->second.scale);
    return;
  }
  if (const auto found = calibrated.bias.find(job.name); found != calibrated.bias.end()) {
    write_all(found->second);
    return;
  }
  if (job.keep) {
    out.write(job.data);
    if (job.scale != nullptr) out.write(job.scale->data);
    return;
  }
  const std::string& type = job.rule.type;
  try {
    if (job.ternary) {
      write_ternary(job, out);
      return;
    }
    const std::vector<float> w = floats(job);
    if (const auto blocks = ternary_block(type)) {
      std::vector<std::byte> packed(static_cast<size_t>(job.report.bytes_after));
      quant::pack_blocks(*blocks, w, packed);
      out.write(packed);
    } else if (type == "q4_0") {
      std::vector<std::byte> blocks(static_cast<size_t>(job.report.bytes_after));
      quant::quantise_q4_0(w, blocks);
      out.write(blocks);
    } else if (type == "f32") {
      write_all(w);
    } else if (type == "f16") {
      write_all(halves(w));
    } else if (type == "i8row") {
      const quant::RowTable table = quant::pack_rows(w, job.rows, job.cols);
      write_all(table.data);
      write_all(table.scale);
    } else {
      const quant::Packed packed =
          quant::pack(quant::parse_type(type), w, job.rows, job.cols, job.rule.group);
      write_all(packed.data);
      write_all(packed.scale);
    }
  } catch (const Error& e) {
    throw Error(job.file + ": tensor " + in_quotes(job.name) + ": " + e.what());
  }
}

}  // namespace sterna::models
