#include <sterna/models/info.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cli/error.h"
#include "cli/model_path.h"
#include "cli/model_report.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/text.h"

namespace sterna::cli {

int model_check_command(int argc, char** argv);
int model_convert_command(int argc, char** argv);
int model_quantize_command(int argc, char** argv);
int model_pull_command(int argc, char** argv);

namespace {

using models::Amount;
using models::FileInfo;
using nlohmann::ordered_json;

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string out;
  for (const uint64_t d : shape) {
    if (!out.empty()) out += " x ";
    out += std::to_string(d);
  }
  return out;
}

double rounded(double bits) { return std::stod(fixed(bits, 4)); }

ordered_json to_json(const Amount& amount) {
  return {{"tensors", amount.tensors},
          {"weights", amount.weights},
          {"bytes", amount.bytes},
          {"bits_per_weight", rounded(amount.bits_per_weight())}};
}

ordered_json to_json(const models::Metadata& entry) {
  const auto element = [](const models::Metadata::Value& value) {
    return std::visit([](const auto& v) { return ordered_json(v); }, value);
  };
  if (!entry.length) return element(entry.values[0]);
  if (entry.values.size() != *entry.length) return {{"array", *entry.length}};
  ordered_json list = ordered_json::array();
  for (const auto& value : entry.values) list.push_back(element(value));
  return list;
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
  for (const auto& entry : info.metadata) metadata[entry.key] = to_json(entry);
  print_line(line({{"file", info.file},
                   {"format", info.format},
                   {"file_bytes", info.bytes},
                   {"weights", info.total.weights},
                   {"bytes", info.total.bytes},
                   {"bits_per_weight", rounded(info.total.bits_per_weight())},
                   {"widened_bytes", info.widened},
                   {"problem", info.problem.empty() ? ordered_json() : ordered_json(info.problem)},
                   {"parts", std::move(parts)},
                   {"metadata", std::move(metadata)},
                   {"tensors", std::move(tensors)}}));
}

std::string amount_text(const Amount& amount) {
  return right(std::to_string(amount.tensors), 9) + right(std::to_string(amount.weights), 14) +
         right(megabytes(amount.bytes), 12) + right(fixed(amount.bits_per_weight(), 2), 13) +
         right(fixed(amount.bits_per_weight() / 16 * 100, 1) + " %", 10);
}

void print_text(const FileInfo& info) {
  std::string out = bold(info.file) + ": " + info.format + ", " + megabytes(info.bytes) + " MB\n\n";
  for (const auto& entry : info.metadata) out += left(entry.key, 36) + " " + entry.text + "\n";
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
              right("bits/weight", 13) + right("of FP16", 10)) +
         "\n";
  for (const auto& [part, amount] : info.parts) {
    out += left(std::string(name(part)), 10) + amount_text(amount) + "\n";
  }
  out += left("all", 10) + amount_text(info.total) + "\n";
  if (info.widened != 0) {
    out += "\nRunning it takes " + megabytes(info.widened) +
           " MB more: halves row by row are widened to floats (convert with --type @maps=bf16 "
           "keeps them)\n";
  }
  if (!info.problem.empty()) out += "\nIt can't be run: " + printable(info.problem) + "\n";
  print(out);
}

int info_command(int argc, char** argv) {
  Options options(
      "model info", "[FILE|FOLDER]",
      "List the tensors of a GGUF or safetensors file or of a Hugging Face folder, and\n"
      "what their memory is for. Without a name: the default model.");
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
  for (auto& entry : info.metadata) entry.key = printable(entry.key);
  print_text(info);
  return kDone;
}

}  // namespace

/// `sterna model info [FILE]`, `model convert FOLDER OUT`, `model quantize IN OUT`, `model check
/// MODEL --golden FILE`, `model pull REPO`.
int model_command(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "info") return info_command(argc - 1, argv + 1);
  if (verb == "quantize") return model_quantize_command(argc - 1, argv + 1);
  if (verb == "convert") return model_convert_command(argc - 1, argv + 1);
  if (verb == "check") return model_check_command(argc - 1, argv + 1);
  if (verb == "pull") return model_pull_command(argc - 1, argv + 1);
  if (verb == "--help" || verb == "-h") {
    print(
        "Look into a model, make one file of a folder, change its number formats, check its\n"
        "numbers, or fetch one.\n\nUsage:\n"
        "  sterna model info [FILE|FOLDER] [--json]\n"
        "  sterna model convert FOLDER OUT.gguf [--type PATTERN=FORMAT]... [--json]\n"
        "  sterna model quantize IN OUT [--type RULE]... [--calibrate FILE] "
        "[--golden FILE] [--json]\n"
        "  sterna model check MODEL --golden FILE.safetensors [--json]\n"
        "  sterna model pull REPO [--revision R] [--to DIR] [--json]\n\n"
        "`sterna model info --help` and so on tell more.\n");
    return kDone;
  }
  throw UsageError("expected info, convert, quantize, check or pull" +
                   (verb.empty() ? std::string() : ", found \"" + verb + "\""));
}

}  // namespace sterna::cli
