#include "cli/options.h"

#include <sterna/quant/error.h>

#include <memory>

#include "cli/error.h"
#include "cli/output.h"
#include "cli/text.h"

namespace sterna::cli {

namespace {
constexpr int kMostThreads = 1024;
}

Options::Options(std::string verb, std::string usage, std::string description)
    : verb_(std::move(verb)),
      description_(std::move(description)),
      options_("sterna " + verb_, description_) {
  options_.custom_help(usage);
  options_.positional_help("");
  options_.add_options()("json", "One JSON object a line on standard output")("h,help",
                                                                              "Print this help");
}

void Options::add_model_options(bool several) {
  has_model_ = true;
  several_models_ = several;
  std::shared_ptr<cxxopts::Value> value = cxxopts::value<std::string>();
  if (several) value = cxxopts::value<std::vector<std::string>>();
  options_.add_options()("model", "Model (default: $STERNA_MODEL, else the one installed)", value,
                         "FILE")(
      "threads", "Threads (0 = all cores)", cxxopts::value<int>()->default_value("0"), "N")(
      "isa", "Force an instruction set: scalar, avx2, avxvnni, avx512, amx, neon",
      cxxopts::value<std::string>(), "NAME");
}

void Options::add_writer_option() {
  has_writer_ = true;
  options_.add_options()("writer",
                         "Write with a language model (GGUF) that the model has a prefix for",
                         cxxopts::value<std::string>(), "FILE");
}

void Options::add_sight_option() {
  has_sight_ = true;
  options_.add_options()(
      "coarse",
      "Look at each picture once: several times as fast, small things are not seen as well");
}

std::optional<cxxopts::ParseResult> Options::parse(int argc, char** argv) {
  try {
    auto result = options_.parse(argc, argv);
    if (result.count("help") != 0) {
      print(options_.help({""}));
      if (!epilogue_.empty()) print_line("\n" + epilogue_);
      return std::nullopt;
    }
    refuse_repeats(result);
    positionals_ = result.unmatched();  // unknown options have thrown by now
    return result;
  } catch (const cxxopts::exceptions::incorrect_argument_type&) {
    refuse_value(argc, argv);
  } catch (const cxxopts::exceptions::exception& e) {
    throw UsageError(e.what());
  }
}

void Options::refuse_value(int argc, char** argv) {
  // cxxopts does not tell whose value it is: the last argument of the fewest that it refuses so.
  int good = 1, bad = argc;
  while (bad - good > 1) {
    const int half = good + (bad - good) / 2;
    try {
      options_.parse(half, argv);
      good = half;
    } catch (const cxxopts::exceptions::incorrect_argument_type&) {
      bad = half;
    } catch (const cxxopts::exceptions::exception&) {
      good = half;  // an option whose value is the next argument
    }
  }
  const std::string last = argv[bad - 1];
  const size_t equals = last.starts_with("--") ? last.find('=') : std::string::npos;
  const bool joined = equals != std::string::npos;
  throw UsageError((joined ? last.substr(0, equals) : argv[bad - 2]) +
                   ": expected a number it can take, found \"" +
                   (joined ? last.substr(equals + 1) : last) + "\"");
}

void Options::refuse_repeats(const cxxopts::ParseResult& args) const {
  for (const cxxopts::HelpOptionDetails& option : options_.group_help("").options) {
    if (option.is_container || option.is_boolean) continue;
    const std::string& name = option.l.front();
    if (args.count(name) > 1) {
      throw UsageError("--" + name + ": expected it once, found it " +
                       std::to_string(args.count(name)) + " times");
    }
  }
}

Common Options::common(const cxxopts::ParseResult& args) const {
  Common common;
  common.json = args.count("json") != 0;
  if (!has_model_) return common;
  if (!several_models_ && args.count("model") != 0)
    common.model = args["model"].as<std::string>();
  if (has_writer_ && args.count("writer") != 0) {
    common.writer = args["writer"].as<std::string>();
    if (common.writer.empty()) throw UsageError("--writer: expected the name of a file");
  }
  if (has_sight_ && args.count("coarse") == 0) common.sight = Sight::fine;
  common.threads = args["threads"].as<int>();
  if (common.threads < 0 || common.threads > kMostThreads) {
    throw UsageError("--threads: expected 0 to " + std::to_string(kMostThreads) + ", found " +
                     std::to_string(common.threads));
  }
  common.isa = quant::best_isa();
  if (args.count("isa") != 0) {
    try {
      common.isa = quant::parse_isa(args["isa"].as<std::string>());
    } catch (const Error& e) {
      throw UsageError(std::string("--isa: ") + e.what());
    }
  }
  return common;
}

std::vector<std::string> split_list(const std::string& text, const std::string& option,
                                    size_t least) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    items.push_back(trimmed(std::string_view(text).substr(begin, end - begin)));
    if (items.back().empty()) throw UsageError(option + ": an item is empty");
    begin = end + 1;
  }
  if (items.size() < least) {
    throw UsageError(option + ": expected at least " + std::to_string(least) + " items, found " +
                     std::to_string(items.size()));
  }
  return items;
}

}  // namespace sterna::cli
