#pragma once

#include <sterna/nn/activation.h>
#include <sterna/nn/attention.h>
#include <sterna/nn/key_values.h>
#include <sterna/nn/precise_linear.h>
#include <sterna/nn/rope.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

// A transformer described by data: BERT, ViT, CLIP, DINO, V-JEPA, Llama and Gemma differ in which
// of these parts are there, not in code.
//   t tokens, d width, c head width, f hidden width of the MLP
namespace sterna::nn {

struct Norm {
  enum class Kind { none, layer, rms };
  Kind kind = Kind::none;
  std::span<const float> gain;  // [d]
  std::span<const float> bias;  // [d] or empty; of a layer norm
  float eps = 0;

  explicit operator bool() const { return kind != Kind::none; }
};

/// y = norm(x); y may be x. Without a norm nothing happens, so y must then be x.
void apply(const Norm& norm, Mat<const float> x, Mat<float> y, const Executor& executor,
           quant::Isa isa) noexcept;

/// How a part f joins the stream: x <- after(x + scale * inside(f(before(x)))). Pre-norm networks
/// have `before`, BERT has `after`, Gemma has `before` and `inside`; `scale` [d] is LayerScale.
struct Residual {
  Norm before, inside, after;
  std::span<const float> scale;
};

struct SelfAttention {
  Residual residual;
  PreciseLinear q;      // [heads c, d]
  PreciseLinear k, v;   // [kv_heads c, d]
  PreciseLinear out;    // [d, heads c]
  Norm q_norm, k_norm;  // over c, before the rotation
  GroupedAttention attention;
  int rotation = -1;  // which of forward()'s rotations; -1: none
};

/// f(x) = W_down (act(W_gate x) * W_up x), or W_down act(W_up x) where `gate` is empty.
struct Mlp {
  Residual residual;
  PreciseLinear gate;  // [f, d], or none
  PreciseLinear up;    // [f, d]
  PreciseLinear down;  // [d, f]
  Activation activation = Activation::gelu;
};

struct TransformerBlock {
  SelfAttention attention;
  Mlp mlp;
};

/// Blocks over bound weights, which outlive it. Const after construction and shared by threads,
/// each with a Workspace of its own; a forward pass allocates nothing once that is warm.
class Transformer {
 public:
  Transformer() = default;
  /// Throws sterna::Error "block 3: q: expected [768, 768], found ..." if shapes disagree.
  Transformer(std::vector<TransformerBlock> blocks, size_t width,
              quant::Isa isa = quant::best_isa());

  size_t width() const { return width_; }
  size_t blocks() const { return blocks_.size(); }

  static constexpr size_t kAll = SIZE_MAX;
  /// x [t, d] in place, through the first `depth` blocks (kAll: all). `rotations` are those that
  /// blocks name by number. Nothing of one sequence reaches another, and results do not depend on
  /// the number of threads. Throws sterna::Error for more blocks than there are.
  void forward(Mat<float> x, const Sequences& sequences, std::span<const Rotation> rotations,
               const Executor& executor, Workspace& workspace, size_t depth = kAll) const;

  /// Causal text, a part at a time, through all blocks, each of which must see all that is behind a
  /// position and nothing ahead. `caches` [blocks] have keys of the blocks' widths; `rotations` are
  /// those of the rows of x. The numbers of forward() over whole sequences, up to rounding.
  /// start: x [t, d], the first t positions of sequence 0; their keys and values are kept, and
  /// `past` becomes t. step: x [n, d], the next position of each of n sequences, and `past` grows
  /// by one. Throw sterna::Error for other shapes, and where there is no room left.
  void start(Mat<float> x, std::span<KeyValues> caches, std::span<const Rotation> rotations,
             const Executor& executor, Workspace& workspace) const;
  void step(Mat<float> x, std::span<KeyValues> caches, std::span<const Rotation> rotations,
            const Executor& executor, Workspace& workspace) const;
  /// Columns of the keys of block `i`, and of its values.
  size_t key_width(size_t i) const { return blocks_[i].attention.k.m(); }

 private:
  void pass(Mat<float> x, const Sequences& sequences, std::span<const Rotation> rotations,
            const Executor& executor, Workspace& workspace, size_t depth) const;
  void check(Mat<const float> x, std::span<const Rotation> rotations) const;
  void check(std::span<const KeyValues> caches, size_t sequences, size_t positions) const;
  /// see(q, k, v, o): o = what the queries see.
  template <class See>
  void attend(const SelfAttention& part, Mat<float> x, std::span<const Rotation> rotations,
              const Executor& executor, Workspace& workspace, const See& see) const;
  void transform(const Mlp& part, Mat<float> x, const Executor& executor,
                 Workspace& workspace) const;
  void join(const Residual& residual, Mat<float> y, Mat<float> x, const Executor& executor) const;

  std::vector<TransformerBlock> blocks_;
  size_t width_ = 0;
  int rotations_ = 0;  // that forward() needs
  quant::Isa isa_ = quant::Isa::scalar;
};

}  // namespace sterna::nn
