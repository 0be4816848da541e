#include "cli/scores.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "cli/text.h"

namespace sterna::cli {

namespace {

std::string normal_form(std::string_view text) {
  std::string out = trimmed(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

double share(size_t part, size_t n) {
  return n == 0 ? 0 : static_cast<double>(part) / static_cast<double>(n);
}

}  // namespace

bool same_answer(std::string_view a, std::string_view b) {
  return normal_form(a) == normal_form(b);
}

std::pair<double, double> wilson95(size_t right, size_t n) {
  if (n == 0) return {0, 1};
  constexpr double z = 1.959963984540054;
  const double total = static_cast<double>(n), p = share(right, n);
  const double centre = p + z * z / (2 * total);
  const double half = z * std::sqrt(p * (1 - p) / total + z * z / (4 * total * total));
  const double scale = 1 + z * z / total;
  return {std::max(0.0, (centre - half) / scale), std::min(1.0, (centre + half) / scale)};
}

double accuracy_at(double coverage, std::vector<std::pair<double, bool>> answers) {
  if (answers.empty()) return 0;
  std::sort(answers.begin(), answers.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  const double wanted = coverage * static_cast<double>(answers.size());
  double taken = 0, right = 0;
  for (size_t begin = 0, end = 0; begin < answers.size() && taken < wanted; begin = end) {
    size_t right_here = 0;
    for (; end < answers.size() && answers[end].first == answers[begin].first; ++end) {
      right_here += answers[end].second ? 1 : 0;
    }
    const auto here = static_cast<double>(end - begin);
    const double part = std::min(1.0, (wanted - taken) / here);
    taken += part * here;
    right += part * static_cast<double>(right_here);
  }
  return taken > 0 ? right / taken : 0;
}

void Scoreboard::Bin::add(const Bin& other) {
  n += other.n;
  right += other.right;
  confidence += other.confidence;
  variance += other.variance;
}

bool Scoreboard::add(const Outcome& outcome) {
  Tally& tally = tasks_[outcome.task];
  const auto accepts = [&](const std::string& answer) {
    return std::any_of(outcome.accepted.begin(), outcome.accepted.end(),
                       [&](const std::string& a) { return same_answer(a, answer); });
  };
  const bool right = accepts(outcome.answer);
  ++tally.n;
  tally.right += right ? 1 : 0;
  tally.right_without_picture += accepts(outcome.without_picture) ? 1 : 0;
  tally.sure += outcome.sure ? 1 : 0;
  tally.sure_right += outcome.sure && right ? 1 : 0;
  if (!right && !outcome.accepted.empty()) {
    ++tally.confused[{normal_form(outcome.accepted[0]), normal_form(outcome.answer)}];
  }
  std::vector<std::string> forms;  // "Red" and "red" are one answer, counted once a question
  for (const std::string& a : outcome.accepted) forms.push_back(normal_form(a));
  std::sort(forms.begin(), forms.end());
  forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
  for (const std::string& form : forms) ++tally.accepted[form];

  const double confidence = std::clamp(outcome.confidence, 0.0, 1.0);
  const size_t bin = std::min(static_cast<size_t>(confidence * kBins), kBins - 1);
  tally.bins[bin].add({1, right ? size_t{1} : 0, confidence, confidence * (1 - confidence)});
  tally.answers.emplace_back(confidence, right);
  return right;
}

TaskScore Scoreboard::score(std::string name, const Tally& tally, size_t majority) {
  TaskScore s;
  s.task = std::move(name);
  s.n = tally.n;
  s.accuracy = share(tally.right, tally.n);
  s.ci95 = wilson95(tally.right, tally.n);
  s.majority = share(majority, tally.n);
  s.question_only = share(tally.right_without_picture, tally.n);
  s.at80 = accuracy_at(0.8, tally.answers);
  s.sure = share(tally.sure, tally.n);
  s.sure_accuracy = share(tally.sure_right, tally.sure);
  for (const auto& [pair, n] : tally.confused) {
    s.confusion.push_back({pair.first, pair.second, n});
  }
  std::stable_sort(s.confusion.begin(), s.confusion.end(),
                   [](const auto& a, const auto& b) { return a.n > b.n; });
  if (s.confusion.size() > TaskScore::kMostConfusions) {
    s.confusion.resize(TaskScore::kMostConfusions);
  }
  for (const Bin& bin : tally.bins) {
    s.ece += std::abs(static_cast<double>(bin.right) - bin.confidence);
    s.ece_exact += std::sqrt(2 / std::numbers::pi * bin.variance);
  }
  if (tally.n != 0) {
    s.ece /= static_cast<double>(tally.n);
    s.ece_exact /= static_cast<double>(tally.n);
  }
  return s;
}

std::vector<TaskScore> Scoreboard::scores() const {
  std::vector<TaskScore> out;
  Tally all;
  size_t all_majority = 0;
  for (const auto& [task, tally] : tasks_) {
    size_t majority = 0;
    for (const auto& [answer, count] : tally.accepted) majority = std::max(majority, count);
    out.push_back(score(task, tally, majority));
    all.n += tally.n;
    all.right += tally.right;
    all.right_without_picture += tally.right_without_picture;
    all.sure += tally.sure;
    all.sure_right += tally.sure_right;
    all.answers.insert(all.answers.end(), tally.answers.begin(), tally.answers.end());
    all_majority += majority;
    for (size_t b = 0; b < kBins; ++b) all.bins[b].add(tally.bins[b]);
  }
  out.push_back(score("all", all, all_majority));
  return out;
}

}  // namespace sterna::cli
