#include <sterna/quant/error.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "cli/answerer.h"
#include "cli/error.h"
#include "cli/file.h"
#include "cli/eval_page.h"
#include "cli/interrupt.h"
#include "cli/model_path.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/question.h"
#include "cli/score_table.h"
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
    if (truth.task == "all") throw Error("\"task\": expected another name than \"all\", which is "
                                         "that of the sum of all tasks");
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
  BlindModel(const Answerer& model, int threads) : model_(model), session_(threads) {
    constexpr size_t side = 64;
    const vision::Image grey{side, side, std::vector<uint8_t>(side * side * 3, 128)};
    model_.see(grey.view(), scene_, session_);
  }

  const std::string& answer(const Question& question) {
    auto [it, fresh] = answers_.try_emplace({question.text, question.choices});
    if (!fresh) return it->second;
    if (question.choices.empty()) {
      it->second = model_.answer(scene_, question.text, nullptr, 1, session_).text;
    } else {
      auto [table, unseen] = tables_.try_emplace(question.choices);
      if (unseen) table->second = model_.encode(question.choices, session_);
      it->second = model_.answer(scene_, question.text, &table->second, 1, session_).text;
    }
    return it->second;
  }

 private:
  const Answerer& model_;
  Session session_;
  Scene scene_;
  std::map<std::pair<std::string, std::vector<std::string>>, std::string> answers_;
  std::map<std::vector<std::string>, AnswerTable> tables_;
};

constexpr size_t kPageSide = 160;  // of its pictures, in pixels
constexpr size_t kWorstTasks = 3;

struct Stopped {};  // by Ctrl-C

/// Every --model in order; an empty name (the default model) if there is none.
std::vector<std::string> models_of(const cxxopts::ParseResult& args) {
  if (args.count("model") == 0) return {std::string()};
  const auto& names = args["model"].as<std::vector<std::string>>();
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) {
    throw UsageError("--model: expected different models");
  }
  return names;
}

/// Models by their file's name, or where two have the same by all of it.
std::vector<std::string> shown_names(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> names;
  for (const auto& path : paths) names.push_back(path.filename().string());
  if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
  for (size_t i = 0; i < paths.size(); ++i) names[i] = paths[i].string();
  return names;
}

/// The questions of a file, their right answers, and what models said to them so far.
struct Evaluation {
  std::vector<QuestionGroup> groups;
  std::map<const Question*, Truth> truths;
  std::map<const Question*, std::vector<Verdict>> verdicts;  // a model each
  std::set<std::string> told;                                // faults, once each
};

Evaluation read_evaluation(const std::string& file) {
  Evaluation e{read_batch(file), {}, {}, {}};
  if (e.groups.empty()) throw Error(file + ": holds no question");
  for (QuestionGroup& group : e.groups) {
    for (Question& question : group.questions) {
      if (!question.error.empty()) continue;
      try {
        e.truths.emplace(&question, truth_of(question));
      } catch (const Error& fault) {
        question.error = file + ": " + group.image + ": \"" + question.text + "\": " + fault.what();
      }
    }
  }
  return e;
}

struct Result {
  std::vector<TaskScore> scores;
  size_t failed = 0, decodes = 0;
};

/// Asks `model` everything. With `page` (whose other models were asked before) pictures and
/// verdicts are written there.
Result evaluate(const Answerer& model, const Common& common, Evaluation& e, EvalPage* page,
                const std::vector<std::string>& names, const InterruptGuard& interrupt) {
  BlindModel blind(model, common.threads);
  Scoreboard board;
  Result result;
  QuestionRun run{.choices = nullptr, .top = 1, .threads = common.threads};
  run.picture_side = page == nullptr ? 0 : kPageSide;
  run_questions(model, run, e.groups, [&](const auto& group, const auto& question, const auto& r) {
    if (interrupt.requested() != 0) throw Stopped();
    Verdict verdict{r.answer.text, static_cast<double>(r.answer.confidence), false, r.error};
    const auto truth = e.truths.find(&question);
    if (!r.error.empty()) {
      ++result.failed;
      if (e.told.insert(r.error).second) message(r.error);
    } else {
      result.decodes += r.decodes;
      verdict.right = board.add({truth->second.task, truth->second.accepted, r.answer.text,
                                 static_cast<double>(r.answer.confidence), blind.answer(question),
                                 r.answer.sure});
    }
    std::vector<Verdict>& verdicts = e.verdicts[&question];
    verdicts.push_back(std::move(verdict));
    if (page == nullptr) return;
    const Truth known = truth == e.truths.end() ? Truth{} : truth->second;
    page->add(group.image, r.picture.get(), question.text, known.task, known.accepted, names,
              verdicts);
  });
  result.scores = board.scores();
  return result;
}

