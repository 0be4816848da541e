#pragma once

#include <sterna/nn/transformer.h>

#include <cstddef>
#include <optional>
#include <span>

namespace sterna::vision {

/// Frames of one picture or clip, normalised: [frames, 3, height, width], f32, or of `count` of
/// that shape, one after the other. Owns nothing.
struct Clip {
  const float* data = nullptr;
  size_t frames = 1, height = 0, width = 0;
  size_t count = 1;
};

/// V-JEPA 2's 3D rotary positions (transformers' `VJEPA2RopeAttention`): a head's width c gives
/// three groups of 2 ((c / 3) / 2) columns, for frame, row and column; the rest passes through.
/// Where the pictures lie in the grid follows from a token's number and the *configured* grid, also
/// for clips of another size, as in the reference.
struct VideoRope {
  size_t grid = 1;  // patches in a row, and rows
  size_t head = 0;  // c
  /// V-JEPA 2.1's (facebookresearch/vjepa2, `app.vjepa_2_1`): neighbours turn by one angle.
  bool paired = false;
  /// Of its tower, `interpolate_rope`: places are those in the clip's own grid, and the last row
  /// and the last column lie at `stretched` - 1. (A grid of one row lies at 0; the reference
  /// divides by zero.) 0: not so.
  size_t stretched = 0;
};

/// DINOv3's 2D rotary positions (transformers' `DINOv3ViTRopePositionEmbedding`): a patch's centre
/// in [-1, 1] times 2 pi base^(-4j / c), j < c / 4, for row and column. Tokens before the patches
/// don't turn.
struct PlaneRope {
  double base = 100;
  size_t head = 0;  // c, a multiple of 4
};

/// How positions learned for one grid are brought to another: as torch's `interpolate` does in that
/// mode, align_corners=False, with or without antialiasing.
enum class PositionFilter { cubic, cubic_antialias, linear_antialias };

/// What makes a vision transformer of blocks: ViT, DeiT, CLIP, SigLIP, DINO and V-JEPA 2 are
/// settings of this. d width, p tokens that stand before the patches (CLS, registers).
struct VitWeights {
  quant::Linear
      patch;  // [d, 3 tubelet size size]: the convolution, columns channel, frame, row, column
  /// V-JEPA 2.1's for clips of one frame, which fill no tubelet: [d, 3 size size].
  std::optional<quant::Linear> picture_patch = {};
  size_t patch_size = 16;
  size_t tubelet = 1;               // frames a patch spans
  std::span<const float> prefix;    // [p, d]
  std::span<const float> position;  // [placed + grid grid, d], or empty
  PositionFilter filter = PositionFilter::cubic;
  size_t placed = 0;              // of the prefix tokens, the first that have positions
  std::optional<VideoRope> rope;  // one of the two, or none
  std::optional<PlaneRope> plane;
  nn::Norm embedding_norm;
  nn::Transformer blocks;
  nn::Norm final_norm;
};

/// A vision transformer (Dosovitskiy et al., arXiv 2010.11929) over bound weights. Const after
/// construction, shared by threads, each with a Workspace of its own.
class Vit {
 public:
  /// Throws sterna::Error if shapes disagree.
  explicit Vit(VitWeights weights, quant::Isa isa = quant::best_isa());

  size_t width() const { return weights_.blocks.width(); }
  size_t blocks() const { return weights_.blocks.blocks(); }
  size_t patch_size() const { return weights_.patch_size; }
  size_t prefix() const { return weights_.prefix.size() / width(); }
  size_t tubelet() const { return weights_.tubelet; }
  /// Height and width of the pictures that its positions were learned for; 0: of none in
  /// particular.
  size_t side() const;
  /// Tokens of each clip: prefix + patches; what is left over at the right and bottom is not seen,
  /// nor are frames at the end that don't fill a tubelet. Fewer than one tubelet are repeated, all
  /// of them as often as a tubelet has frames (transformers' `VJEPA2Embeddings`). Throws
  /// sterna::Error for a clip smaller than a patch.
  size_t tokens(const Clip& clip) const;

  /// out [count tokens(clip), d]: the last hidden states of each clip, prefix first, then patches
  /// by frame, row, column. Clips do not see one another and are shared out over threads. Positions
  /// learned for another grid are interpolated.
  void forward(const Clip& clip, nn::Mat<float> out, const nn::Executor& executor,
               nn::Workspace& workspace) const;
  /// The same behind the first `depth` blocks, without the final norm: transformers'
  /// hidden_states[depth]. Throws for more than blocks().
  void hidden(const Clip& clip, size_t depth, nn::Mat<float> out, const nn::Executor& executor,
              nn::Workspace& workspace) const;

 private:
  void embed_patches(const Clip& clip, nn::Mat<float> out, const nn::Executor& executor,
                     nn::Workspace& workspace) const;
  nn::Rotation turn(const Clip& clip, nn::Workspace& workspace) const;
  void add_positions(size_t rows, size_t cols, nn::Mat<float> x, nn::Workspace& workspace) const;

  VitWeights weights_;
  size_t grid_ = 0;  // of the position table
  quant::Isa isa_;
};

/// SigLIP's head (`SiglipMultiheadAttentionPoolingHead`): a learned query looks at all tokens, then
/// y + MLP(LN(y)).
struct AttentionPool {
  std::span<const float> probe;  // [d]
  nn::PreciseLinear q, k, v;     // [d, d]
  nn::PreciseLinear out;         // [d, d]
  size_t heads = 1;
  nn::Norm norm;
  nn::PreciseLinear up;    // [f, d]
  nn::PreciseLinear down;  // [d, f]
  nn::Activation activation = nn::Activation::gelu_tanh;

  /// out [d] of tokens [n, d]. Throws sterna::Error if shapes disagree.
  void forward(nn::Mat<const float> tokens, std::span<float> out, const nn::Executor& executor,
               nn::Workspace& workspace, quant::Isa isa) const;
};

}  // namespace sterna::vision
