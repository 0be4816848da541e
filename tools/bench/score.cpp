#include "bench/score.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <sstream>

namespace sterna::cli {
namespace {

using Counts = std::map<std::string, double>;

Counts grams(const std::string& text, size_t n) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  Counts counts;
  for (size_t i = 0; i + n <= words.size(); ++i) {
    std::string gram = words[i];
    for (size_t k = 1; k < n; ++k) gram += " " + words[i + k];
    counts[gram] += 1;
  }
  return counts;
}

}  // namespace

std::vector<size_t> nearest_outputs(const std::vector<StreamEvent>& events,
                                    const std::vector<Spoken>& outputs) {
  std::vector<size_t> nearest;
  if (outputs.empty()) return nearest;
  for (const StreamEvent& event : events) {
    const double middle = (event.start + event.end) / 2;
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < outputs.size(); ++i) {
      const double away = std::max({0.0, outputs[i].start - middle, middle - outputs[i].end});
      if (away < least) {
        least = away;
        best = i;
      }
    }
    nearest.push_back(best);
  }
  return nearest;
}

double accuracy(const std::vector<StreamEvent>& events, const std::vector<Spoken>& outputs) {
  const std::vector<size_t> nearest = nearest_outputs(events, outputs);
  size_t right = 0;
  for (size_t i = 0; i < nearest.size(); ++i) right += outputs[nearest[i]].text == events[i].label;
  return events.empty() ? 0 : static_cast<double>(right) / static_cast<double>(events.size());
}

double cider(const std::vector<StreamEvent>& events, const std::vector<Spoken>& outputs) {
  const std::vector<size_t> nearest = nearest_outputs(events, outputs);
  if (nearest.empty()) return 0;
  const auto documents = static_cast<double>(events.size());
  double total = 0;
  for (size_t n = 1; n <= 4; ++n) {
    std::map<std::string, double> frequency;
    for (const StreamEvent& event : events) {
      for (const auto& [gram, count] : grams(event.caption, n)) frequency[gram] += 1;
    }
    const auto weighted = [&](const std::string& text) {
      Counts vector = grams(text, n);
      double all = 0;
      for (const auto& [gram, count] : vector) all += count;
      for (auto& [gram, value] : vector) {
        const auto found = frequency.find(gram);
        const double seen = found == frequency.end() ? 0 : found->second;
        value = value / all * std::log(documents / std::max(1.0, seen));
      }
      return vector;
    };
    for (size_t i = 0; i < events.size(); ++i) {
      const Counts a = weighted(outputs[nearest[i]].caption), b = weighted(events[i].caption);
      double dot = 0, aa = 0, bb = 0;
      for (const auto& [gram, value] : a) {
        aa += value * value;
        if (const auto match = b.find(gram); match != b.end()) dot += value * match->second;
      }
      for (const auto& [gram, value] : b) bb += value * value;
      if (aa > 0 && bb > 0) total += dot / std::sqrt(aa * bb);
    }
  }
  return 10 * total / 4 / documents;
}

BoundaryF1 boundary_f1(const std::vector<StreamEvent>& events, const std::vector<Spoken>& outputs,
                       double tolerance) {
  const size_t found = outputs.empty() ? 0 : outputs.size() - 1;
  struct Kind {
    size_t truth = 0, hits = 0;
  } all, cuts, dissolves;
  size_t next = 0;
  for (size_t i = 1; i < events.size(); ++i) {  // both ascend: the earliest that fits is best
    Kind& kind = events[i].dissolve ? dissolves : cuts;
    const double t = events[i].start;
    ++all.truth;
    ++kind.truth;
    while (next < found && outputs[next].end < t - tolerance) ++next;
    if (next < found && outputs[next].end <= t + tolerance) {
      ++all.hits;
      ++kind.hits;
      ++next;
    }
  }
  const auto f1 = [&](const Kind& kind) -> std::optional<double> {
    if (kind.truth == 0) return std::nullopt;
    if (kind.hits == 0) return 0.0;
    const double recall = static_cast<double>(kind.hits) / static_cast<double>(kind.truth);
    const double precision = static_cast<double>(all.hits) / static_cast<double>(found);
    return 2 * recall * precision / (recall + precision);
  };
  return {f1(all).value_or(found == 0 ? 1.0 : 0.0), f1(cuts), f1(dissolves)};
}

}  // namespace sterna::cli
