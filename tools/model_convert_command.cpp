#include <sterna/models/convert.h>
#include <sterna/quant/error.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "cli/error.h"
#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/model_report.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/text.h"

namespace sterna::cli {

/// `sterna model convert FOLDER OUT.gguf`.
int model_convert_command(int argc, char** argv) {
  Options options(
      "model convert", "FOLDER OUT.gguf [--type PATTERN=FORMAT]...",
      "Make one GGUF of a Hugging Face folder: config.json and safetensors (shards too), of\n"
      "sentence-transformers, open-vljepa, or composed by sterna.json. Its texts (tokenizer.json,\n"
      "preprocessor_config.json) travel along, and tensors keep their names. `model check` gives\n"
      "for the file what it gives for the folder.");
  options.add()(
      "type",
      "Store the tensors that match as keep, f32, f16, bf16, i8, t2, t5, t34, t14, i8row, "
      "q4_0, tq1_0 or tq2_0",
      cxxopts::value<std::vector<std::string>>(), "PATTERN=FORMAT");
  options.epilogue(
      "A PATTERN is a tensor's name (* any text, ? one character) or a word: @maps (linear maps),\n"
      "@blocks (those of transformer blocks), @predictor, @tower, @text (of one part's blocks),\n"
      "@tables (rows looked up; their i8 has a scale a row). The first that matches counts;\n"
      "what none matches is stored as it is. i8, t2, t5, t34 and t14 take a group of inputs that\n"
      "share a scale: t5/128. The formats: model quantize.\n\n"
      "Examples:\n"
      "  sterna model convert dinov2-small dinov2-small.gguf\n"
      "  sterna model convert vljepa vljepa.gguf --type @predictor=t5 --type @maps=i8 --type "
      "@tables=i8");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const auto& files = options.positionals();
  if (files.size() != 2)
    throw UsageError("expected FOLDER and OUT, found " + std::to_string(files.size()) + " names");
  const std::vector<models::QuantizeRule> rules = read_rules(*args);
  std::vector<std::string> sources;  // any file of the folder but what an earlier run made
  std::error_code none;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(files[0], none))
    if (entry.path().extension() != ".gguf") sources.push_back(entry.path().string());
  refuse_overwriting("OUT", files[1], sources);
  models::ConvertReport report;
  const int stopped = stoppable([&](const models::StopAsked& stop) {
    report = models::convert(files[0], files[1], rules, stop);
  });
  if (stopped != 0) return stopped;
  tell_unmatched(report.unmatched);
  if (args->count("json") != 0) {
    print_line(line({{"in", files[0]},
                     {"out", files[1]},
                     {"file_before", report.file_before},
                     {"file_after", report.file_after},
                     {"texts", report.texts},
                     {"left_out", report.left_out},
                     {"tensors", changes_json(report.tensors)}}));
    return kDone;
  }
  std::string out = changes_text(report.tensors, report.file_before, report.file_after);
  out += "\ntexts: ";
  for (const std::string& text : report.texts)
    out += (&text == report.texts.data() ? "" : ", ") + printable(text);
  out += "\n";
  for (const std::string& name : report.left_out)
    message("model convert: " + printable(name) + ": left out: GGUF has no such type");
  print(out);
  return kDone;
}

}  // namespace sterna::cli
