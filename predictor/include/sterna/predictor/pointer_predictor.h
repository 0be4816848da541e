#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/ternary_block.h>
#include <sterna/nn/workspace.h>
#include <sterna/predictor/ground.h>
#include <sterna/predictor/referents.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sterna::predictor {

/// One question about one picture. L question tokens; T vision tokens, the first of the picture as
/// a whole, the others of its places, row by row.
struct Query {
  nn::Mat<const float> question;  // [L, question width]: last hidden states of the text tower
  nn::Mat<const float> vision;    // [T, vision width]
  nn::Mat<const float> meaning;   // [T, dim]: what each place says in the text space
  size_t columns = 0;             // places a row; 0: not known, where and how many cannot be told
  size_t absent = SIZE_MAX;       // the place of the grid that has no token; SIZE_MAX: none
  nn::Mat<const float> fine = {};  // [T, dim]: meaning seen closer, in which words are found; or {}

  const nn::Mat<const float>& found_in() const { return fine.rows > 0 ? fine : meaning; }
};

/// The joint-embedding predictor: a bidirectional transformer over [answer token; question; vision]
/// that predicts the embedding of the answer (the shape of VL-JEPA, arXiv 2512.10942), with a gated
/// pointer (after See et al., arXiv 1704.04368) that reads the places of the picture it points at
/// twice: what they say in the text space, and their vision tokens, as the question wants them.
/// Beside these it is told how well the picture matches the question at all, which the softmax
/// hides, and where and in how many parts the places lie. Words and places know of each other
/// beforehand, f: where each word finds what it means, and how well each place is what is asked for
/// (grounded.h), which ternary maps of text tokens do not tell as exactly. They are found in what
/// lies at the places, g (ground.h; what they say in a file without), seen closer if they were.
/// How the things lie to each other that the question names, it is told apart (referents.h: `more`,
/// gains b_i of the places' scores, the share l; nothing in a file without):
///   f = grounded(h, g)
///   z = blocks([a; W_q h + b_q + W_wf f_word; W_v v + b_v + W_pf f_place]), RMSNorm
///   a_i = (W_pq z_0) . (W_pk z_i) / sqrt(c) + (W_f z_0 + b_f) . f_place_i + b_i
///         for vision tokens i
///   alpha = softmax(a)
///   p = sum alpha_i s_i;  q = L2norm(sum h);  c_i = 5 s_i . q
///   m = (max a, mean a, log mean exp a, mean sigmoid(a), max c, mean c, 5 p . q, c_0,
///        layout(a_1..))
///   y = z_0 + sigmoid(W_rg z_0 + b_rg) * (W_r sum alpha_i v_i + W_m m) + more
///   e = W_head y + b
///   out = L2norm(s e + sigmoid(w_g . z_0 + b_g) p + l sum alpha_i g_i), s = `head_scale`
/// Const after construction, shared by threads.
class PointerPredictor {
 public:
  struct Weights {
    std::span<const float> answer;  // [d]
    quant::Linear question;         // [d, question width] + bias
    quant::Linear vision;           // [d, vision width] + bias
    std::vector<nn::TernaryBlock> blocks;
    std::span<const float> norm;  // [d]
    quant::Linear head;           // [dim, d] + bias
    quant::Linear pointer_query;  // [c, d]
    quant::Linear pointer_key;    // [c, d]
    quant::Linear gate;           // [1, d] + bias
    quant::Linear read;           // [d, vision width]
    quant::Linear read_gate;      // [d, d] + bias
    quant::Linear match;          // [d, kMatches]
    quant::Linear word_found;     // [d, kWordFound]
    quant::Linear place_found;    // [d, kPlaceFound]
    quant::Linear pointer_found;  // [kPlaceFound, d] + bias
    Ground ground;                // of the vision width
    Referents referents;
  };

  static constexpr size_t kMatches = 16, kWordFound = 10, kPlaceFound = 2;

  PointerPredictor() = default;
  /// Throws sterna::Error where shapes disagree; the question's width must be dim.
  explicit PointerPredictor(Weights weights, quant::Isa isa = quant::best_isa());

  size_t width() const { return weights_.answer.size(); }
  size_t dim() const { return weights_.head.m(); }
  size_t question_width() const { return weights_.question.k(); }
  size_t vision_width() const { return weights_.vision.k(); }

  /// out [queries, dim], rows of unit length. Queries are run as one batch; a query's result does
  /// not depend on the others. `head_scale` weighs what the head learned against what the pointer
  /// reads in the picture. Throws sterna::Error if shapes disagree.
  void forward(std::span<const Query> queries, nn::Mat<float> out, const nn::Executor& executor,
               nn::Workspace& workspace, float head_scale = 1) const;

 private:
  void check(const Query& query) const;
  /// A row for each token of a batch's queries, the i-th one's from `starts[i]` on.
  struct Tokens {
    std::span<uint32_t> starts;  // [queries + 1]
    std::span<uint32_t> scene;   // [queries]: the first query about the same picture
    nn::Mat<float> z;            // [rows, d]
    nn::Mat<float> word;         // [rows, kWordFound], of words
    nn::Mat<float> place;        // [rows, kPlaceFound], of places
    nn::Mat<float> ground;       // [rows, dim], of a scene's places; no rows without such a part
  };
  Tokens room(std::span<const Query> queries, nn::Workspace& workspace) const;
  /// What enters the blocks, and what words and places are told.
  void fill(std::span<const Query> queries, const Tokens& tokens, const nn::Executor& executor,
            nn::Workspace& workspace) const;
  /// What lies at the places that query i asks about, [T, dim].
  nn::Mat<const float> there(std::span<const Query> queries, const Tokens& tokens, size_t i) const;
  /// `score` [1, T] in, alpha out.
  void point(const Query& query, nn::Mat<float> score, float* looked, float* said, float* matches,
             const nn::Executor& executor, nn::Workspace& workspace) const;
  void read(nn::Mat<const float> looked, nn::Mat<const float> matches, nn::Mat<float> z0,
            const nn::Executor& executor, nn::Workspace& workspace) const;

  Weights weights_;
  quant::Isa isa_ = quant::Isa::scalar;
};

}  // namespace sterna::predictor
