#include <sterna/models/model.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "bench/decode.h"
#include "bench/giant.h"
#include "bench/kernels.h"
#include "bench/model.h"
#include "bench/towers.h"
#include "cli/error.h"
#include "cli/model_path.h"
#include "cli/options.h"
#include "cli/output.h"

namespace sterna::cli {
namespace {

int kernels(const Common& common, bool isa_given) {
  BenchOptions options;
  options.json = common.json;
  options.threads = common.threads;
  if (isa_given) options.isa = common.isa;
  options.print = [](const std::string& line) { print_line(line); };
  return bench_kernels(options);
}

int model(const Common& common, const cxxopts::ParseResult& args, const std::string& picture) {
  BenchModelOptions options;
  options.model = find_model(common.model);
  options.picture = picture;
  if (args.count("prompt") != 0) options.question = args["prompt"].as<std::string>();
  options.writer = common.writer;
  options.isa = common.isa;
  options.threads = common.threads;
  options.json = common.json;
  options.print = [](const std::string& line) { print_line(line); };
  return bench_model(options);
}

int giant(const Common& common, const cxxopts::ParseResult& args) {
  BenchGiantOptions options;
  options.params = args["params"].as<double>();
  if (!(options.params >= 1e6 && options.params <= 1e12)) {
    throw UsageError("--params: expected 1e6 to 1e12, found " + std::to_string(options.params));
  }
  try {
    options.format = quant::parse_type(args["format"].as<std::string>());
  } catch (const Error& e) {
    throw UsageError(std::string("--format: ") + e.what());
  }
  if (!quant::is_integer(options.format) || options.format == quant::Type::i8) {
    throw UsageError("--format: expected t2, t5, t34 or t14, found \"" +
                     args["format"].as<std::string>() + "\"");
  }
  if (args.count("keep") != 0) options.keep = args["keep"].as<std::string>();
  options.isa = common.isa;
  options.threads = common.threads;
  options.json = common.json;
  options.print = [](const std::string& line) { print_line(line); };
  return bench_giant(options);
}

int decode(const Common& common, const cxxopts::ParseResult& args) {
  BenchDecodeOptions options;
  options.json = common.json;
  options.script.seed = args["seed"].as<uint64_t>();
  options.script.seconds = args["seconds"].as<double>();
  options.script.fps = args["fps"].as<double>();
  const auto in_range = [](const char* name, double value, double least, double most) {
    if (!(value >= least && value <= most)) {
      throw UsageError(std::string("--") + name + ": expected " + std::to_string(least) + " to " +
                       std::to_string(most) + ", found " + std::to_string(value));
    }
  };
  options.script.dissolves = args["dissolves"].as<double>();
  options.script.still = args.count("still") != 0;
  options.levels = args["difference"].as<double>();
  in_range("dissolves", options.script.dissolves, 0, 1);
  in_range("difference", options.levels, 0, 255);
  in_range("seconds", options.script.seconds, 10, 36000);
  in_range("fps", options.script.fps, 1, 60);
  if (args.count("pictures") != 0) options.script.pictures = args["pictures"].as<std::string>();
  if (args.count("prompt") != 0) {
    options.prompt = args["prompt"].as<std::string>();
  } else if (options.script.pictures.empty()) {
    options.prompt = "what color is the object";  // what the labels of drawn scenes answer
  }
  options.streams = args["seeds"].as<size_t>();
  if (options.streams < 1 || options.streams > 1000) {
    throw UsageError("--seeds: expected 1 to 1000, found " + std::to_string(options.streams));
  }
  options.recall = args["recall"].as<double>();
  if (!(options.recall > 0 && options.recall <= 1)) {
    throw UsageError("--recall: expected a cosine above 0, up to 1, found " +
                     std::to_string(options.recall));
  }
  if (args.count("cache") != 0) options.cache = args["cache"].as<std::string>();
  if (args.count("plot") != 0) options.plot = args["plot"].as<std::string>();
  options.print = [](const std::string& line) { print_line(line); };
  CostMeter meter;
  options.meter = &meter;
  const Model model = Model::open(find_model(common.model), {.isa = common.isa});
  Session session(common.threads);
  return bench_decode(options, model, session);
}

int towers(const Common& common, const cxxopts::ParseResult& args, const std::string& folder) {
  BenchTowersOptions options;
  options.folder = folder;
  options.batch = args["batch"].as<size_t>();
  options.size = args["size"].as<size_t>();
  if (options.batch < 1 || options.batch > 1024)
    throw UsageError("--batch: expected 1 to 1024, found " + std::to_string(options.batch));
  if (options.size > 8192)
    throw UsageError("--size: expected at most 8192, found " + std::to_string(options.size));
  options.isa = common.isa;
  options.threads = common.threads;
  options.json = common.json;
  options.print = [](const std::string& line) { print_line(line); };
  return bench_towers(options);
}

size_t number_of(const std::string& text) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw UsageError("turns: expected a number, found \"" + text + "\"");
  return value;
}

/// What peers.py runs (bench/towers.h).
int turns(const Common& common, const std::vector<std::string>& what) {
  if (what.size() == 7 && what[1] == "tower") {
    return bench_tower_turns(what[2], what[3], number_of(what[4]), number_of(what[5]), what[6],
                             common.threads, common.isa);
  }
  if (what.size() == 7 && what[1] == "kernel") {
    return bench_kernel_turns(what[2], number_of(what[3]), number_of(what[4]), number_of(what[5]),
                              number_of(what[6]), common.threads, common.isa);
  }
  throw UsageError("turns: expected tower FOLDER TYPE BATCH SIZE INPUT, or kernel TYPE M K N SPAN");
}

/// Goes on as peers.py, which runs this program and other runtimes in turns.
[[noreturn]] void run_peers(const std::string& what, const Common& common,
                            const std::string& folder) {
  const char* python = std::getenv("STERNA_PYTHON");
  std::vector<std::string> words = {python != nullptr && *python != 0 ? python : "python3",
                                    find_script("peers.py").string(), what, "--sterna",
                                    (program_folder() / "sterna").string()};
  if (!folder.empty()) words.push_back(folder);
  if (common.threads > 0) {
    words.emplace_back("--threads");
    words.push_back(std::to_string(common.threads));
  }
  if (common.json) words.emplace_back("--json");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  throw Error(words[0] + ": can't be run: " + std::strerror(errno) +
              " (STERNA_PYTHON names another)");
}

}  // namespace

