#include "cli/question.h"

#include <sterna/quant/error.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <set>
#include <unordered_map>
#include <utility>

#include "cli/choices.h"
#include "cli/file.h"
#include "cli/inputs.h"
#include "cli/pipeline.h"
#include "cli/text.h"
#include "cli/thumbnail.h"

namespace fs = std::filesystem;

namespace sterna::cli {

namespace {

constexpr size_t kVocabularyTop = 5;
constexpr size_t kWrittenTop = 3;
constexpr size_t kNotSureShown = 3;
constexpr size_t kPrefetch = 16;
// A picture with very many questions is seen again now and then, so that threads share the work.
constexpr size_t kMostQuestionsAGroup = 64;
constexpr size_t kMostChoiceVectors = 20'000;

using Clock = std::chrono::steady_clock;

/// Six decimals: what a float probability is good for, without its binary tail.
double rounded(double value) { return std::round(value * 1e6) / 1e6; }

/// The vectors of choices, kept from question to question: batches ask many with the same few.
class ChoiceCache {
 public:
  AnswerTable table(const Answerer& model, const std::vector<std::string>& choices,
                    Session& session) {
    std::vector<std::string> missing;
    for (const std::string& choice : choices) {
      if (!vectors_.contains(choice)) missing.push_back(choice);
    }
    if (vectors_.size() + missing.size() > kMostChoiceVectors) {
      vectors_.clear();
      missing = choices;
    }
    const AnswerTable encoded = model.encode(missing, session);
    for (size_t i = 0; i < missing.size(); ++i) {
      const size_t dim = encoded.embeddings.size() / missing.size();
      const auto* row = encoded.embeddings.data() + i * dim;
      vectors_[missing[i]].assign(row, row + dim);
    }
    AnswerTable table{choices, {}};
    for (const std::string& choice : choices) {
      const std::vector<float>& row = vectors_.at(choice);
      table.embeddings.insert(table.embeddings.end(), row.begin(), row.end());
    }
    return table;
  }

