#pragma once

#include <sterna/quant/formats.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "source.h"
#include "sterna/models/gguf.h"
#include "sterna/models/quantize.h"

namespace sterna::models {

/// What calibration puts in the place of tensors of the file, by their names.
struct Calibrated {
  std::map<std::string, quant::Packed, std::less<>> weights;    // integers
  std::map<std::string, std::vector<float>, std::less<>> bias;  // [m]
  std::vector<CalibratedMap> maps;                              // in the order of a forward pass

  /// Adds what was chosen for other tensors.
  void merge(Calibrated other);
};

/// Rounds every linear map of the text tower that `rules` store as i8 by gptq(), on what goes into
/// it when the tower reads `calibration.texts`. Maps are taken in the order of a forward pass, so
/// each sees inputs that carry the rounding of all before it. Each text counts the same, however
/// long: its embedding is the mean over its tokens. What the rounding does to the mean output goes
/// into the bias, so only the covariance of the inputs is left to gptq().
///
/// Throws sterna::Error if the file has no text tower or one whose weights are not f32, if the
/// rules store none of its maps as i8, or for no texts.
Calibrated calibrate_text(const Gguf& file, std::span<const QuantizeRule> rules,
                          const Calibration& calibration);

/// Rounds the maps of the blocks of vision tower and predictor that `rules` store as i8 or ternary
/// by gptq(), on what goes into them when the model sees `calibration.pictures` and hears what is
/// asked about them. Maps are taken in the order of a forward pass, so each sees inputs that carry
/// the rounding of all before it; stem, text tower and projections are run as they lie in the file.
/// A pass of one part is run for every map of it. Maps that are integers already stay. Memory holds
/// the pictures at the tower's size, their tokens, and every question's hidden states. Throws
/// sterna::Error for a file that is no such model, rules that round none of these maps, a predictor
/// to round and no question, and whatever reading a picture throws.
Calibrated calibrate_pictures(const Gguf& file, std::span<const QuantizeRule> rules,
                              const Calibration& calibration);

/// Rounds the maps of a converted file's transformer blocks that `rules` store as i8 or ternary by
/// gptq(), on what goes into them when the model runs on `calibration.inputs`. Blocks are taken in
/// the order of a forward pass, so each sees inputs that carry the rounding of all before it; the
/// maps of one block see the same pass. A pass is run for every block: time grows with the square
/// of the depth. Throws sterna::Error for inputs that don't fit, or reach no map of the rules.
Calibrated calibrate_model(const Source& source, const Roles& roles,
                           std::span<const QuantizeRule> rules, const Calibration& calibration);

}  // namespace sterna::models