void print_json(const Result& result, const std::string* model) {
  for (const TaskScore& s : result.scores) {
    Json line = to_json(s);
    if (&s == &result.scores.back()) {
      line["failed"] = result.failed;
      line["decodes"] = result.decodes;
    }
    if (model != nullptr) put_name(line, "model", *model);
    print_line(to_line(line));
  }
}

void print_text(const Result& result, const std::string* model) {
  if (model != nullptr) print_line(bold(printable(*model)));
  print(score_table(result.scores));
  const std::string worst = worst_confusions(result.scores, kWorstTasks);
  if (!worst.empty()) print_line("Worst tasks, what was said for what:\n" + worst);
  print_line("decoder entered " + std::to_string(result.decodes) + " times, " +
             std::to_string(result.failed) + " lines failed");
}

}  // namespace

/// `sterna eval`: accuracy on a file of questions with right answers.
int eval_command(int argc, char** argv) {
  Options options(
      "eval", "FILE.jsonl [OPTION...]",
      "Ask the questions of a file and compare the answers with the right ones.\n\n"
      "Each line is a JSON object: \"image\" (relative to the file), \"question\",\n"
      "\"answer\" or a list \"answers\" of which any is right, optional \"choices\" and\n"
      "\"task\". FILE - is standard input. --model may be given several times: the models\n"
      "are asked one after the other and compared. Of two towers without a predictor\n"
      "(CLIP, SigLIP) the nearest choice is taken; they do not hear the question.\n");
  options.add_model_options(true);
  options.add_sight_option();
  options.add()("html", "Write a page with the tables, the pictures, right and wrong answers",
                cxxopts::value<std::string>(), "FILE");
  options.epilogue(
      "Columns: accuracy with Wilson's 95 % interval; majority: the share right if one always\n"
      "gave the task's most frequent answer; question only: the share right when the model sees\n"
      "a grey field in place of the picture; ECE: expected calibration error (10 bins); exact:\n"
      "what exact confidences show of it, on average, on so many answers, by chance alone; best\n"
      "80 %: accuracy on the 80 % of the questions answered most confidently; sure: the share\n"
      "the model did not call \"not sure\".");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const auto models = models_of(*args);
  if (options.positionals().size() != 1) throw UsageError("expected one file of questions");
  const std::string& file = options.positionals()[0];
  std::string html;
  if (args->count("html") != 0) {
    html = (*args)["html"].as<std::string>();
    if (html.empty()) throw UsageError("--html: expected the name of a file");
    refuse_overwriting("--html", html, {&file, 1});
  }

  Evaluation evaluation = read_evaluation(file);
  for (const QuestionGroup& group : evaluation.groups)
    refuse_overwriting("--html", html, {&group.path, 1});
  std::vector<std::filesystem::path> paths;
  for (const std::string& name : models) paths.push_back(find_model(name));
  const auto names = shown_names(paths);
  const bool several = models.size() > 1;
  const InterruptGuard interrupt;  // so that no unfinished page is left
  std::optional<EvalPage> page;
  if (!html.empty()) page.emplace(html, file);
  std::vector<ModelScores> all;
  size_t failed = 0;
  try {
    for (size_t i = 0; i < paths.size(); ++i) {
      const auto model = open_answerer(paths[i], common);
      // The last model's pass has the pictures, and knows what the others said.
      EvalPage* const here = page && i + 1 == paths.size() ? &*page : nullptr;
      const Result result = evaluate(*model, common, evaluation, here, names, interrupt);
      const std::string* const shown = several ? &names[i] : nullptr;
      if (common.json) {
        print_json(result, shown);
      } else {
        print_text(result, shown);
      }
      failed = std::max(failed, result.failed);
      all.push_back({names[i], result.scores});
    }
  } catch (const Stopped&) {
    return interrupt.requested();
  }
  if (several && !common.json) print("\n" + comparison_table(all));
  if (page) page->finish(all);
  return failed == 0 ? kDone : kSomeFailed;
}

}  // namespace sterna::cli
