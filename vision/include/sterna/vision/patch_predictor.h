#pragma once

#include <sterna/vision/vit.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sterna::vision {

/// The head that V-JEPA 2 is trained with (arXiv 2506.09985; transformers' `VJEPA2Predictor`): from
/// the tokens of the patches that are seen to those of the patches that are asked for. d width of
/// the tower, p of the head, o of what is predicted (d, of V-JEPA 2.1 its teacher's).
struct PatchPredictorWeights {
  /// [p, d]; or of V-JEPA 2.1's larger ones [d, i d], which then goes on by a GELU and `narrow`:
  /// they look at the tokens of i layers side by side.
  quant::Linear in;
  std::optional<quant::Linear> narrow = {};  // [p, d]
  std::span<const float> mask;  // [p]: stands for a patch that is asked for
  /// V-JEPA 2.1's `img_mod_embed` and `video_mod_embed`, added to all: [p], or empty.
  std::span<const float> of_picture = {}, of_clip = {};
  VideoRope rope;
  nn::Transformer blocks;
  nn::Norm norm;
  quant::Linear out;  // [o, p]
};

/// Const after construction, shared by threads, each with a Workspace of its own.
class PatchPredictor {
 public:
  /// Throws sterna::Error if shapes disagree.
  explicit PatchPredictor(PatchPredictorWeights weights, quant::Isa isa = quant::best_isa());

  size_t width() const { return weights_.out.m(); }  // o
  size_t input() const { return weights_.in.k(); }   // d, or i d

  /// Of tokens [n, input()] of a clip, or of a `picture`, those numbered `seen` are looked at; out
  /// [asked.size(), o] gets the tokens numbered `asked`, which may be any number, of patches beyond
  /// the clip too. A patch may be in both lists. Throws sterna::Error for shapes that disagree, or
  /// a seen token that isn't there.
  void forward(nn::Mat<const float> tokens, bool picture, std::span<const uint32_t> seen,
               std::span<const uint32_t> asked, nn::Mat<float> out, const nn::Executor& executor,
               nn::Workspace& workspace) const;

 private:
  PatchPredictorWeights weights_;
  quant::Isa isa_;
};

}  // namespace sterna::vision
