#include "sterna/models/convert.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "checkpoint.h"
#include "quantize_rules.h"
#include "tensor_job.h"
#include "text.h"
#include "towers.h"

namespace sterna::models {
namespace {

/// Texts that say how a model, its tokenizer and its preprocessing work. Weights of tokenizers that
/// are no texts (spiece.model) stay behind: tokenizer.json says the same.
constexpr std::array kTexts = {"config.json",
                               "sterna.json",
                               "modules.json",
                               "config_sentence_transformers.json",
                               "sentence_bert_config.json",
                               "preprocessor_config.json",
                               "video_preprocessor_config.json",
                               "processor_config.json",
                               "tokenizer.json",
                               "tokenizer_config.json",
                               "special_tokens_map.json",
                               "added_tokens.json",
                               "vocab.txt",
                               "vocab.json",
                               "merges.txt"};

constexpr size_t kMostName = 63 - 6;  // bytes: ggml's, and room for ".scale"
constexpr size_t kMostRank = 4;

class Conversion {
 public:
  Conversion(const Source& source, std::span<const QuantizeRule> rules)
      : source_(source), rules_(rules) {
    open_source(source_, {.roles = &roles_});
    for (const Source& part : source_.all()) visit(part);
  }

  ConvertReport write(const std::filesystem::path& out, const StopAsked& stop);

 private:
  void visit(const Source& source);
  std::string short_name(const std::string& name) const;
  void add(const Checkpoint& file, const HeldTensor& tensor, const std::string& prefix);

  const Source& source_;
  std::span<const QuantizeRule> rules_;
  Roles roles_;
  std::vector<std::unique_ptr<Checkpoint>> files_;
  std::vector<std::pair<std::string, Source::Text>> texts_;
  std::vector<TensorJob> jobs_;
  ConvertReport report_;
};

void Conversion::visit(const Source& source) {
  for (const char* file : kTexts) {
    if (source.has(file)) texts_.emplace_back(source.prefix() + file, source.text(file));
  }
  if (!source.has_weights()) return;
  const Checkpoint& file = *files_.emplace_back(source.weights({}));
  report_.file_before += file.file_bytes();
  for (const auto& [name, tensor] : file.tensors()) add(file, tensor, source.prefix());
}

/// A number, and the end of the name, which tells most.
std::string Conversion::short_name(const std::string& name) const {
  std::string text = std::to_string(jobs_.size()) + ":";
  size_t first = name.size() - std::min(name.size(), kMostName - text.size());
  const auto inside = [&](size_t i) {
    return (static_cast<unsigned char>(name[i]) & 0xc0) == 0x80;
  };
  while (first < name.size() && inside(first)) ++first;  // no half characters
  return text + name.substr(first);
}

void Conversion::add(const Checkpoint& file, const HeldTensor& tensor, const std::string& prefix) {
  const SafeTensor& plain = tensor.plain;
  TensorJob job;
  job.name = prefix + plain.name;
  const auto type = plain_type(plain.dtype);
  if (!type || plain.data.empty()) {
    report_.left_out.push_back(job.name);
    return;
  }
  job.file = file.file_of(tensor);
  job.type = ggml_type_name(*type);
  job.shape = plain.shape;
  job.data = plain.data;
  if (tensor.is_floats()) job.floats = plain.dtype;
  if (const auto at = roles_.find(job.name); at != roles_.end()) job.role = at->second;
  job.stored_name = job.name;
  if (job.name.size() > kMostName || job.name.empty()) job.stored_name = short_name(job.name);
  job.plain = *type;
  job.plain_shape = plain.shape;
  if (job.shape.size() > kMostRank) job.plain_shape = {job.shape[0], job.elements() / job.shape[0]};
  if (job.shape.empty()) job.plain_shape = {1};
  decide(job, rules_);
  jobs_.push_back(std::move(job));
}

ConvertReport Conversion::write(const std::filesystem::path& out, const StopAsked& stop) {
  expect_to_go_on(stop, out);
  GgufWriter writer(out);
  writer.set("general.architecture", GgufValue(Source::kArchitecture));
  const std::filesystem::path whole = std::filesystem::absolute(source_.folder());
  const std::filesystem::path last =
      whole.has_filename() ? whole.filename() : whole.parent_path().filename();
  writer.set("general.name", last.c_str());
  writer.set("sterna.folder.version", uint64_t{1});
  for (const auto& [name, text] : texts_) {
    const std::string_view bytes(reinterpret_cast<const char*>(text.bytes.data()),
                                 text.bytes.size());
    writer.set(std::string(Source::kFile) + name, GgufValue(bytes));
    report_.texts.push_back(name);
  }
  for (TensorJob& job : jobs_) {
    if (job.stored_name != job.name)
      writer.set(tensor_key(job.stored_name, "name"), GgufValue(std::string_view(job.name)));
    const bool layout = !job.keep && format_of(job.rule.type).layout;
    if (job.shape.size() > kMostRank && !layout)
      writer.set(tensor_key(job.stored_name, "shape"), GgufValue(job.shape));
    declare(job, writer);
  }
  for (const TensorJob& job : jobs_) {
    expect_to_go_on(stop, out);
    models::write(job, {}, writer);
    report_.tensors.push_back(job.report);
  }
  report_.unmatched = unmatched(rules_, jobs_);
  writer.commit();
  report_.file_after = std::filesystem::file_size(out);
  return std::move(report_);
}

}  // namespace

ConvertReport convert(const std::filesystem::path& folder, const std::filesystem::path& out,
                      std::span<const QuantizeRule> rules, const StopAsked& stop) {
  const Source source = Source::open(folder);
  if (source.gguf()) throw Error(source.name() + ": expected a folder, found a GGUF");
  return Conversion(source, rules).write(out, stop);
}

bool is_converted(const std::filesystem::path& file) {
  return Source::is_converted(Gguf::open(file));
}

}  // namespace sterna::models
