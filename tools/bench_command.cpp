#include <string>

#include "bench_kernels.h"
#include "bench_model.h"
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

}  // namespace

/// `sterna bench`: what this machine can do, and where the time of an answer goes.
int bench_command(int argc, char** argv) {
  Options options("bench", "kernels|model PICTURE [OPTION...]",
                  "kernels: the machine's limits, and each kernel's share of them.\n"
                  "model: where the time of an answer about PICTURE goes.");
  options.add_model_options();
  options.add()("prompt", "model: the question asked", cxxopts::value<std::string>());
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const auto& what = options.positionals();
  if (what.size() == 1 && what[0] == "kernels") return kernels(common, args->count("isa") != 0);
  if (what.size() == 2 && what[0] == "model") return model(common, *args, what[1]);
  throw UsageError("expected kernels, or model PICTURE" +
                   (what.empty() ? std::string() : ", found \"" + what[0] + "\""));
}

}  // namespace sterna::cli
