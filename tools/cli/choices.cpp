#include "cli/choices.h"

#include <sterna/quant/error.h>

#include <set>
#include <utility>

#include "cli/error.h"
#include "cli/inputs.h"
#include "cli/text.h"

namespace sterna::cli {

namespace {

std::vector<std::string> read_answers(const std::string& file) {
  std::vector<std::string> answers;
  size_t number = 0;
  for (const std::string& line : read_lines(file)) {
    ++number;
    std::string answer = trimmed(line);
    if (answer.empty()) continue;
    if (!is_utf8(answer)) {
      throw Error(file + ":" + std::to_string(number) + ": expected UTF-8 text, found \"" +
                  answer + "\"");
    }
    answers.push_back(std::move(answer));
  }
  if (answers.empty()) throw Error(file + ": expected an answer a line, found none");
  return answers;
}

}  // namespace

std::vector<std::string> read_choices(const cxxopts::ParseResult& args, const std::string& name,
                                      const std::string& file_name) {
  if (args.count(name) != 0 && args.count(file_name) != 0)
    throw UsageError("--" + name + " and --" + file_name + " exclude each other");
  if (args.count(file_name) != 0)
    return without_repeats(read_answers(args[file_name].as<std::string>()));
  if (args.count(name) == 0) return {};
  auto choices = split_list(args[name].as<std::string>(), "--" + name, 1);
  for (const std::string& choice : choices) {
    if (!is_utf8(choice))
      throw UsageError("--" + name + ": expected UTF-8 text, found \"" + choice + "\"");
  }
  return without_repeats(std::move(choices));
}

std::vector<std::string> without_repeats(std::vector<std::string> texts) {
  std::set<std::string> known;
  std::vector<std::string> kept;
  for (std::string& text : texts) {
    if (known.insert(trimmed(text)).second) kept.push_back(std::move(text));
  }
  return kept;
}

}  // namespace sterna::cli
