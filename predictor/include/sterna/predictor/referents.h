#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <span>

namespace sterna::predictor {

/// The things that a question names, how they lie to each other and what lies beside them: "is the
/// cup left of the lamp", "what is above the table". Three pointers over the question's words h, at
/// two things and at the word r that says how they lie (subject, object and relationship of
/// Compositional Modular Networks, arXiv 1611.09978), which the blocks' states hardly tell: their
/// means of "left" and "right" have a cosine of 0.994, those of the text tower 0.79. Of the words'
/// f (grounded.h) and the answer token z:
///   rho = softmax_j(w_2 . h_j);  r = sum rho_j h_j;  b_j = tanh(j - sum rho_j j)
///   beta_k = softmax_j(w_k . h_j + side_k b_j);  t_k = sum beta_kj f_j             for k = 0, 1
///   u = W_u r + b_u;  a = u . (m_0 - m_1), m_k the mean column and row in t_k
///   l = W_l [r; z] + b_l;  p = sigmoid(max_j w_2 . h_j + side_2): is there such a word?
///   more = p sigmoid(l_3) W_h [a; tanh a]
/// `more` goes to what the head reads. A place's score gains p (l_0 tanh(u . d) + l_1 exp(-d . d)),
/// d its column and row less m_1, in fifths of the picture; of what lies at the places pointed at,
/// the share p sigmoid(l_2) is read. tools/train/referents.py. Const after construction, shared by
/// threads.
struct Referents {
  quant::Linear role;           // [kRoles, question width]: w
  std::span<const float> side;  // [3]
  quant::Linear direction;      // [2, question width] + bias: W_u
  quant::Linear held;           // [d, kHeld]: W_h
  quant::Linear look;           // [kLook, question width + d] + bias: W_l

  static constexpr size_t kRoles = 3, kFound = 10, kHeld = 2, kLook = 4;

  /// Of a file that has no such part.
  bool empty() const { return role.m() == 0; }

  /// Throws sterna::Error unless every shape fits an answer token of width d.
  void check(size_t d, size_t question_width) const;

  /// A question's words [L, question width], what they were told [L, kFound], and its answer token
  /// [d] -> `more` [d], and the share that is read. What the places gain is added to their `score`
  /// of a grid with `columns` to a row, without place `absent` (as layout.h); `columns` 0: nothing.
  float forward(nn::Mat<const float> question, nn::Mat<const float> found, const float* answer,
                size_t columns, size_t absent, std::span<float> score, std::span<float> more,
                const nn::Executor& executor, nn::Workspace& workspace) const;
};

}  // namespace sterna::predictor
