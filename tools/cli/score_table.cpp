#include "cli/score_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "cli/html.h"
#include "cli/output.h"
#include "cli/text.h"

namespace sterna::cli {

namespace {

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

std::string interval(const TaskScore& s) {
  return number(s.ci95.first) + "-" + number(s.ci95.second);
}

/// `text` at the start of a column `width` wide.
std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

/// `text` at the end of a column; bytes are counted, so longer scripts only stand less straight.
std::string right_of(const std::string& text, size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}

size_t task_width(const std::vector<TaskScore>& scores) {
  size_t width = 8;
  for (const TaskScore& s : scores) width = std::max(width, printable(s.task).size());
  return width;
}

std::string confusions(const TaskScore& s) {
  std::string text;
  for (const TaskScore::Confusion& c : s.confusion) {
    text += (text.empty() ? "" : ", ") + c.answer + " for " + c.truth + " " + std::to_string(c.n);
  }
  return text;
}

}  // namespace

Json to_json(const TaskScore& s) {
  Json line = {{"task", s.task},
               {"n", s.n},
               {"accuracy", rounded(s.accuracy)},
               {"ci95", {rounded(s.ci95.first), rounded(s.ci95.second)}},
               {"majority", rounded(s.majority)},
               {"question_only", rounded(s.question_only)},
               {"ece", rounded(s.ece)},
               {"ece_exact", rounded(s.ece_exact)},
               {"accuracy_at_80", rounded(s.at80)},
               {"sure", rounded(s.sure)},
               {"sure_accuracy", rounded(s.sure_accuracy)}};
  for (const TaskScore::Confusion& c : s.confusion) {
    line["confusion"].push_back({{"truth", c.truth}, {"answer", c.answer}, {"n", c.n}});
  }
  return line;
}

std::string score_table(const std::vector<TaskScore>& scores) {
  const size_t width = task_width(scores);
  std::string out = bold(padded("task", width) +
                         "      n  accuracy          95 %  majority  question only     ECE  exact"
                         "  best 80 %   sure") +
                    "\n";
  for (const TaskScore& s : scores) {
    char line[192];
    std::snprintf(line, sizeof line,
                  " %6zu %9.3f   %.3f-%.3f %9.3f %14.3f %7.3f %6.3f %10.3f %6.3f", s.n,
                  s.accuracy, s.ci95.first, s.ci95.second, s.majority, s.question_only, s.ece,
                  s.ece_exact, s.at80, s.sure);
    out += padded(printable(s.task), width) + line + "\n";
  }
  return out;
}

std::string comparison_table(std::span<const ModelScores> models) {
  if (models.empty()) return {};
  // A question fails for all models or none, unless a model broke: then tasks may differ.
  std::map<std::string, size_t> tasks;  // each with its most questions
  size_t width = 0, questions = 0;
  for (const ModelScores& m : models) {
    width = std::max(width, task_width(m.scores));
    questions = std::max(questions, m.scores.back().n);
    for (size_t i = 0; i + 1 < m.scores.size(); ++i) {
      size_t& n = tasks[m.scores[i].task];
      n = std::max(n, m.scores[i].n);
    }
  }
  std::string head = padded("task", width) + "      n";
  for (const ModelScores& m : models) {
    head += "  " + right_of(printable(m.model), 19);
  }
  std::string out = bold(head) + "\n";
  // `score` gives a model's score, or nullptr.
  const auto row = [&](const std::string& task, size_t n, auto score) {
    out += padded(printable(task), width) + right_of(std::to_string(n), 7);
    for (const ModelScores& m : models) {
      const TaskScore* s = score(m);
      const std::string cell =
          s == nullptr ? "-" : number(s->accuracy) + " (" + interval(*s) + ")";
      out += "  " + right_of(cell, std::max<size_t>(19, printable(m.model).size()));
    }
    out += "\n";
  };
  for (const auto& task : tasks) {
    row(task.first, task.second, [&](const ModelScores& m) -> const TaskScore* {
      const auto end = m.scores.end() - 1;
      const auto same = std::find_if(m.scores.begin(), end,
                                     [&](const TaskScore& s) { return s.task == task.first; });
      return same == end ? nullptr : &*same;
    });
  }
  row("all", questions, [](const ModelScores& m) { return &m.scores.back(); });
  return out;
}

std::string worst_confusions(const std::vector<TaskScore>& scores, size_t most) {
  std::vector<const TaskScore*> worst;
  for (const TaskScore& s : scores) {
    if (!s.confusion.empty()) worst.push_back(&s);
  }
  std::stable_sort(worst.begin(), worst.end(), [](const TaskScore* a, const TaskScore* b) {
    return a->accuracy < b->accuracy;
  });
  worst.resize(std::min(worst.size(), most));
  std::string out;
  for (const TaskScore* s : worst) out += printable(s->task + ": " + confusions(*s)) + "\n";
  return out;
}

std::string score_html(std::span<const ModelScores> models) {
  std::string out;
  for (const ModelScores& m : models) {
    out += "<h2>" + html_text(m.model) +
           "</h2>\n<table class=\"scores\"><tr><th>task</th><th>n</th><th>accuracy</th>"
           "<th>95 %</th><th>majority</th><th>question only</th><th>ECE (exact)</th>"
           "<th>best 80 %</th><th>sure</th><th>given for right</th></tr>\n";
    for (const TaskScore& s : m.scores) {
      out += "<tr><td>" + html_text(s.task) + "</td><td>" + std::to_string(s.n) + "</td><td>" +
             number(s.accuracy) + "</td><td>" + interval(s) + "</td><td>" + number(s.majority) +
             "</td><td>" + number(s.question_only) + "</td><td>" + number(s.ece) + " (" +
             number(s.ece_exact) + ")</td><td>" + number(s.at80) + "</td><td>" + number(s.sure) +
             "</td><td>" + html_text(confusions(s)) + "</td></tr>\n";
    }
    out += "</table>\n";
  }
  return out;
}

}  // namespace sterna::cli
