#include <sterna/models/model.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <cmath>
#include <string>

#include "bench/decode.h"
#include "bench/giant.h"
#include "bench/kernels.h"
#include "bench/model.h"
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

}  // namespace

/// `sterna bench`: what this machine can do, and what selective decoding saves.
int bench_command(int argc, char** argv) {
  Options options("bench", "kernels|model PICTURE|giant|decode [OPTION...]",
                  "kernels: the machine's limits, and each kernel's share of them.\n"
                  "model: where the time of an answer about PICTURE goes.\n"
                  "giant: a stack of ternary blocks with dummy weights, written, mapped and run.\n"
                  "decode: score against decodes on a long labelled stream, for every policy.");
  options.add_model_options();
  options.add()("params", "giant: about how many weights (1e9)",
                cxxopts::value<double>()->default_value("1e9"), "N");
  options.add()("format", "giant: t2, t5, t34 or t14",
                cxxopts::value<std::string>()->default_value("t5"));
  options.add()("keep", "giant: write the file here, leave it, and take it next time",
                cxxopts::value<std::string>(), "DIR");
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
  if (what.size() == 1 && what[0] == "kernels") return kernels(common, args->count("isa") != 0);
  if (what.size() == 2 && what[0] == "model") return model(common, *args, what[1]);
  if (what.size() == 1 && what[0] == "giant") return giant(common, *args);
  if (what.size() == 1 && what[0] == "decode") return decode(common, *args);
  throw UsageError("expected kernels, model PICTURE, giant, or decode" +
                   (what.empty() ? std::string() : ", found \"" + what[0] + "\""));
}

}  // namespace sterna::cli
