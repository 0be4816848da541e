#include <sterna/models/check.h>
#include <sterna/models/convert.h>
#include <sterna/models/quantize.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/calibration.h"
#include "cli/error.h"
#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/model_report.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/text.h"

namespace sterna::cli {
namespace {

void print_report(const models::QuantizeReport& report,
                  const std::vector<models::OutputChange>& changes) {
  std::string out = changes_text(report.tensors, report.file_before, report.file_after);
  const auto percent = [](double share) { return fixed(1e2 * share, 3) + " %"; };
  const bool ternary = std::any_of(report.calibrated.begin(), report.calibrated.end(),
                                   [](const auto& map) { return map.refitted != 0; });
  size_t width = 36;
  for (const auto& map : report.calibrated) width = std::max(width, printable(map.name).size());
  if (!report.calibrated.empty()) {
    out += "\n" + bold(left("calibrated", width) + right("error", 11) +
                       (ternary ? right("least squares", 15) : "") + right("to nearest", 13)) +
           "\n";
  }
  models::CalibratedMap mean{"mean", 0, 0, 0};
  const auto row = [&](const models::CalibratedMap& map) {
    out += left(printable(map.name), width) + right(percent(map.error), 11) +
           (ternary ? right(percent(map.refitted), 15) : "") + right(percent(map.nearest), 13) +
           "\n";
  };
  const auto count = static_cast<double>(report.calibrated.size());
  for (const auto& map : report.calibrated) {
    row(map);
    mean.nearest += map.nearest / count;
    mean.error += map.error / count;
    mean.refitted += map.refitted / count;
  }
  if (report.calibrated.size() > 1) row(mean);
  if (!changes.empty()) out += "\n" + bold(left("output", 24) + "cosine before    after") + "\n";
  for (const auto& change : changes) {
    out += left(printable(change.output), 24) + right(fixed(change.before, 6), 13) +
           right(fixed(change.after, 6), 9) + "\n";
  }
  print(out);
}

/// Every --calibrate in order.
std::vector<std::string> calibration_files(const cxxopts::ParseResult& args) {
  if (args.count("calibrate") == 0) return {};
  return args["calibrate"].as<std::vector<std::string>>();
}

}  // namespace

/// `sterna model quantize IN OUT`.
int model_quantize_command(int argc, char** argv) {
  Options options(
      "model quantize",
      "IN OUT [--type RULE]... [--calibrate FILE]... [--golden FILE]",
      "Rewrite a GGUF, Sterna's own or one that `model convert` wrote, with other number\n"
      "formats. For the latter, the cosines of its outputs before and after are reported.\n"
      "Formats: keep, f32, f16, bf16, i8, t2, t5, t34, t14, i8row, q4_0, tq1_0, tq2_0; i8, t2,\n"
      "t5, t34 and t14 take a group of inputs that share a scale (t5/128). t34 and t14 keep\n"
      "three and one of each four weights: for models trained so. q4_0, tq1_0 and tq2_0 are\n"
      "llama.cpp's; they are read, too. q4_0 and i8row are small in the file, and maps in them\n"
      "are laid out as bf16 when it is opened; `q4_0|i8row` is i8row where rows are no multiple\n"
      "of 32. What is quantised already can become f32 (`--types '*=f32'`: the\n"
      "numbers that Sterna computes with), of ternary formats another ternary one. The first\n"
      "pattern that matches a tensor's name wins, and a tensor that none matches is kept.");
  options.add()("types", "Rules; `shipped` stands for those of the default model",
                cxxopts::value<std::string>()->default_value("shipped"), "RULES");
  options.add()("type", "A rule before those; of converted files also @words (see model convert)",
                cxxopts::value<std::vector<std::string>>(), "PATTERN=FORMAT");
  options.add()("calibrate",
                "Round for the least error: the text tower's i8 maps on texts, one a line; the i8 "
                "and ternary maps of the blocks of vision tower and predictor, where they were "
                "trained in float, on pictures and questions (.jsonl, as ask --batch takes them); "
                "those of a converted file's blocks on inputs (.safetensors). May be given "
                "several times",
                cxxopts::value<std::vector<std::string>>(),
                "FILE")("threads", "Threads of the calibration (0 = all cores)",
                        cxxopts::value<int>()->default_value("0"), "N");
  options.add()("golden",
                "Inputs and expected outputs to compare a converted file with, before and after "
                "(without: made-up inputs, and what the file gave before)",
                cxxopts::value<std::string>(), "FILE");
  options.epilogue(
      "Examples:\n"
      "  sterna model quantize float.gguf small.gguf\n"
      "  sterna model quantize float.gguf small.gguf --calibrate asked.jsonl\n"
      "  sterna model quantize float.gguf small.gguf --calibrate tools/train/calibration.txt \\\n"
      "      --type 'language.*.bias=keep' --type 'language.*norm.weight=f16' \\\n"
      "      --type 'language.blocks.*.weight=i8' --type language.token_embedding=i8row \\\n"
      "      --types shipped\n"
      "  sterna model quantize float.gguf small.gguf --types 'predictor.head.weight=i8,shipped'\n"
      "  sterna model quantize vljepa.gguf small.gguf --type @predictor=t5/128 \\\n"
      "      --calibrate inputs.safetensors --golden golden.safetensors");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const auto& files = options.positionals();
  if (files.size() != 2)
    throw UsageError("expected IN and OUT, found " + std::to_string(files.size()) + " names");
  std::vector<models::QuantizeRule> rules = read_rules(*args);
  if (args->count("types") != 0 || rules.empty()) {
    try {
      for (auto& rule : models::parse_rules((*args)["types"].as<std::string>()))
        rules.push_back(std::move(rule));
    } catch (const Error& e) {
      throw UsageError(std::string("--types: ") + e.what());
    }
  }
  const int threads = (*args)["threads"].as<int>();
  if (threads < 0 || threads > 1024)
    throw UsageError("--threads: expected 0 to 1024, found " + std::to_string(threads));
  const CalibrationFiles calibration = read_calibration(calibration_files(*args));
  // What the outputs become is asked before `out` may take the place of `in`.
  const bool golden = args->count("golden") != 0;
  const bool converted = models::is_converted(files[0]);
  if (golden && !converted)
    throw UsageError("--golden: expected an IN that `model convert` wrote");
  std::error_code none;
  const bool in_place = std::filesystem::equivalent(files[0], files[1], none);
  if (golden && in_place) throw UsageError("--golden: expected an OUT that is not IN");
  std::vector<std::string> read = calibration_files(*args);
  if (golden) read.push_back((*args)["golden"].as<std::string>());
  refuse_overwriting("OUT", files[1], read);
  models::QuantizeReport report;
  const int stopped = stoppable([&](const models::StopAsked& stop) {
    report = models::quantize(files[0], files[1], rules, calibration.view(threads), stop);
  });
  if (stopped != 0) return stopped;
  tell_unmatched(report.unmatched);
  std::vector<models::OutputChange> changes;
  if (converted && !in_place) {
    Session session(threads);
    changes = models::compare(
        files[0], files[1], golden ? (*args)["golden"].as<std::string>() : std::string(), session);
  }
  if (args->count("json") == 0) {
    print_report(report, changes);
    return kDone;
  }
  ordered_json calibrated = ordered_json::array();
  for (const auto& map : report.calibrated) {
    calibrated.push_back({{"name", map.name},
                          {"nearest", map.nearest},
                          {"refitted", map.refitted},
                          {"error", map.error}});
  }
  ordered_json outputs = ordered_json::array();
  for (const auto& change : changes) {
    outputs.push_back(
        {{"output", change.output}, {"before", change.before}, {"after", change.after}});
  }
  print_line(line({{"in", files[0]},
                   {"out", files[1]},
                   {"file_before", report.file_before},
                   {"file_after", report.file_after},
                   {"tensors", changes_json(report.tensors)},
                   {"calibrated", std::move(calibrated)},
                   {"outputs", std::move(outputs)}}));
  return kDone;
}

}  // namespace sterna::cli
