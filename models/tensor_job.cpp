#include "tensor_job.h"

#include <sterna/quant/formats.h>

#include <algorithm>

#include "quantize_rules.h"
#include "quantize_ternary.h"
#include "text.h"

namespace sterna::models {
namespace {

std::string rule_text(const QuantizeRule& rule) {
  return in_quotes(rule.pattern + "=" + rule.type +
                   (rule.group == 0 ? "" : "/" + std::to_string(rule.group)));
}

bool is_integer(const Format& format) {
  return format.layout && quant::is_integer(quant::parse_type(format.name));
}

/// What of a model's tensor may change, where its role is known.
std::optional<std::string> refusal(Use use, const Format& format) {
  if (use <= Use::map) return {};
  if (use == Use::table) {
    const bool looked_up = format.row_table || format.name == "q4_0" || is_integer(format);
    if ((format.layout || format.block != 0) && !looked_up)
      return "expected an integer layout, i8row, q4_0, f32 or f16 for a table";
  } else if (format.layout || format.block != 0 || format.row_table) {
    return "expected f32 or f16 for numbers that are no linear map (the pattern @maps stands for "
           "linear maps alone)";
  }
  return {};
}

// Whether a type can hold any pattern of -1, 0, +1.
bool takes_ternary(const std::string& type) {
  return type == "t2" || type == "t5" || ternary_block(type).has_value();
}

}  // namespace

uint64_t TensorJob::elements() const {
  uint64_t n = 1;
  for (const uint64_t d : shape) n *= d;
  return n;
}

TensorJob job_of(const Gguf& file, const GgufTensor& tensor, const Roles* roles) {
  const StoredTensor s = stored(file, tensor);
  TensorJob job;
  job.file = file.file();
  job.name = s.name;
  job.stored_name = tensor.name;
  job.type = s.type();
  job.shape = s.shape;
  job.data = tensor.data;
  const auto dtype = plain_dtype(tensor.type);
  if (dtype == Dtype::f32 || dtype == Dtype::f16 || dtype == Dtype::bf16) job.floats = dtype;
  job.plain = tensor.type;
  job.plain_shape = tensor.shape;
  job.scale = s.scale;
  job.group = s.group;
  job.source = s;
  if (roles != nullptr) {
    if (const auto at = roles->find(s.name); at != roles->end()) job.role = at->second;
  }
  return job;
}

void decide(TensorJob& job, std::span<const QuantizeRule> rules) {
  const QuantizeRule* const found =
      find_rule(rules, job.name, job.role ? &*job.role : nullptr);
  job.rule = found != nullptr ? *found : QuantizeRule{"*", "keep"};
  // A table whose rows are looked up has an int8 of its own.
  if (job.rule.type == "i8" && job.rule.group == 0 && job.role && job.role->use == Use::table)
    job.rule.type = "i8row";
  if (const size_t block = format_of(job.rule.type).block;
      block != 0 && !job.rule.otherwise.empty() && !job.shape.empty() &&
      job.shape.back() % block != 0) {
    job.rule.type = job.rule.otherwise;
  }
  const std::string& type = job.rule.type;
  const Format& format = format_of(type);
  const auto fail = [&](const std::string& fault) {
    throw Error(job.file + ": tensor " + in_quotes(job.name) + ": rule " + rule_text(job.rule) +
                ": " + fault + ", found " + job.type + " " + shape_text(job.shape));
  };
  job.keep = type == "keep" || (type == job.type && job.rule.group == job.group && !job.floats) ||
             ((type == "f32" || type == "f16") && type == job.type);
  if (job.keep && !ggml_type_info(job.plain)) fail("expected a type of known size");
  const uint64_t bytes = job.data.size() + (job.scale != nullptr ? job.scale->data.size() : 0);
  job.report = {job.name, job.type, job.keep ? job.type : type, job.shape, job.elements(),
                bytes,    0};
  if (job.keep) return;

  job.ternary = job.source && is_ternary(*job.source) && takes_ternary(type);
  const bool widens = type == "f32" && job.source &&
                      (job.source->layout || job.source->row_table || job.plain == GgmlType::q4_0);
  if (!job.floats && !job.ternary && !ternary_block(job.plain) && !widens)
    fail("expected f32, f16, bf16, tq1_0 or tq2_0 (others only widen, to f32)");
  if (job.role) {
    if (const auto fault = refusal(job.role->use, format)) fail(*fault);
  }
  const bool q4_0 = type == "q4_0";  // bound as linear maps and tables alone
  if ((format.layout || format.row_table || q4_0) && job.shape.size() < 2)
    fail("expected two or more dimensions");
  // A layout is laid out anew by rows and columns; what is plain keeps the shape that it has.
  if (job.source && job.source->layout) job.plain_shape = job.shape;
  const auto& shape = job.plain_shape;
  if (format.block != 0 && (shape.empty() || shape.back() % format.block != 0))
    fail("expected rows of a multiple of " + std::to_string(format.block) + " weights");
  if (!job.shape.empty()) job.rows = job.shape[0];
  job.cols = job.elements() / job.rows;
  if ((format.layout || format.block != 0) && type != "bf16" && job.cols > quant::kMaxInputs)
    fail("expected at most " + std::to_string(quant::kMaxInputs) + " inputs");
  if (format.layout && job.cols > kMostFloatInputs)
    fail("expected at most " + std::to_string(kMostFloatInputs) + " inputs");
}

std::vector<QuantizeRule> unmatched(std::span<const QuantizeRule> rules,
                                    std::span<const TensorJob> jobs) {
  std::vector<QuantizeRule> out;
  for (const QuantizeRule& rule : rules) {
    const bool matched = std::any_of(jobs.begin(), jobs.end(), [&](const TensorJob& job) {
      return find_rule({&rule, 1}, job.name, job.role ? &*job.role : nullptr) != nullptr;
    });
    if (!matched) out.push_back(rule);
  }
  return out;
}

void expect_to_go_on(const StopAsked& stop, const std::filesystem::path& out) {
  if (stop && stop()) throw Error(out.string() + ": stopped before it was complete");
}

}  // namespace sterna::models
