#include <sterna/quant/error.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "cli/answer_page.h"
#include "cli/answerer.h"
#include "cli/choices.h"
#include "cli/error.h"
#include "cli/file.h"
#include "cli/inputs.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/question.h"
#include "cli/session.h"
#include "cli/text.h"

namespace sterna::cli {

namespace {

size_t top_of(const cxxopts::ParseResult& args) {
  if (args.count("top") == 0) return 0;
  const int top = args["top"].as<int>();
  if (top < 1) throw UsageError("--top: expected at least 1, found " + std::to_string(top));
  return static_cast<size_t>(top);
}

std::vector<QuestionGroup> ask_each(std::vector<std::string> names, const std::string& question) {
  if (trimmed(question).empty()) throw UsageError("the question is empty");
  if (!is_utf8(question)) throw UsageError("the question is not valid UTF-8");
  std::vector<std::string> images;
  for (const std::string& name : names) {  // here - is a picture, not a list
    const auto more = name == "-" ? std::vector{name} : expand_inputs(std::vector{name});
    images.insert(images.end(), more.begin(), more.end());
  }
  std::vector<QuestionGroup> groups;
  for (std::string& image : images) {
    QuestionGroup group{image, image, {}};
    group.questions.push_back({question, {}, Json::object(), {}});
    groups.push_back(std::move(group));
  }
  return groups;
}

/// What is shown beside the answer.
struct Shown {
  size_t top = 0;         // best answers; 0: as many as the verb likes
  bool every = false;     // with top = 0 all of them
  bool open = false;      // written by the model, not chosen
  bool where = false;     // the part of the picture that supports the answer
  std::string html = {};  // a page to write
};

constexpr size_t kPageSide = 640;  // of its pictures, in pixels

struct Stopped {};  // by Ctrl-C

/// "cat (92 %), top left"; of an answer that is not sure the place of the best guess.
std::string with_place(const std::string& line, const Reply& reply) {
  const std::string place = region_words(reply.where->box());
  if (reply.answer.sure) return line + ", " + place;
  return line + "; " + printable(reply.answer.text) + ": " + place;
}

/// Asks and prints. Returns the exit code.
int run(const Answerer& model, const Common& common, const std::vector<QuestionGroup>& groups,
        const std::vector<std::string>& choices, const Shown& shown) {
  const auto lacks = [&](const std::string& what) {
    throw Error(model.path().string() + ": the model has no " + what);
  };
  if (shown.open && !model.generates()) lacks("generator to write answers with");
  if ((shown.where || !shown.html.empty()) && !model.points())
    lacks("places that an answer could be traced to, as --where and --html want");
  const auto open_question = [](const QuestionGroup& group) {
    return std::ranges::any_of(group.questions, [](const Question& question) {
      return question.error.empty() && question.choices.empty();
    });
  };
  if (!model.knows() && choices.empty() && std::ranges::any_of(groups, open_question))
    lacks("answers of its own: expected --choices or --answers");
  QuestionRun run{.choices = nullptr, .top = shown.top, .threads = common.threads};
  run.open = shown.open;
  run.where = shown.where || !shown.html.empty();
  run.picture_side = shown.html.empty() ? 0 : kPageSide;
  std::optional<InterruptGuard> interrupt;  // a page that was begun is finished
  std::optional<AnswerPage> page;
  if (!shown.html.empty()) {
    for (const QuestionGroup& group : groups)
      refuse_overwriting("--html", shown.html, {&group.path, 1});
    interrupt.emplace();
    page.emplace(shown.html, model.path().filename().string());
  }
  AnswerTable table;
  if (!choices.empty()) {
    Session session(common.threads);
    table = model.encode(choices, session);
    run.choices = &table;
  }
  const bool named = groups.size() > 1;
  const bool questions_differ = std::ranges::any_of(groups, [&](const QuestionGroup& group) {
    return std::ranges::any_of(group.questions, [&](const Question& question) {
      return question.text != groups[0].questions[0].text;
    });
  });
  int code = kDone;
  std::string cut;
  const auto tell = [&](const QuestionGroup& group, const Question& question, Reply reply) {
    if (interrupt && interrupt->requested() != 0) throw Stopped();
    if (page) page->add(group, question, reply);
    if (!shown.where) reply.where.reset();
    if (!reply.error.empty()) {
      code = kSomeFailed;
      message(reply.error);
    }
    if (reply.cut && question.text != cut) {
      cut = question.text;  // one warning, not one a picture
      message("the question is too long (" + std::to_string(cut.size()) +
              " bytes): its end is not read");
    }
    if (common.json) return print_line(to_line(reply_line(group, question, reply)));
    if (!reply.error.empty()) return;
    std::string text = reply_text(reply, shown.every ? reply.answer.candidates.size() : shown.top);
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string first = text.substr(0, end);
    text = bold(reply.where ? with_place(first, reply) : first) + text.substr(end);
    if (named) text = printable(group.image) + ": " + text;
    if (questions_differ) text = printable(question.text) + " " + text;
    print_line(text);
  };
  try {
    run_questions(model, run, groups, tell);
  } catch (const Stopped&) {
    code = interrupt->requested();
  }
  if (page) page->finish();
  return code;
}

/// A model to which questions can be put.
std::unique_ptr<Answerer> open_hearing(const Common& common) {
  auto model = open_answerer(common);
  if (!model->hears()) {
    throw Error(model->path().string() +
                ": expected a model with a predictor, which hears questions, found two towers: "
                "`sterna classify` names the best of some labels with them");
  }
  return model;
}

}  // namespace

/// `sterna ask`: questions about pictures.
int ask_command(int argc, char** argv) {
  Options options(
      "ask", "IMAGE... \"QUESTION\" [OPTION...]\n  sterna ask --batch FILE --json",
      "Ask pictures a question.\n\n"
      "IMAGE is a picture, a folder (with those below it), a pattern, @LIST, or - for a\n"
      "picture on standard input.\n");
  options.add_model_options();
  options.add_sight_option();
  options.add()("choices", "Possible answers, comma-separated", cxxopts::value<std::string>(),
                "A,B,...")("answers", "Possible answers, one a line", cxxopts::value<std::string>(),
                           "FILE")("top", "Show the N best answers", cxxopts::value<int>(), "N")(
      "open", "Write the answer instead of choosing one")(
      "batch", "Questions, a JSON object {\"image\", \"question\", \"choices\"} a line",
      cxxopts::value<std::string>(),
      "FILE")("where", "Tell which part of the picture the answer comes from")(
      "html", "Write a page with the pictures, and on them where answers come from",
      cxxopts::value<std::string>(), "FILE");
  options.add_writer_option();
  options.epilogue(
      "Without choices the answer comes from the model's own vocabulary. When the model's\n"
      "confidence is low the answer is \"not sure\", with its best guesses. --model may be a\n"
      "checkpoint with a predictor (open-vljepa's, or a folder with a sterna.json); it has no\n"
      "answers of its own, and wants choices.");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const auto choices = read_choices(*args, "choices", "answers");
  Shown shown{.top = top_of(*args), .open = args->count("open") != 0,
              .where = args->count("where") != 0};
  if (shown.open && !choices.empty()) {
    throw UsageError("--open excludes --choices and --answers");
  }
  if (!shown.open && !common.writer.empty())
    throw UsageError("--writer: only --open has answers written");
  std::vector<std::string> names = options.positionals();
  if (args->count("html") != 0) {
    shown.html = (*args)["html"].as<std::string>();
    if (shown.html.empty()) throw UsageError("--html: expected the name of a file");
    refuse_overwriting("--html", shown.html, names);
    for (const char* read : {"batch", "answers"}) {
      if (args->count(read) != 0)
        refuse_overwriting("--html", shown.html, std::vector{(*args)[read].as<std::string>()});
    }
  }
  if (args->count("batch") != 0) {
    if (!names.empty()) throw UsageError("--batch names pictures and questions itself");
    const auto groups = read_batch((*args)["batch"].as<std::string>());
    if (groups.empty()) throw Error((*args)["batch"].as<std::string>() + ": holds no question");
    return run(*open_hearing(common), common, groups, choices, shown);
  }
  if (names.size() < 2 || has_picture_extension(names.back())) {
    throw UsageError("expected pictures, then a question");
  }
  const std::string question = names.back();
  names.pop_back();
  const auto groups = ask_each(std::move(names), question);
  return run(*open_hearing(common), common, groups, choices, shown);
}

/// `sterna caption`: a sentence about each picture, written by the model.
int caption_command(int argc, char** argv) {
  Options options(
      "caption", "IMAGE... [OPTION...]",
      "Write a caption for each picture.\n\n"
      "IMAGE is a picture, a folder (with those below it), a pattern, @LIST, or - for a\n"
      "picture on standard input.\n");
  options.add_model_options();
  options.add_sight_option();
  options.add()("top", "Show the N best captions", cxxopts::value<int>(), "N");
  options.add_writer_option();
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  if (options.positionals().empty()) throw UsageError("expected a picture");
  const size_t top = top_of(*args);
  const auto model = open_answerer(common);
  const std::string question = model->caption_question();
  return run(*model, common, ask_each(options.positionals(), question), {},
             {.top = top, .open = true});
}

/// `sterna classify`: the best of some labels.
int classify_command(int argc, char** argv) {
  Options options(
      "classify", "IMAGE... --labels A,B,... [OPTION...]",
      "Name the best of some labels for each picture.\n\n"
      "IMAGE is a picture, a folder (with those below it), a pattern, @LIST, or - for a\n"
      "picture on standard input.\n");
  options.add_model_options();
  options.add_sight_option();
  options.add()("labels", "Labels, comma-separated", cxxopts::value<std::string>(), "A,B,...")(
      "labels-file", "Labels, one a line", cxxopts::value<std::string>(), "FILE")(
      "question", "What the labels answer",
      cxxopts::value<std::string>()->default_value("what is in the picture?"),
      "TEXT")("top", "Show the N best labels (default: all)", cxxopts::value<int>(), "N");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const auto labels = read_choices(*args, "labels", "labels-file");
  if (labels.empty()) throw UsageError("expected --labels or --labels-file");
  if (options.positionals().empty()) throw UsageError("expected a picture");
  const size_t top = top_of(*args);
  const auto groups = ask_each(options.positionals(), (*args)["question"].as<std::string>());
  const auto model = open_answerer(common);
  if (!model->hears() && args->count("question") != 0) {
    throw UsageError("--question: " + model->path().string() +
                     " has no predictor to hear it: write labels as its texts were");
  }
  return run(*model, common, groups, labels, {.top = top, .every = top == 0});
}

}  // namespace sterna::cli
