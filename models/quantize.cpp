#include "sterna/models/quantize.h"

#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <cstring>
#include <set>

#include "calibrate.h"
#include "quantize_rules.h"
#include "quantize_ternary.h"
#include "sterna/models/gguf.h"
#include "sterna/models/gguf_writer.h"
#include "stored.h"
#include "text.h"

namespace sterna::models {
namespace {

// One tensor's way from the old file to the new one.
struct Job {
  StoredTensor source;
  QuantizeRule rule;
  QuantizedTensor report;
  bool keep = false;
  bool ternary = false;         // integers and scales go over as they are
  uint64_t rows = 1, cols = 1;  // of the matrix that the shape is seen as
};

bool is_float(GgmlType type) {
  return type == GgmlType::f32 || type == GgmlType::f16 || type == GgmlType::bf16;
}

bool is_layout(const std::string& type) {
  return type == "bf16" || type == "i8" || type == "t2" || type == "t5" || type == "t34" ||
         type == "t14";
}

// Whether a type can hold any pattern of -1, 0, +1.
bool takes_ternary(const std::string& type) {
  return type == "t2" || type == "t5" || ternary_block(type).has_value();
}

std::vector<float> floats(const GgufTensor& tensor) {
  std::vector<float> out(static_cast<size_t>(tensor.elements()));
  if (tensor.type == GgmlType::f32) {
    std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
    return out;
  }
  if (ternary_block(tensor.type)) {
    read_blocks(tensor, out);
    return out;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t h;
    std::memcpy(&h, tensor.data.data() + 2 * i, sizeof h);
    out[i] = tensor.type == GgmlType::f16 ? quant::f16_to_f32(h) : quant::bf16_to_f32(h);
  }
  return out;
}

Job plan(const Gguf& file, const GgufTensor& tensor, std::span<const QuantizeRule> rules) {
  Job job;
  job.source = stored(file, tensor);
  const QuantizeRule* const rule = find_rule(rules, tensor.name);
  job.rule = rule != nullptr ? *rule : QuantizeRule{"*", "keep"};
  const StoredTensor& s = job.source;
  const std::string& type = job.rule.type;
  const auto fail = [&](const std::string& fault) {
    throw Error(file.file() + ": tensor " + in_quotes(tensor.name) + ": rule \"" +
                job.rule.pattern + "=" + type + "\": " + fault + ", found " + s.text());
  };
  job.keep = type == "keep" ||
             (type == s.type() && job.rule.group == s.group && !is_float(tensor.type)) ||
             ((type == "f32" || type == "f16") && type == s.type());
  if (job.keep && !ggml_type_info(tensor.type)) fail("expected a type of known size");
  job.report = {tensor.name, s.type(), job.keep ? s.type() : type, s.shape, s.elements(),
                s.bytes(),   0};
  if (job.keep) return job;

  job.ternary = is_ternary(s) && takes_ternary(type);
  if (!is_float(tensor.type) && !ternary_block(tensor.type) && !job.ternary)
    fail("expected f32, f16, bf16, tq1_0 or tq2_0");
  const bool layout = is_layout(type), blocks = ternary_block(type).has_value();
  if (type == "i8row" && s.shape.size() != 2) fail("expected two dimensions");
  if (layout && s.shape.size() < 2) fail("expected two or more dimensions");
  if (blocks && (s.shape.empty() || s.shape.back() % quant::kTernaryBlockWeights != 0))
    fail("expected rows of a multiple of 256 weights");
  if (!s.shape.empty()) job.rows = s.shape[0];
  job.cols = s.elements() / job.rows;
  if (layout && type != "bf16" && job.cols > quant::kMaxInputs) {
    fail("expected at most " + std::to_string(quant::kMaxInputs) + " inputs");
  }
  return job;
}

// Declares the tensors and metadata that a job will write.
void declare(Job& job, const Gguf& file, GgufWriter& out) {
  const StoredTensor& s = job.source;
  const GgufTensor& t = *s.data;
  const std::string& type = job.rule.type;
  std::vector<uint64_t> scales;
  if (job.keep) {
    out.declare(t.name, t.type, t.shape);
    if (s.scale != nullptr) out.declare(s.scale->name, s.scale->type, s.scale->shape);
    job.report.bytes_after = s.bytes();
    return;
  }
  if (type == "f32" || type == "f16") {
    out.declare(t.name, type == "f32" ? GgmlType::f32 : GgmlType::f16, t.shape);
    job.report.bytes_after = s.elements() * (type == "f32" ? 4 : 2);
    return;
  }
  if (const auto blocks = ternary_block(type)) {
    out.declare(t.name, *blocks == quant::TernaryBlock::tq1_0 ? GgmlType::tq1_0 : GgmlType::tq2_0,
                s.shape);
    job.report.bytes_after =
        s.elements() / quant::kTernaryBlockWeights * quant::block_bytes(*blocks);
    return;
  }
  if (type == "i8row") {
    out.declare(t.name, GgmlType::i8, t.shape);
    scales = {job.rows};
    job.report.bytes_after = s.elements();
  } else {
    const quant::Type layout = quant::parse_type(type);
    const std::vector<uint64_t> bytes{quant::weight_bytes(layout, job.rows, job.cols)};
    out.declare(t.name, GgmlType::i8, bytes);
    out.set(tensor_key(t.name, "type"), std::string_view(type));
    out.set(tensor_key(t.name, "rows"), job.rows);
    out.set(tensor_key(t.name, "cols"), job.cols);
    out.set(tensor_key(t.name, "group"), uint64_t{job.rule.group});
    if (quant::is_integer(layout))
      scales = {job.rows * quant::group_count(job.cols, job.rule.group)};
    job.report.bytes_after = bytes[0];
  }
  if (scales.empty()) return;
  const std::string name = t.name + ".scale";
  if (const GgufTensor* other = file.find(name); other != nullptr && other != s.scale) {
    throw Error(file.file() + ": tensor " + in_quotes(name) +
                ": the name is wanted for the scales of " + in_quotes(t.name));
  }
  out.declare(name, GgmlType::f16, scales);
  job.report.bytes_after += 2 * scales[0];
}

// Ternary weights into another ternary type, without a float in between.
void write_ternary(const Job& job, GgufWriter& out) {
  const std::string& type = job.rule.type;
  const auto blocks = ternary_block(type);
  const Ternary t =
      regrouped(ternary(job.source), blocks ? quant::kTernaryBlockWeights : job.rule.group);
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

void write(const Job& job, const Gguf& file, const Calibrated& calibrated, GgufWriter& out) {
  const StoredTensor& s = job.source;
  const auto write_all = [&](const auto& values) { out.write(std::as_bytes(std::span(values))); };
  if (const auto found = calibrated.weights.find(s.data->name); found != calibrated.weights.end()) {
    write_all(found->second.data);
    write_all(found->second.scale);
    return;
  }
  if (const auto found = calibrated.bias.find(s.data->name); found != calibrated.bias.end()) {
    write_all(found->second);
    return;
  }
  if (job.keep) {
    out.write(s.data->data);
    if (s.scale != nullptr) out.write(s.scale->data);
    return;
  }
  const std::string& type = job.rule.type;
  const auto blocks = ternary_block(type);
  try {
    if (job.ternary) {
      write_ternary(job, out);
      return;
    }
    const std::vector<float> w = floats(*s.data);
    if (blocks) {
      std::vector<std::byte> packed(static_cast<size_t>(job.report.bytes_after));
      quant::pack_blocks(*blocks, w, packed);
      out.write(packed);
    } else if (type == "f32") {
      write_all(w);
    } else if (type == "f16") {
      std::vector<uint16_t> half(w.size());
      for (size_t i = 0; i < w.size(); ++i) {
        half[i] = quant::f32_to_f16(w[i]);
        if ((half[i] & 0x7c00) == 0x7c00) {
          throw Error("expected numbers that fit f16, found " + std::to_string(w[i]));
        }
      }
      write_all(half);
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
    throw Error(file.file() + ": tensor " + in_quotes(s.data->name) + ": " + e.what());
  }
}

// Biases that calibration changes are written as the f32 they are bound as.
void expect_kept(std::span<const Job> jobs, const Gguf& file, std::string_view name) {
  for (const Job& job : jobs) {
    if (job.source.data->name != name || job.keep) continue;
    throw Error(file.file() + ": tensor " + in_quotes(name) +
                ": calibration: expected a rule that keeps it, found \"" + job.rule.pattern + "=" +
                job.rule.type + "\"");
  }
}

}  // namespace

QuantizeReport quantize(const std::filesystem::path& in, const std::filesystem::path& out,
                        std::span<const QuantizeRule> rules, const Calibration& calibration) {
  const Gguf file = Gguf::open(in);
  std::vector<Job> jobs;
  for (const GgufTensor& tensor : file.tensors()) {
    if (!is_scale(file, tensor)) jobs.push_back(plan(file, tensor, rules));
  }
  Calibrated calibrated;
  if (!calibration.texts.empty()) calibrated = calibrate_text(file, rules, calibration);
  for (const auto& [name, bias] : calibrated.bias) expect_kept(jobs, file, name);
  GgufWriter writer(out);
  // The writer sets its own alignment; what described the layout of a tensor that changes is gone.
  std::set<std::string, std::less<>> stale{"general.alignment"};
  for (const Job& job : jobs) {
    if (job.keep || !job.source.layout) continue;
    for (const char* field : {"type", "rows", "cols", "group"})
      stale.insert(tensor_key(job.source.data->name, field));
  }
  for (const auto& [key, value] : file.metadata()) {
    if (!stale.contains(key)) writer.copy(key, file);
  }
  QuantizeReport report;
  report.calibrated = std::move(calibrated.maps);
  for (Job& job : jobs) declare(job, file, writer);
  for (const Job& job : jobs) {
    write(job, file, calibrated, writer);
    report.tensors.push_back(job.report);
  }
  writer.commit();
  report.file_before = file.file_bytes();
  report.file_after = std::filesystem::file_size(out);
  return report;
}

}  // namespace sterna::models
