#pragma once

#include <optional>
#include <string>
#include <vector>

// A value is one value: file names and questions may hold commas.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <sterna/models/model.h>
#include <sterna/quant/isa.h>

#include <cxxopts.hpp>

namespace sterna::cli {

/// What every command that runs a model understands.
struct Common {
  std::string model;  // empty: STERNA_MODEL or the default model
  int threads = 0;    // 0: every core this process may use
  quant::Isa isa = quant::Isa::scalar;
  bool json = false;
  std::string writer = {};  // a language model that writes in the model's place
  Sight sight = Sight::coarse;  // how closely pictures are looked at
};

/// The options of one verb: cxxopts with our help, the shared options and one-line errors.
///
///   Options options("classify", "IMAGE... --labels a,b,c", "Name the best label of each
///   picture."); options.add()("labels", "Comma-separated labels", cxxopts::value<std::string>());
///   const auto args = options.parse(argc, argv);
///   if (!args) return kDone;  // --help was printed
class Options {
 public:
  /// `verb` as typed after `sterna`; `usage` is what follows it; `description` one or more lines.
  Options(std::string verb, std::string usage, std::string description);

  /// Call it like cxxopts' adder: options.add()("name", "help", value).
  cxxopts::OptionAdder add() { return options_.add_options(); }
  /// `--model`, `--threads`, `--isa`; `--json` and `--help` are always there. With `several` models
  /// --model holds a list, and Common has none.
  void add_model_options(bool several = false);
  /// `--writer`, of verbs whose answers are written.
  void add_writer_option();
  /// `--coarse`, of verbs that look closely: Common::sight is fine without it.
  void add_sight_option();
  /// Lines printed after the options, e.g. examples.
  void epilogue(std::string text) { epilogue_ = std::move(text); }

  /// argv[0] is ignored. Positional arguments are collected in positionals(). Prints the help and
  /// returns nothing for `--help`. Throws UsageError, also for an option that holds one value and
  /// is given twice: the first would be lost.
  std::optional<cxxopts::ParseResult> parse(int argc, char** argv);

  const std::vector<std::string>& positionals() const { return positionals_; }
  /// The shared options; throws UsageError for values out of range, Error for an ISA this CPU
  /// lacks.
  Common common(const cxxopts::ParseResult& args) const;
  const std::string& verb() const { return verb_; }

 private:
  [[noreturn]] void refuse_value(int argc, char** argv);
  void refuse_repeats(const cxxopts::ParseResult& args) const;

  std::string verb_;
  std::string description_;
  std::string epilogue_;
  cxxopts::Options options_;
  std::vector<std::string> positionals_;
  bool has_model_ = false;
  bool several_models_ = false;
  bool has_writer_ = false;
  bool has_sight_ = false;
};

/// "a, b,c" -> {"a", "b", "c"}: blanks around items are dropped; throws UsageError naming `option`
/// for an empty item or fewer than `least` items.
std::vector<std::string> split_list(const std::string& text, const std::string& option,
                                    size_t least);

}  // namespace sterna::cli
