#include <sterna/quant/error.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "cli/error.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/question.h"
#include "cli/scores.h"
#include "cli/session.h"
#include "cli/text.h"

namespace sterna::cli {

namespace {

/// What a line of the data says beside picture, question and choices.
struct Truth {
  std::string task;
  std::vector<std::string> accepted;
};

Truth truth_of(const Question& question) {
  Truth truth{"untitled", {}};
  const Json& extra = question.extra;
  if (extra.contains("task")) {
    if (!extra["task"].is_string()) throw Error("\"task\" is no string");
    truth.task = extra["task"].get<std::string>();
  }
  // read_batch renames what an answer's line says itself.
  if (extra.contains("given_answer")) {
    if (!extra["given_answer"].is_string()) throw Error("\"answer\" is no string");
    truth.accepted.push_back(extra["given_answer"].get<std::string>());
  }
  if (extra.contains("answers")) {
    if (!extra["answers"].is_array()) throw Error("\"answers\" is no list of strings");
    for (const Json& answer : extra["answers"]) {
      if (!answer.is_string()) throw Error("\"answers\" is no list of strings");
      truth.accepted.push_back(answer.get<std::string>());
    }
  }
  if (truth.accepted.empty()) throw Error("\"answer\" is missing");
  if (question.choices.empty()) return truth;
  for (const std::string& choice : question.choices) {
    for (const std::string& answer : truth.accepted) {
      if (same_answer(choice, answer)) return truth;
    }
  }
  throw Error("no choice is a right answer");
}

/// The model's answers without a picture: in its place a uniform one in mid-grey, whose tokens say
/// as little as tokens of this tower can. A question is asked once for each list of choices.
class BlindModel {
 public:
  BlindModel(const Model& model, int threads) : model_(model), session_(threads) {
    constexpr size_t side = 64;
    const vision::Image grey{side, side, std::vector<uint8_t>(side * side * 3, 128)};
    model_.see(grey.view(), scene_, session_);
  }

  const std::string& answer(const Question& question) {
    auto [it, fresh] = answers_.try_emplace({question.text, question.choices});
    if (!fresh) return it->second;
    if (question.choices.empty()) {
      it->second = model_.answer(scene_, question.text, 1, session_).text;
    } else {
      auto [table, unseen] = tables_.try_emplace(question.choices);
      if (unseen) table->second = model_.encode(question.choices, session_);
      it->second = model_.answer(scene_, question.text, table->second, 1, session_).text;
    }
    return it->second;
  }

 private:
  const Model& model_;
  Session session_;
  Scene scene_;
  std::map<std::pair<std::string, std::vector<std::string>>, std::string> answers_;
  std::map<std::vector<std::string>, AnswerTable> tables_;
};

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

Json to_json(const TaskScore& s) {
  return {{"task", s.task},
          {"n", s.n},
          {"accuracy", rounded(s.accuracy)},
          {"ci95", {rounded(s.ci95.first), rounded(s.ci95.second)}},
          {"majority", rounded(s.majority)},
          {"question_only", rounded(s.question_only)},
          {"ece", rounded(s.ece)}};
}

std::string to_text(const TaskScore& s, int width) {
  char line[160];
  std::snprintf(line, sizeof line, " %6zu %9.3f   %.3f-%.3f %9.3f %14.3f %7.3f", s.n, s.accuracy,
                s.ci95.first, s.ci95.second, s.majority, s.question_only, s.ece);
  std::string task = printable(s.task);
  task.resize(std::max(task.size(), static_cast<size_t>(width)), ' ');
  return task + line;
}

void print_table(const std::vector<TaskScore>& scores) {
  int width = 8;
  for (const TaskScore& s : scores) {
    width = std::max(width, static_cast<int>(printable(s.task).size()));
  }
  std::string head = "task";
  head.resize(static_cast<size_t>(width), ' ');
  print_line(bold(head + "      n  accuracy          95 %  majority  question only     ECE"));
  for (const TaskScore& s : scores) print_line(to_text(s, width));
}

}  // namespace

/// `sterna eval`: accuracy on a file of questions with right answers.
int eval_command(int argc, char** argv) {
  Options options(
      "eval", "FILE.jsonl [OPTION...]",
      "Ask the questions of a file and compare the answers with the right ones.\n\n"
      "Each line is a JSON object: \"image\" (relative to the file), \"question\",\n"
      "\"answer\" or a list \"answers\" of which any is right, optional \"choices\" and\n"
      "\"task\". FILE - is standard input.\n");
  options.add_model_options();
  options.epilogue(
      "Columns: accuracy with Wilson's 95 % interval; majority: the share right if one always\n"
      "gave the task's most frequent answer; question only: the share right when the model sees\n"
      "a grey field in place of the picture; ECE: expected calibration error (10 bins).");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  if (options.positionals().size() != 1) throw UsageError("expected one file of questions");
  const std::string& file = options.positionals()[0];

  auto groups = read_batch(file);
  if (groups.empty()) throw Error(file + ": holds no question");
  std::map<const Question*, Truth> truths;
  for (QuestionGroup& group : groups) {
    for (Question& question : group.questions) {
      if (!question.error.empty()) continue;
      try {
        truths.emplace(&question, truth_of(question));
      } catch (const Error& e) {
        question.error = file + ": " + group.image + ": \"" + question.text + "\": " + e.what();
      }
    }
  }

  const Model model = open_model(common);
  BlindModel blind(model, common.threads);
  Scoreboard board;
  size_t failed = 0, decodes = 0;
  const QuestionRun run{.choices = nullptr, .top = 1, .threads = common.threads};
  run_questions(model, run, groups, [&](const auto&, const auto& question, const auto& reply) {
    if (!reply.error.empty()) {
      ++failed;
      return message(reply.error);
    }
    decodes += reply.decodes;
    const Truth& truth = truths.at(&question);
    board.add({truth.task, truth.accepted, reply.answer.text, reply.answer.confidence,
               blind.answer(question)});
  });

  const auto scores = board.scores();
  if (common.json) {
    for (const TaskScore& s : scores) {
      Json line = to_json(s);
      if (&s == &scores.back()) {
        line["failed"] = failed;
        line["decodes"] = decodes;
      }
      print_line(to_line(line));
    }
  } else {
    print_table(scores);
    print_line("decoder entered " + std::to_string(decodes) + " times, " + std::to_string(failed) +
               " lines failed");
  }
  return failed == 0 ? kDone : kSomeFailed;
}

}  // namespace sterna::cli