 private:
  std::unordered_map<std::string, std::vector<float>> vectors_;
};

struct QuestionWorker : Worker {
  using Worker::Worker;
  ChoiceCache choices;
};

Answer answer(const Answerer& model, const QuestionRun& run, const Question& question,
              QuestionWorker& worker) {
  const auto from = [&](const AnswerTable& table) {
    const size_t top = run.top == 0 ? table.texts.size() : run.top;
    return model.answer(worker.scene, question.text, &table, top, worker.session);
  };
  if (!question.choices.empty()) {
    return from(worker.choices.table(model, question.choices, worker.session));
  }
  if (run.choices != nullptr) return from(*run.choices);
  if (run.open) {
    return model.write(worker.scene, question.text, run.top == 0 ? kWrittenTop : run.top,
                       worker.session);
  }
  const size_t top = run.top == 0 ? kVocabularyTop : run.top;
  return model.answer(worker.scene, question.text, nullptr, top, worker.session);
}

std::vector<Reply> ask(const Answerer& model, const QuestionRun& run, const QuestionGroup& group,
                       QuestionWorker& worker) {
  std::vector<Reply> replies(group.questions.size());
  std::string unreadable;
  std::shared_ptr<const vision::Image> picture;
  bool seen = false;
  for (size_t i = 0; i < replies.size(); ++i) {
    const Question& question = group.questions[i];
    const auto start = Clock::now();
    const size_t decodes = worker.session.decodes;
    replies[i].error = question.error.empty() ? unreadable : question.error;
    if (!replies[i].error.empty()) continue;
    try {
      if (!seen) {
        read_picture(group.path, worker);
        const vision::Image image = decode_picture(group.path, worker);
        model.see(image.view(), worker.scene, worker.session);
        if (run.picture_side > 0) picture = thumbnail(image.view(), run.picture_side);
        seen = true;
      }
      replies[i].picture = picture;
      replies[i].cut = !model.hears_whole(question.text);
      replies[i].answer = answer(model, run, question, worker);
      if (run.where) {
        Where& where = replies[i].where.emplace();
        where.seen = worker.scene.seen;
        model.support(worker.scene, question.text, replies[i].answer.text, where.support,
                      worker.session);
      }
    } catch (...) {
      replies[i].error = current_fault(group.path);
      if (!seen) unreadable = replies[i].error;
    }
    replies[i].decodes = worker.session.decodes - decodes;
    replies[i].ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  }
  return replies;
}

/// A line of a batch; `folder` is what its picture's name is relative to.
void parse_line(const std::string& text, const fs::path& folder, QuestionGroup& group,
                Question& question) {
  const Json line = Json::parse(text, nullptr, false);
  if (line.is_discarded()) throw Error("expected a JSON object, found no JSON");
  if (!line.is_object()) throw Error("expected a JSON object, found another JSON value");
  const auto string_at = [&](const char* key) {
    if (!line.contains(key)) throw Error(std::string("\"") + key + "\" is missing");
    if (!line[key].is_string()) throw Error(std::string("\"") + key + "\" is no string");
    return line[key].get<std::string>();
  };
  // What the answer's line says itself is not overwritten by what is echoed.
  static const std::set<std::string> kOwn = {"answer",  "confidence", "candidates", "sure",
                                             "decodes", "ms",         "error"};
  for (const auto& [key, value] : line.items()) {
    if (key == "image" || key == "question" || key == "choices") continue;
    question.extra[kOwn.contains(key) ? "given_" + key : key] = value;
  }
  if (line.contains("image") && line["image"].is_string()) group.image = line["image"];
  if (line.contains("question") && line["question"].is_string()) question.text = line["question"];
  const std::string image = string_at("image");
  if (image.empty()) throw Error("\"image\" is empty");
  if (image.find('\0') != std::string::npos)
    throw Error("\"image\": expected the name of a file, found a NUL byte in it");
  group.path = (folder / image).string();
  if (group.path == "-") group.path = "./-";  // a file, not standard input
  if (trimmed(string_at("question")).empty()) throw Error("\"question\" is empty");
  if (!line.contains("choices") || line["choices"].is_null()) return;
  const Json& choices = line["choices"];
  if (!choices.is_array() || choices.empty()) throw Error("\"choices\" is no list of strings");
  for (const Json& choice : choices) {
    if (!choice.is_string()) throw Error("\"choices\" is no list of strings");
    question.choices.push_back(choice.get<std::string>());
    if (trimmed(question.choices.back()).empty()) throw Error("\"choices\": an item is empty");
  }
  question.choices = without_repeats(std::move(question.choices));
}

}  // namespace

void run_questions(
    const Answerer& model, const QuestionRun& run, const std::vector<QuestionGroup>& groups,
    const std::function<void(const QuestionGroup&, const Question&, const Reply&)>& reply) {
  const auto deliver = [&](const QuestionGroup& group, const std::vector<Reply>& replies) {
    for (size_t i = 0; i < replies.size(); ++i) reply(group, group.questions[i], replies[i]);
  };
  if (groups.size() == 1) {  // one picture gets all threads
    QuestionWorker worker(run.threads);
    return deliver(groups[0], ask(model, run, groups[0], worker));
  }
  ordered_pipeline(
      0, groups.size(), run.threads, [] { return QuestionWorker(1); },
      [&](size_t i) {
        if (i + kPrefetch < groups.size()) prefetch_file(groups[i + kPrefetch].path);
      },
      [&](QuestionWorker& worker, size_t i) { return ask(model, run, groups[i], worker); },
      [&](size_t i, const std::vector<Reply>& replies) {
        deliver(groups[i], replies);
        return true;
      });
}

Json reply_line(const QuestionGroup& group, const Question& question, const Reply& reply) {
  Json line;
  put_name(line, "image", group.image);
  line["question"] = question.text;
  if (!reply.error.empty()) {
    line["error"] = reply.error;
  } else {
    line["answer"] = reply.answer.text;
    line["confidence"] = rounded(reply.answer.confidence);
    line["candidates"] = Json::array();
    for (const Candidate& candidate : reply.answer.candidates) {
      line["candidates"].push_back({{"text", candidate.text}, {"score", rounded(candidate.score)}});
    }
    line["sure"] = reply.answer.sure;
    line["decodes"] = reply.decodes;
    line["ms"] = std::round(reply.ms * 1e3) / 1e3;
    if (reply.where) line["where"] = to_json(*reply.where);
  }
  for (const auto& [key, value] : question.extra.items()) {
    line[key == "where" && reply.where ? "given_where" : key] = value;
  }
  return line;
}

std::string reply_text(const Reply& reply, size_t top) {
  const auto guess = [](const std::string& text, float share) {
    return printable(text) + " (" + std::to_string(std::lround(100 * share)) + " %)";
  };
  const Answer& answer = reply.answer;
  std::string text = answer.sure ? guess(answer.text, answer.confidence) : "not sure:";
  const size_t shown = top > 0 ? top : answer.sure ? 0 : kNotSureShown;
  bool first = true;
  for (size_t i = 0; i < std::min(shown, answer.candidates.size()); ++i) {
    const Candidate& candidate = answer.candidates[i];
    if (top > 0) {
      text += "\n  " + guess(candidate.text, candidate.score);
    } else {
      text += (first ? " " : ", ") + guess(candidate.text, candidate.score);
      first = false;
    }
  }
  return text;
}

std::vector<QuestionGroup> read_batch(const std::string& file) {
  const fs::path folder = file == "-" ? fs::path() : fs::path(file).parent_path();
  std::vector<QuestionGroup> groups;
  size_t number = 0;
  for (const std::string& text : read_lines(file)) {
    ++number;
    if (text.find_first_not_of(" \t") == std::string::npos) continue;
    QuestionGroup group;
    Question question;
    try {
      parse_line(text, folder, group, question);
    } catch (const std::exception& e) {
      question.error = file + ":" + std::to_string(number) + ": " + e.what();
    }
    const bool together = !groups.empty() && question.error.empty() &&
                          groups.back().path == group.path &&
                          groups.back().questions.size() < kMostQuestionsAGroup;
    if (!together) groups.push_back(std::move(group));
    groups.back().questions.push_back(std::move(question));
  }
  return groups;
}

}  // namespace sterna::cli
