#include "sterna/models/quantize.h"

#include <sterna/quant/error.h>

#include <memory>
#include <set>
#include <utility>

#include "calibrate.h"
#include "quantize_rules.h"
#include "sterna/models/gguf.h"
#include "sterna/models/gguf_writer.h"
#include "stored.h"
#include "tensor_job.h"
#include "text.h"
#include "towers.h"

namespace sterna::models {
namespace {

// Biases that calibration changes are written as the f32 they are bound as.
void expect_kept(std::span<const TensorJob> jobs, const Gguf& file, std::string_view name) {
  for (const TensorJob& job : jobs) {
    if (job.name != name || job.keep) continue;
    throw Error(file.file() + ": tensor " + in_quotes(name) +
                ": calibration: expected a rule that keeps it, found \"" + job.rule.pattern + "=" +
                job.rule.type + "\"");
  }
}

}  // namespace

QuantizeReport quantize(const std::filesystem::path& in, const std::filesystem::path& out,
                        std::span<const QuantizeRule> rules, const Calibration& calibration,
                        const StopAsked& stop) {
  const auto shared = std::make_shared<const Gguf>(Gguf::open(in));
  const Gguf& file = *shared;
  Roles roles;
  const bool converted = Source::is_converted(file);
  if (converted) {
    open_source(Source::of(shared), {.roles = &roles});
  } else if (has_words(rules)) {
    throw Error(file.file() + ": expected a file that `model convert` wrote for rules with @words");
  }
  std::vector<TensorJob> jobs;
  for (const GgufTensor& tensor : file.tensors()) {
    if (is_scale(file, tensor)) continue;
    decide(jobs.emplace_back(job_of(file, tensor, &roles)), rules);
  }
  Calibrated calibrated;
  if (!calibration.inputs.empty()) {
    if (!converted)
      throw Error(file.file() +
                  ": calibration on inputs: expected a file that `model convert` wrote");
    calibrated = calibrate_model(Source::of(shared), roles, rules, calibration);
  }
  if (!calibration.texts.empty()) calibrated.merge(calibrate_text(file, rules, calibration));
  if (!calibration.pictures.empty()) {
    if (converted)
      throw Error(file.file() + ": calibration on pictures: expected a file of Sterna's own kind");
    calibrated.merge(calibrate_pictures(file, rules, calibration));
  }
  for (const auto& [name, bias] : calibrated.bias) expect_kept(jobs, file, name);
  expect_to_go_on(stop, out);
  GgufWriter writer(out);
  // The writer sets its own alignment; what described the layout of a tensor that changes is gone.
  std::set<std::string, std::less<>> stale{"general.alignment"};
  for (const TensorJob& job : jobs) {
    if (job.keep || !job.source->layout) continue;
    for (const char* field : {"type", "rows", "cols", "group"})
      stale.insert(tensor_key(job.stored_name, field));
  }
  for (const auto& [key, value] : file.metadata()) {
    if (!stale.contains(key)) writer.copy(key, file);
  }
  QuantizeReport report;
  report.calibrated = std::move(calibrated.maps);
  report.unmatched = unmatched(rules, jobs);
  for (TensorJob& job : jobs) declare(job, writer);
  for (const TensorJob& job : jobs) {
    expect_to_go_on(stop, out);
    write(job, calibrated, writer);
    report.tensors.push_back(job.report);
  }
  writer.commit();
  report.file_before = file.file_bytes();
  report.file_after = std::filesystem::file_size(out);
  return report;
}

}  // namespace sterna::models
