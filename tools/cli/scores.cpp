#include "cli/scores.h"

#include <algorithm>
#include <cmath>

namespace sterna::cli {

namespace {

std::string normal_form(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  std::string out(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
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

void Scoreboard::add(const Outcome& outcome) {
  Tally& tally = tasks_[outcome.task];
  const auto accepts = [&](const std::string& answer) {
    return std::any_of(outcome.accepted.begin(), outcome.accepted.end(),
                       [&](const std::string& a) { return same_answer(a, answer); });
  };
  const bool right = accepts(outcome.answer);
  ++tally.n;
  tally.right += right ? 1 : 0;
  tally.right_without_picture += accepts(outcome.without_picture) ? 1 : 0;
  std::vector<std::string> forms;  // "Red" and "red" are one answer, counted once a question
  for (const std::string& a : outcome.accepted) forms.push_back(normal_form(a));
  std::sort(forms.begin(), forms.end());
  forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
  for (const std::string& form : forms) ++tally.accepted[form];

  const double confidence = std::clamp(outcome.confidence, 0.0, 1.0);
  Bin& bin = tally.bins[std::min(static_cast<size_t>(confidence * kBins), kBins - 1)];
  ++bin.n;
  bin.right += right ? 1 : 0;
  bin.confidence += confidence;
}

TaskScore Scoreboard::score(std::string name, const Tally& tally, size_t majority) {
  TaskScore s{std::move(name),
              tally.n,
              share(tally.right, tally.n),
              wilson95(tally.right, tally.n),
              share(majority, tally.n),
              share(tally.right_without_picture, tally.n),
              0};
  for (const Bin& bin : tally.bins) {
    s.ece += std::abs(static_cast<double>(bin.right) - bin.confidence);
  }
  if (tally.n != 0) s.ece /= static_cast<double>(tally.n);
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
    all_majority += majority;
    for (size_t b = 0; b < kBins; ++b) {
      all.bins[b].n += tally.bins[b].n;
      all.bins[b].right += tally.bins[b].right;
      all.bins[b].confidence += tally.bins[b].confidence;
    }
  }
  out.push_back(score("all", all, all_majority));
  return out;
}

}  // namespace sterna::cli
