#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "cli/html.h"
#include "cli/question.h"

namespace sterna::cli {

/// The page of `ask --html`: a card for each answer, with the picture, on it where the answer has
/// its support, the question, the answer and its rivals. Cards are written as they come; the file
/// appears when it is complete.
class AnswerPage {
 public:
  AnswerPage(const std::filesystem::path& path, std::string_view model);
  /// The reply's picture and place may be missing.
  void add(const QuestionGroup& group, const Question& question, const Reply& reply);
  void finish() { page_.finish(); }

 private:
  HtmlPage page_;
};

/// SVG: the picture, over it each place as dark as its share of the highest support, and the box.
/// `where` may be null. `label` is text for those who can't see it.
std::string heat_map(const vision::Image& picture, const Where* where, std::string_view label);

}  // namespace sterna::cli
