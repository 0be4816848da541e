#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/answerer.h"
#include "cli/names.h"
#include "cli/session.h"
#include "cli/where.h"

namespace sterna::cli {

/// A question about the picture of its group.
struct Question {
  std::string text;
  std::vector<std::string> choices;  // empty: the run's own, or the model's answer vocabulary
  Json extra = Json::object();       // echoed into the answer's line
  std::string error;                 // not empty: the line of the batch can't be asked
};

/// Questions about one picture, which is read and seen once.
struct QuestionGroup {
  std::string image;  // as shown
  std::string path;   // as opened
  std::vector<Question> questions;
};

struct Reply {
  Answer answer;
  std::string error;  // not empty: there is no answer
  size_t decodes = 0;
  bool cut = false;            // the model did not read the question to its end
  double ms = 0;               // wall time: the picture's reading counts for its first question
  std::optional<Where> where;  // if the run wants it
  std::shared_ptr<const vision::Image> picture;  // small, upright; if the run wants it
};

struct QuestionRun {
  const AnswerTable* choices = nullptr;  // for questions without their own; nullptr: vocabulary
  size_t top = 0;                        // candidates to give; 0: all choices, 5 of a vocabulary
  int threads = 0;
  bool open = false;        // write answers to questions without choices
  bool where = false;       // also say where in the picture each answer has its support
  size_t picture_side = 0;  // keep pictures at most this wide and high; 0: none
};

/// Answers all groups in order, several pictures at a time; `reply` is called one at a time.
void run_questions(
    const Answerer& model, const QuestionRun& run, const std::vector<QuestionGroup>& groups,
    const std::function<void(const QuestionGroup&, const Question&, const Reply&)>& reply);

/// The contract's line: {"image", "question", "answer", ...} or {"image", "question", "error"}.
/// With a place also "where", and a "where" that came in with the question is then "given_where".
Json reply_line(const QuestionGroup& group, const Question& question, const Reply& reply);

/// "cat (92 %)", or "not sure: cat (31 %), dog (22 %)".
std::string reply_text(const Reply& reply, size_t top);

/// Reads a batch: a JSON object a line; neighbours that ask about one picture become a group. A
/// line that can't be asked becomes a question with an error. Throws Error if the file can't be
/// read.
std::vector<QuestionGroup> read_batch(const std::string& file);

}  // namespace sterna::cli
