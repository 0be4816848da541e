#pragma once

#include <sterna/vision/image.h>

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/html.h"
#include "cli/score_table.h"

namespace sterna::cli {

/// What a model said to one question of `sterna eval`.
struct Verdict {
  std::string answer;
  double confidence = 0;
  bool right = false;
  std::string error;  // not empty: there is no answer
};

/// The page of `eval --html`: the tables, then each picture with its questions, the right answers
/// and what the models said. Pictures are written as they come, the tables last (they are shown
/// first); the file appears when it is complete.
class EvalPage {
 public:
  EvalPage(const std::filesystem::path& path, std::string_view questions);
  /// `picture` is null where it could not be read. One verdict a model, in the order of `models`.
  void add(std::string_view image, const vision::Image* picture, std::string_view question,
           std::string_view task, std::span<const std::string> accepted,
           std::span<const std::string> models, std::span<const Verdict> verdicts);
  void finish(std::span<const ModelScores> models);

 private:
  HtmlPage page_;
};

}  // namespace sterna::cli
