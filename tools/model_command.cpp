#include <sterna/models/info.h>
#include <sterna/models/quantize.h>
#include <sterna/quant/error.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "cli/error.h"
#include "cli/inputs.h"
#include "cli/model_path.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/text.h"

namespace sterna::cli {

int model_check_command(int argc, char** argv);
int model_pull_command(int argc, char** argv);

namespace {

using models::Amount;
using models::FileInfo;
using nlohmann::ordered_json;

std::string fixed(double value, int decimals) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string megabytes(uint64_t bytes) { return fixed(static_cast<double>(bytes) / 1e6, 3); }

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string out;
  for (const uint64_t d : shape) {
    if (!out.empty()) out += " x ";
    out += std::to_string(d);
  }
  return out;
}

std::string left(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

std::string right(std::string text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

// Names come from a file that may be anyone's: dump() must not throw for bytes that aren't UTF-8.
std::string line(const ordered_json& object) {
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

double rounded(double bits) { return std::stod(fixed(bits, 4)); }

ordered_json to_json(const Amount& amount) {
  return {{"tensors", amount.tensors},
          {"weights", amount.weights},
          {"bytes", amount.bytes},
          {"bits_per_weight", rounded(amount.bits_per_weight())}};
}

void print_json(const FileInfo& info) {
  ordered_json parts = ordered_json::object(), tensors = ordered_json::array();
  for (const auto& [part, amount] : info.parts) parts[std::string(name(part))] = to_json(amount);
  for (const auto& tensor : info.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"type", tensor.type},
                       {"shape", tensor.shape},
                       {"weights", tensor.amount.weights},
                       {"bytes", tensor.amount.bytes},
                       {"bits_per_weight", rounded(tensor.amount.bits_per_weight())},
                       {"part", name(tensor.part)}});
  }
  ordered_json metadata = ordered_json::object();
  for (const auto& [key, value] : info.metadata) metadata[key] = value;
  print_line(line({{"file", info.file},
                   {"format", info.format},
                   {"file_bytes", info.bytes},
                   {"weights", info.total.weights},
                   {"bytes", info.total.bytes},
                   {"bits_per_weight", rounded(info.total.bits_per_weight())},
                   {"parts", std::move(parts)},
                   {"metadata", std::move(metadata)},
                   {"tensors", std::move(tensors)}}));
}

std::string amount_text(const Amount& amount) {
  return right(std::to_string(amount.tensors), 9) + right(std::to_string(amount.weights), 14) +
         right(megabytes(amount.bytes), 12) + right(fixed(amount.bits_per_weight(), 2), 13);
}

void print_text(const FileInfo& info) {
  std::string out = bold(info.file) + ": " + info.format + ", " + megabytes(info.bytes) + " MB\n\n";
  for (const auto& [key, value] : info.metadata) out += left(key, 36) + " " + value + "\n";
  size_t width = 12;
  for (const auto& tensor : info.tensors) width = std::max(width, tensor.name.size());
  width = std::min<size_t>(width, 60);
  out += '\n';
  out += bold(left("tensor", width) + "  type    part       " + right("MB", 10) +
              right("bits/weight", 13) + "  shape") +
         "\n";
  for (const auto& tensor : info.tensors) {
    out += left(tensor.name, width) + "  " + left(tensor.type, 8) +
           left(std::string(name(tensor.part)), 11) + right(megabytes(tensor.amount.bytes), 10) +
           right(fixed(tensor.amount.bits_per_weight(), 2), 13) + "  " + shape_text(tensor.shape) +
           "\n";
  }
  out += '\n';
  out += bold(left("part", 10) + right("tensors", 9) + right("weights", 14) + right("MB", 12) +
              right("bits/weight", 13)) +
         "\n";
  for (const auto& [part, amount] : info.parts) {
    out += left(std::string(name(part)), 10) + amount_text(amount) + "\n";
  }
  print(out + left("all", 10) + amount_text(info.total) + "\n");
}

int info_command(int argc, char** argv) {
  Options options("model info", "[FILE]",
                  "List the tensors of a GGUF or safetensors file, and what its memory is for.\n"
                  "Without FILE: the default model.");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const auto& files = options.positionals();
  if (files.size() > 1)
    throw UsageError("expected one file, found " + std::to_string(files.size()));
  FileInfo info =
      models::describe(files.empty() ? find_model("") : std::filesystem::path(files[0]));
  if (args->count("json") != 0) {
    print_json(info);
    return kDone;
  }
  for (auto& tensor : info.tensors) tensor.name = printable(tensor.name);
  for (auto& [key, value] : info.metadata) key = printable(key);
  print_text(info);
  return kDone;
}

void print_report(const models::QuantizeReport& report) {
  struct Change {
    size_t tensors = 0;
    uint64_t before = 0, after = 0;
  };
  std::map<std::pair<std::string, std::string>, Change> changes;
  for (const auto& tensor : report.tensors) {
    Change& change = changes[{tensor.from, tensor.to}];
    ++change.tensors;
    change.before += tensor.bytes_before;
    change.after += tensor.bytes_after;
  }
  const auto row = [](const std::string& from, const std::string& to, const std::string& tensors,
                      const std::string& before, const std::string& after) {
    return left(from, 8) + left(to, 8) + right(tensors, 8) + right(before, 14) + right(after, 14) +
           "\n";
  };
  std::string out = bold(row("from", "to", "tensors", "MB before", "MB after"));
  for (const auto& [types, change] : changes) {
    out += row(types.first, types.second, std::to_string(change.tensors), megabytes(change.before),
               megabytes(change.after));
  }
  out += row("file", "", std::to_string(report.tensors.size()), megabytes(report.file_before),
             megabytes(report.file_after));
  if (!report.calibrated.empty()) {
    out +=
        "\n" + bold(left("calibrated", 36) + right("error", 10) + right("to nearest", 12)) + "\n";
  }
  for (const auto& map : report.calibrated) {
    out += left(printable(map.name), 36) + right(fixed(1e2 * map.error, 3) + " %", 10) +
           right(fixed(1e2 * map.nearest, 3) + " %", 12) + "\n";
  }
  print(out);
}

// The lines of a calibration file; blank ones say nothing.
std::vector<std::string> read_texts(const std::string& file) {
  std::vector<std::string> texts;
  size_t number = 0;
  for (std::string& text : read_lines(file)) {
    ++number;
    if (!is_utf8(text)) {
      throw Error(file + ": line " + std::to_string(number) + ": expected UTF-8 text");
    }
    if (text.find_first_not_of(" \t") != std::string::npos) texts.push_back(std::move(text));
  }
  if (texts.empty())
    throw Error(file + ": expected texts to calibrate on, found blank lines alone");
  return texts;
}

int quantize_command(int argc, char** argv) {
  Options options(
      "model quantize", "IN OUT [--types 'GLOB=TYPE,...'] [--calibrate TEXTS.txt]",
      "Rewrite a GGUF with other number formats.\n"
      "Types: keep, f32, f16, bf16, i8, t2, t5, t34, t14, i8row, tq1_0, tq2_0; i8, t2, t5,\n"
      "t34 and t14 take a group of inputs that share a scale (t5/128). t34 and t14 keep three\n"
      "and one of each four weights: for models trained so. tq1_0 and tq2_0 are llama.cpp's;\n"
      "they are read, too. The first pattern that matches a tensor's name wins, and a tensor\n"
      "that none matches is kept.");
  options.add()("types", "Rules; `shipped` stands for those of the default model",
                cxxopts::value<std::string>()->default_value("shipped"), "RULES");
  options.add()("calibrate",
                "Texts, one a line: round the text tower's i8 maps for the least error on them",
                cxxopts::value<std::string>(),
                "TEXTS.txt")("threads", "Threads of the calibration (0 = all cores)",
                             cxxopts::value<int>()->default_value("0"), "N");
  options.epilogue(
      "Examples:\n"
      "  sterna model quantize float.gguf small.gguf --calibrate tools/train/calibration.txt\n"
      "  sterna model quantize float.gguf small.gguf --types 'predictor.head.weight=i8,shipped'");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const auto& files = options.positionals();
  if (files.size() != 2)
    throw UsageError("expected IN and OUT, found " + std::to_string(files.size()) + " names");
  std::vector<models::QuantizeRule> rules;
  try {
    rules = models::parse_rules((*args)["types"].as<std::string>());
  } catch (const Error& e) {
    throw UsageError(std::string("--types: ") + e.what());
  }
  const int threads = (*args)["threads"].as<int>();
  if (threads < 0 || threads > 1024)
    throw UsageError("--threads: expected 0 to 1024, found " + std::to_string(threads));
  std::vector<std::string> texts;
  if (args->count("calibrate") != 0) texts = read_texts((*args)["calibrate"].as<std::string>());
  const auto report =
      models::quantize(files[0], files[1], rules, {.texts = texts, .threads = threads});
  if (args->count("json") == 0) {
    print_report(report);
    return kDone;
  }
  ordered_json tensors = ordered_json::array();
  for (const auto& tensor : report.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"from", tensor.from},
                       {"to", tensor.to},
                       {"shape", tensor.shape},
                       {"bytes_before", tensor.bytes_before},
                       {"bytes_after", tensor.bytes_after}});
  }
  ordered_json calibrated = ordered_json::array();
  for (const auto& map : report.calibrated) {
    calibrated.push_back({{"name", map.name}, {"nearest", map.nearest}, {"error", map.error}});
  }
  print_line(line({{"in", files[0]},
                   {"out", files[1]},
                   {"file_before", report.file_before},
                   {"file_after", report.file_after},
                   {"tensors", std::move(tensors)},
                   {"calibrated", std::move(calibrated)}}));
  return kDone;
}

}  // namespace

/// `sterna model info [FILE]`, `model quantize IN OUT`, `model check MODEL --golden FILE`,
/// `model pull REPO`.
int model_command(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "info") return info_command(argc - 1, argv + 1);
  if (verb == "quantize") return quantize_command(argc - 1, argv + 1);
  if (verb == "check") return model_check_command(argc - 1, argv + 1);
  if (verb == "pull") return model_pull_command(argc - 1, argv + 1);
  if (verb == "--help" || verb == "-h") {
    print(
        "Look into a model file, change its number formats, check its numbers, or fetch one.\n\nUsage:\n"
        "  sterna model info [FILE] [--json]\n"
        "  sterna model quantize IN OUT [--types 'GLOB=TYPE,...'] [--calibrate TEXTS.txt] "
        "[--json]\n"
        "  sterna model check MODEL --golden FILE.safetensors [--json]\n"
        "  sterna model pull REPO [--revision R] [--to DIR] [--json]\n\n"
        "`sterna model info --help` and so on tell more.\n");
    return kDone;
  }
  throw UsageError("expected info, quantize, check or pull" +
                   (verb.empty() ? std::string() : ", found \"" + verb + "\""));
}

}  // namespace sterna::cli
