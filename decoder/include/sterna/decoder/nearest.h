#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/row_table.h>
#include <sterna/nn/workspace.h>

#include <cstddef>
#include <span>

namespace sterna::decoder {

/// A candidate answer, by its row in the table.
struct Scored {
  size_t index = 0;
  float cosine = 0;
  float probability = 0;  // among all candidates, see NearestAnswer
};

/// Decoding by nearest answer. With p = softmax(scale * cosine) over all candidates the best one's
/// probability is sigmoid(slope * logit(p)), the others share the rest as in p. (Platt scaling of
/// the odds for the best: many candidates that mean nearly the same take from p, but seldom from
/// being right.) A slope of 1 gives p. Const, shared by threads; entering it is counted by the
/// caller's counter, so that a program can show how often words were really asked for.
class NearestAnswer {
 public:
  NearestAnswer() = default;
  /// `scale` > 0 is the calibrated inverse temperature, `slope` in (0, 1], `sure_threshold` in
  /// [0, 1] what the best probability must reach to be called sure. Throws sterna::Error outside
  /// these ranges.
  NearestAnswer(float scale, float sure_threshold, float slope = 1);

  /// Ranks all rows of `table` against x [table.cols()] and writes the best `best.size()` of them,
  /// best first, equal ones by index. Returns whether the best one is sure. Throws sterna::Error if
  /// the table is empty, has another width, or has fewer rows than `best` asks for.
  bool decode(std::span<const float> x, const nn::RowTable& table, std::span<Scored> best,
              size_t& decodes, const nn::Executor& executor, nn::Workspace& workspace) const;

 private:
  float scale_ = 1;
  float sure_threshold_ = 0;
  float slope_ = 1;
};

}  // namespace sterna::decoder
