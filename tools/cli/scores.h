#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sterna::cli {

/// How answers of one task compare with the right ones. Shares are of `n`.
struct TaskScore {
  std::string task;
  size_t n = 0;
  double accuracy = 0;
  std::pair<double, double> ci95;  // Wilson's interval for `accuracy`
  double majority = 0;             // always giving the task's most frequent right answer
  double question_only = 0;        // the same model without the picture
  double ece = 0;                  // expected calibration error, 10 bins of equal width
  /// What confidences that are exactly right show of it on average, for chance alone: the sum over
  /// bins of E |right - confidence| (normal approximation), over n. An `ece` near it says nothing
  /// against the confidences (cf. Broecker and Smith, Weather and Forecasting 22:651, 2007).
  double ece_exact = 0;
  double at80 = 0;           // accuracy on the 80 % of the questions answered most confidently
  double sure = 0;           // share of the questions answered with "sure" ...
  double sure_accuracy = 0;  // ... and the accuracy on those; 0 if there are none

  /// How often a wrong answer was given where another was right; most frequent first.
  struct Confusion {
    std::string truth, answer;
    size_t n = 0;
  };
  std::vector<Confusion> confusion;  // at most kMostConfusions; none for "all"
  static constexpr size_t kMostConfusions = 5;
};

/// Counts right answers a task.
///
/// An answer is right if it equals one of the accepted ones, letter case (ASCII) and blanks at the
/// ends aside. In "all", every question weighs the same, and the majority answer is each task's
/// own.
class Scoreboard {
 public:
  struct Outcome {
    std::string task;
    std::vector<std::string> accepted;
    std::string answer;
    double confidence = 0;        // in [0, 1]
    std::string without_picture;  // the question-only answer
    bool sure = false;            // the model's own word for it
  };
  /// Returns whether the answer is right.
  bool add(const Outcome& outcome);
  /// Tasks by name, then "all" (also when nothing was added).
  std::vector<TaskScore> scores() const;

 private:
  static constexpr size_t kBins = 10;
  struct Bin {
    size_t n = 0, right = 0;
    double confidence = 0;  // sum
    double variance = 0;    // of `right`, were the confidences exact
    void add(const Bin& other);
  };
  struct Tally {
    size_t n = 0, right = 0, right_without_picture = 0, sure = 0, sure_right = 0;
    std::map<std::string, size_t> accepted;
    std::map<std::pair<std::string, std::string>, size_t> confused;  // (right, given)
    std::vector<std::pair<double, bool>> answers;                    // confidence, right
    std::array<Bin, kBins> bins;
  };
  static TaskScore score(std::string name, const Tally& tally, size_t majority);

  std::map<std::string, Tally> tasks_;
};

/// Accuracy on the share `coverage` of the answers with the highest confidence: what is left when
/// the model abstains from the others (selective classification: El-Yaniv and Wiener, JMLR 11:1605,
/// 2010). Answers of equal confidence count in equal parts, so their order does not matter. 0
/// without answers. `answers`: (confidence, right).
double accuracy_at(double coverage, std::vector<std::pair<double, bool>> answers);

/// Whether two answers count as the same.
bool same_answer(std::string_view a, std::string_view b);

/// Wilson's score interval at 95 % for `right` of `n` (E. B. Wilson, JASA 22:209, 1927; Brown, Cai
/// and DasGupta, Statistical Science 16:101, 2001, eq. 4). [0, 1] for n = 0.
std::pair<double, double> wilson95(size_t right, size_t n);

}  // namespace sterna::cli