/// `sterna bench`: what this machine can do, and what selective decoding saves.
int bench_command(int argc, char** argv) {
  Options options("bench", "kernels|towers FOLDER|model PICTURE|giant|decode [OPTION...]",
                  "kernels: the machine's limits, and each kernel's share of them.\n"
                  "towers: those of a checkpoint in f32, bf16 and int8, as shares of them.\n"
                  "model: where the time of an answer about PICTURE goes.\n"
                  "giant: a stack of ternary blocks with dummy weights, written, mapped and run.\n"
                  "decode: score against decodes on a long labelled stream, for every policy.");
  options.add_model_options();
  options.add_writer_option();
  options.add()("params", "giant: about how many weights (1e9)",
                cxxopts::value<double>()->default_value("1e9"), "N");
  options.add()("format", "giant: t2, t5, t34 or t14",
                cxxopts::value<std::string>()->default_value("t5"));
  options.add()("keep", "giant: write the file here, leave it, and take it next time",
                cxxopts::value<std::string>(), "DIR");
  options.add()("peers",
                "kernels, towers: beside whatever other runtimes Python can import (onnxruntime,\n"
                "OpenVINO, ggml), in turns; towers are then full-size ones, made in FOLDER");
  options.add()("batch", "towers: pictures or texts at once",
                cxxopts::value<size_t>()->default_value("1"), "N");
  options.add()("size", "towers: pixels of a side, or tokens (those it was made for, or 128)",
                cxxopts::value<size_t>()->default_value("0"), "N");
  options.add()("seed", "decode: which stream", cxxopts::value<uint64_t>()->default_value("1"));
  options.add()("seeds", "decode: how many streams, of this seed and those after it",
                cxxopts::value<size_t>()->default_value("1"), "N");
  options.add()("seconds", "decode: its length", cxxopts::value<double>()->default_value("360"));
  options.add()("fps", "decode: frames a second", cxxopts::value<double>()->default_value("8"));
  options.add()("dissolves", "decode: share of the changes that are no cuts",
                cxxopts::value<double>()->default_value("0.4"), "SHARE");
  options.add()("still", "decode: neither camera nor light moves within a scene");
  options.add()("difference", "decode: levels of 255 a block may move unseen",
                cxxopts::value<double>()->default_value("1.5"), "LEVELS");
  options.add()("pictures",
                "decode: photos to show: DIR/captions.jsonl, or a folder for each label (default: "
                "drawn scenes)",
                cxxopts::value<std::string>(), "DIR");
  options.add()("recall", "decode: cosine from which a meaning is known again (0.97)",
                cxxopts::value<double>()->default_value("0.97"), "COSINE");
  options.add()("cache", "decode: keep the embedded streams here for the next time",
                cxxopts::value<std::string>(), "DIR");
  options.add()("prompt", "model, decode: the question asked", cxxopts::value<std::string>());
  options.add()("plot", "decode: write the curves to FILE.svg", cxxopts::value<std::string>(),
                "FILE");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const auto& what = options.positionals();
  if (!common.writer.empty() && (what.empty() || what[0] != "model"))
    throw UsageError("--writer: only bench model has captions written");
  const bool peers = args->count("peers") != 0;
  if (peers && what.size() == 1 && what[0] == "kernels") run_peers("kernels", common, "");
  if (peers && what.size() == 2 && what[0] == "towers") run_peers("towers", common, what[1]);
  if (peers) throw UsageError("--peers: expected kernels, or towers FOLDER");
  if (what.size() == 2 && what[0] == "towers") return towers(common, *args, what[1]);
  if (!what.empty() && what[0] == "turns") return turns(common, what);
  if (what.size() == 1 && what[0] == "kernels") return kernels(common, args->count("isa") != 0);
  if (what.size() == 2 && what[0] == "model") return model(common, *args, what[1]);
  if (what.size() == 1 && what[0] == "giant") return giant(common, *args);
  if (what.size() == 1 && what[0] == "decode") return decode(common, *args);
  throw UsageError("expected kernels, towers FOLDER, model PICTURE, giant, or decode" +
                   (what.empty() ? std::string() : ", found \"" + what[0] + "\""));
}

}  // namespace sterna::cli
