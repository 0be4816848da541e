#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/names.h"
#include "cli/scores.h"

namespace sterna::cli {

/// A model's scores: tasks, then "all".
struct ModelScores {
  std::string model;  // as shown
  std::vector<TaskScore> scores;  // as Scoreboard::scores() has them
};

/// The contract's line: {"task", "n", "accuracy", "ci95", "majority", "question_only", "ece"}, then
/// {"ece_exact", "accuracy_at_80", "sure", "sure_accuracy"} and for a task {"confusion": [{"truth",
/// "answer", "n"}]}.
Json to_json(const TaskScore& score);

/// A table for a terminal, a line a task.
std::string score_table(const std::vector<TaskScore>& scores);

/// Several models side by side, their accuracies, for a terminal: every task of any of them (with
/// the most questions that one of them answered), then all.
std::string comparison_table(std::span<const ModelScores> models);

/// "colour: blue for black 4, gray for white 2": the `most` tasks with the lowest accuracy that
/// have wrong answers, a line each.
std::string worst_confusions(const std::vector<TaskScore>& scores, size_t most);

/// The same as tables of a page.
std::string score_html(std::span<const ModelScores> models);

}  // namespace sterna::cli
